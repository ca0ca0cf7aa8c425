// libcurl's multi interface on the loop: its sockets and its timer are watched, its handles kept.
#pragma once

#include <curl/curl.h>

#include <functional>
#include <memory>
#include <optional>
#include <unordered_map>
#include <vector>

#include "base/result.hpp"
#include "http/connections.hpp"
#include "loop/loop.hpp"

namespace r3map::http {

// Thread: the loop's.
class Multi {
 public:
  // `most`: connections at a time. `ran` is called each time that libcurl has run, outside of it.
  // `connections` outlives this.
  Multi(loop::Loop& loop, Connections& connections, size_t most, std::function<void()> ran);
  ~Multi();
  Multi(const Multi&) = delete;
  Multi& operator=(const Multi&) = delete;

  Result<> open();

  // With all options that are the same for every request. Null: out of memory.
  CURL* take_handle();
  // It may be taken again: its buffer is worth keeping.
  void give_back(CURL* easy) { idle_.push_back(easy); }

  bool add(CURL* easy);
  void remove(CURL* easy);

  struct Finished {
    CURL* easy;
    CURLcode code;
  };
  std::optional<Finished> next_finished();

  // In a callback of libcurl's, which must not be called then.
  bool inside() const { return inside_; }

 private:
  void act(curl_socket_t socket, int events);

  static int on_socket(CURL*, curl_socket_t socket, int what, void* self, void*);
  static int on_timer(CURLM*, long timeout_ms, void* self);
  static int on_close(void* self, curl_socket_t socket);

  loop::Loop& loop_;
  Connections& connections_;
  const size_t most_;
  std::function<void()> ran_;
  CURLM* multi_ = nullptr;
  loop::Timer timer_;
  std::unordered_map<curl_socket_t, std::unique_ptr<loop::FdWatch>> watches_;
  std::vector<CURL*> idle_;
  bool inside_ = false;
};

}  // namespace r3map::http
