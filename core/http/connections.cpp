#include "http/connections.hpp"

#include <arpa/inet.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace r3map::http {

namespace {

Address address_of(int fd, int (*name)(int, sockaddr*, socklen_t*)) {
  sockaddr_storage storage{};
  socklen_t size = sizeof storage;
  Address address;
  if (name(fd, reinterpret_cast<sockaddr*>(&storage), &size) < 0) return address;
  if (storage.ss_family == AF_INET) {
    const auto* v4 = reinterpret_cast<const sockaddr_in*>(&storage);
    std::memcpy(address.ip.data(), &v4->sin_addr, sizeof v4->sin_addr);
    address.port = ntohs(v4->sin_port);
  } else if (storage.ss_family == AF_INET6) {
    const auto* v6 = reinterpret_cast<const sockaddr_in6*>(&storage);
    std::memcpy(address.ip.data(), &v6->sin6_addr, sizeof v6->sin6_addr);
    address.port = ntohs(v6->sin6_port);
  }
  return address;
}

bool has_unread_bytes(int fd) {
  char byte;
  return recv(fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) > 0;
}

}  // namespace

Address address_of(const char* ip, int port) {
  Address address;
  address.port = static_cast<uint16_t>(port);
  inet_pton(std::strchr(ip, ':') ? AF_INET6 : AF_INET, ip, address.ip.data());
  return address;
}

int Connections::open(int family, int type, int protocol) {
  // The host's children must not inherit it.
  const int fd = ::socket(family, type | SOCK_CLOEXEC, protocol);
  if (fd >= 0) sockets_[fd] = std::nullopt;
  return fd;
}

int Connections::close(int socket) {
  if (const auto found = sockets_.find(socket); found != sockets_.end()) {
    if (found->second) connections_.erase(*found->second);
    sockets_.erase(found);
  }
  return ::close(socket);
}

// Finds the socket of a connection that carries its first request; not on a page fault's path
// again as long as it lives.
void Connections::remember(const Connection& connection) {
  for (auto& [fd, known] : sockets_) {
    if (known || address_of(fd, getsockname) != connection.local ||
        address_of(fd, getpeername) != connection.remote)
      continue;
    known = connection;
    connections_[connection] = fd;
  }
}

bool Connections::may_send(const Connection& connection) {
  const auto known = connections_.find(connection);
  if (known != connections_.end()) return !has_unread_bytes(known->second);
  remember(connection);
  return true;
}

bool out_of_descriptors() {
  const int probe = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (probe < 0) return errno == EMFILE || errno == ENFILE;
  ::close(probe);
  return false;
}

}  // namespace r3map::http
