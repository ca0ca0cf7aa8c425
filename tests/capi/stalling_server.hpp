// An HTTP server in this process that answers the first contact with an object and then, as long as
// it stalls, nothing more: for calls and page faults that wait.
#pragma once

#include <atomic>
#include <condition_variable>
#include <list>
#include <mutex>
#include <string>
#include <thread>

#include <cstdint>

namespace r3map::test {

// Thread: any.
class StallingServer {
 public:
  explicit StallingServer(uint64_t object_size);
  ~StallingServer();
  StallingServer(const StallingServer&) = delete;
  StallingServer& operator=(const StallingServer&) = delete;

  std::string url() const;
  void stall_opens();  // the first contact as well
  void release();      // everything is answered from here on
  size_t stalled() const;  // requests that wait

  // The bytes that an open fetches; a fault on them may be answered without the server.
  static constexpr uint64_t kFirstBytes = 64 << 10;

 private:
  void accept_all();
  void serve(int connection);
  bool answer(int connection, const std::string& request);

  const uint64_t size_;
  int listener_ = -1;
  int port_ = 0;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  bool stalling_ = true;       // under mutex_, as what follows
  bool stalling_opens_ = false;
  bool stopping_ = false;
  size_t stalled_ = 0;
  std::list<int> connections_;
  std::list<std::thread> threads_;
  std::thread acceptor_;
};

}  // namespace r3map::test
