#include "capi/stalling_server.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <vector>

#include "capi/content.hpp"

namespace r3map::test {

StallingServer::StallingServer(uint64_t object_size) : size_(object_size) {
  listener_ = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t length = sizeof address;
  if (listener_ < 0 || bind(listener_, reinterpret_cast<sockaddr*>(&address), length) < 0 ||
      listen(listener_, 64) < 0 ||
      getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &length) < 0) {
    std::perror("stalling server");
    std::abort();
  }
  port_ = ntohs(address.sin_port);
  acceptor_ = std::thread([this] { accept_all(); });
}

StallingServer::~StallingServer() {
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
    for (const int connection : connections_) shutdown(connection, SHUT_RDWR);
  }
  changed_.notify_all();
  shutdown(listener_, SHUT_RDWR);
  acceptor_.join();
  for (std::thread& thread : threads_) thread.join();
  close(listener_);
}

std::string StallingServer::url() const {
  return "http://127.0.0.1:" + std::to_string(port_) + "/object";
}

void StallingServer::stall_opens() {
  std::lock_guard lock(mutex_);
  stalling_opens_ = true;
}

void StallingServer::release() {
  {
    std::lock_guard lock(mutex_);
    stalling_ = stalling_opens_ = false;
  }
  changed_.notify_all();
}

size_t StallingServer::stalled() const {
  std::lock_guard lock(mutex_);
  return stalled_;
}

void StallingServer::accept_all() {
  for (;;) {
    const int connection = accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
    std::lock_guard lock(mutex_);
    if (stopping_ || connection < 0) {
      if (connection >= 0) close(connection);
      return;
    }
    connections_.push_back(connection);
    threads_.emplace_back([this, connection] { serve(connection); });
  }
}

void StallingServer::serve(int connection) {
  std::string text;
  char buffer[4096];
  for (bool good = true; good;) {
    const ssize_t got = recv(connection, buffer, sizeof buffer, 0);
    if (got <= 0) break;
    text.append(buffer, static_cast<size_t>(got));
    for (size_t end; good && (end = text.find("\r\n\r\n")) != std::string::npos;) {
      good = answer(connection, text.substr(0, end + 4));
      text.erase(0, end + 4);
    }
  }
  std::lock_guard lock(mutex_);
  connections_.remove(connection);
  close(connection);
}

bool StallingServer::answer(int connection, const std::string& request) {
  unsigned long long first = 0, last = 0;
  const size_t at = request.find("bytes=");
  if (at == std::string::npos ||
      std::sscanf(request.c_str() + at, "bytes=%llu-%llu", &first, &last) != 2)
    return false;
  last = std::min<unsigned long long>(last, size_ - 1);
  {
    std::unique_lock lock(mutex_);
    const bool open = first == 0;
    ++stalled_;
    changed_.wait(lock, [&] { return stopping_ || !(open ? stalling_opens_ : stalling_); });
    --stalled_;
    if (stopping_) return false;
  }
  const std::vector<std::byte> body = content(first, last - first + 1);
  std::string answer = "HTTP/1.1 206 Partial Content\r\nETag: \"one\"\r\nAccept-Ranges: bytes\r\n";
  answer += "Content-Length: " + std::to_string(body.size()) + "\r\n";
  answer += "Content-Range: bytes " + std::to_string(first) + "-" + std::to_string(last) + "/" +
            std::to_string(size_) + "\r\n\r\n";
  answer.append(reinterpret_cast<const char*>(body.data()), body.size());
  for (size_t sent = 0; sent < answer.size();) {
    const ssize_t put =
        send(connection, answer.data() + sent, answer.size() - sent, MSG_NOSIGNAL);
    if (put <= 0) return false;
    sent += static_cast<size_t>(put);
  }
  return true;
}

}  // namespace r3map::test
