#include "http/connections.hpp"

#include <arpa/inet.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <vector>

#include "support/no_descriptors.hpp"

namespace r3map::http {
namespace {

// A listener, and connections to it that the tested class has opened.
class ConnectionsTest : public testing::Test {
 protected:
  void SetUp() override {
    listener_ = socket(AF_INET, SOCK_STREAM, 0);
    address_.sin_family = AF_INET;
    address_.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address_;
    ASSERT_EQ(bind(listener_, reinterpret_cast<sockaddr*>(&address_), size), 0);
    ASSERT_EQ(listen(listener_, 8), 0);
    getsockname(listener_, reinterpret_cast<sockaddr*>(&address_), &size);
  }
  void TearDown() override {
    for (int fd : peers_) close(fd);
    close(listener_);
  }

  struct Open {
    int fd, peer;
    Connection connection;
  };
  Open connect_one() {
    const int fd = connections_.open(AF_INET, SOCK_STREAM, 0);
    EXPECT_EQ(::connect(fd, reinterpret_cast<sockaddr*>(&address_), sizeof address_), 0);
    peers_.push_back(accept(listener_, nullptr, nullptr));
    sockaddr_in local{};
    socklen_t size = sizeof local;
    getsockname(fd, reinterpret_cast<sockaddr*>(&local), &size);
    return {fd, peers_.back(), {address_of("127.0.0.1", ntohs(local.sin_port)),
                                address_of("127.0.0.1", ntohs(address_.sin_port))}};
  }
  static void send_unasked(const Open& open) {
    EXPECT_EQ(write(open.peer, "x", 1), 1);
    pollfd readable{open.fd, POLLIN, 0};
    EXPECT_EQ(poll(&readable, 1, 10000), 1);
  }

  int listener_ = -1;
  sockaddr_in address_{};
  std::vector<int> peers_;
  Connections connections_;
};

TEST_F(ConnectionsTest, BytesThatNobodyHasAskedFor) {
  const Open one = connect_one(), other = connect_one();
  EXPECT_TRUE(connections_.may_send(one.connection));
  EXPECT_TRUE(connections_.may_send(other.connection));
  EXPECT_TRUE(connections_.may_send(one.connection)) << "again, and nothing has come";
  send_unasked(one);
  EXPECT_FALSE(connections_.may_send(one.connection));
  EXPECT_TRUE(connections_.may_send(other.connection));
  EXPECT_EQ(connections_.close(one.fd), 0);
  EXPECT_EQ(connections_.close(other.fd), 0);
}

TEST_F(ConnectionsTest, TheFirstRequestIsLetPass) {
  const Open open = connect_one();
  send_unasked(open);
  EXPECT_TRUE(connections_.may_send(open.connection));
  EXPECT_FALSE(connections_.may_send(open.connection));
  connections_.close(open.fd);
  EXPECT_TRUE(connections_.may_send(open.connection)) << "closed and forgotten";
}

TEST_F(ConnectionsTest, ChildrenDoNotInheritThem) {
  const int fd = connections_.open(AF_INET6, SOCK_STREAM, 0);
  if (fd < 0) GTEST_SKIP() << "no IPv6";
  EXPECT_TRUE(fcntl(fd, F_GETFD) & FD_CLOEXEC);
  connections_.close(fd);
}

TEST_F(ConnectionsTest, NoDescriptorLeft) {
  EXPECT_FALSE(out_of_descriptors());
  const test::NoDescriptors none;
  EXPECT_EQ(connections_.open(AF_INET, SOCK_STREAM, 0), -1);
  EXPECT_EQ(errno, EMFILE);
  EXPECT_TRUE(out_of_descriptors());
}

TEST(Address, OfText) {
  EXPECT_EQ(address_of("127.0.0.1", 80), address_of("127.0.0.1", 80));
  EXPECT_NE(address_of("127.0.0.1", 80), address_of("127.0.0.2", 80));
  EXPECT_NE(address_of("127.0.0.1", 80), address_of("127.0.0.1", 81));
  EXPECT_EQ(address_of("::1", 80), address_of("0:0:0:0:0:0:0:1", 80));
}

}  // namespace
}  // namespace r3map::http
