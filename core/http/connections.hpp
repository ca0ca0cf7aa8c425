// Open sockets, and which of them hold bytes that nobody has asked for.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <optional>
#include <unordered_map>

namespace r3map::http {

// One end of a connection; IPv4 in the first four bytes.
struct Address {
  std::array<uint8_t, 16> ip{};
  uint16_t port = 0;
  bool operator==(const Address&) const = default;
};

Address address_of(const char* ip, int port);

struct Connection {
  Address local, remote;
  bool operator==(const Connection&) const = default;
};

// One local port may lead to several hosts, but rarely does.
struct ConnectionHash {
  size_t operator()(const Connection& connection) const {
    return std::hash<uint32_t>()(uint32_t{connection.local.port} << 16 | connection.remote.port);
  }
};

// Thread: any, one at a time.
class Connections {
 public:
  // A socket, or -1 and errno.
  int open(int family, int type, int protocol);
  int close(int socket);

  // A request is about to be sent by this connection. False: it holds bytes already, which would be
  // taken for the answer, whoever they were meant for: libcurl 7.88 does not look. (A first request
  // is let pass: TLS 1.3 sends its tickets unasked.)
  bool may_send(const Connection& connection);

 private:
  void remember(const Connection& connection);

  // What sockets connect is known from their first request on.
  std::unordered_map<int, std::optional<Connection>> sockets_;
  std::unordered_map<Connection, int, ConnectionHash> connections_;  // that carried one
};

// The process or the system has no file descriptor left, as libcurl won't tell.
bool out_of_descriptors();

}  // namespace r3map::http
