// One request on libcurl, from Transfers::perform() to its end: what goes out, the answer as it comes
// in, and how libcurl's errors read.
#pragma once

#include <curl/curl.h>

#include <array>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "http/authorities.hpp"
#include "http/connections.hpp"
#include "http/proxy.hpp"
#include "http/queues.hpp"
#include "http/request.hpp"
#include "loop/event.hpp"

namespace r3map::http {

struct Transfer;

// What the transfers of one loop share.
struct Common {
  loop::Loop& loop;
  Connections connections;
  Authorities authorities;  // for requests without a bundle of their own
  // Those that have got bytes since libcurl was last called; emptied before any of them can end.
  std::vector<Transfer*> undrained;
};

// Thread: the loop's.
struct Transfer : Slot {
  Transfer(Common& shared, Request&& asked, Receiver& taker, std::function<void()> expired);

  Common& common;
  Request request;
  Receiver& receiver;
  std::string host;

  CURL* easy = nullptr;  // while under way
  std::array<char, CURL_ERROR_SIZE> curl_text{};
  bool sent = false;  // a connection was found; from here on silence is a stall
  bool stale_connection = false;
  loop::Clock::time_point last_byte;
  bool undrained = false;  // is among those

  std::optional<Result<>> result;  // set: over, though libcurl may not know yet
  loop::Event done;
  loop::Timer timer;

  // Makes `handle` this request's.
  Result<> attach(CURL* handle);
  // Takes the handle away again, which libcurl has let go. Null: there was none.
  CURL* detach();
  // As before the first attempt, for another one by a new connection.
  void begin_anew();

  // The connection that it was given was of no use, through no fault of the request.
  bool needs_another_connection(CURLcode code) const;
  // What the request ends with when libcurl is through with it.
  Result<> verdict(CURLcode code) const;
  Failure failed(Code code, const std::string& what) const;

 private:
  Result<> set_headers();
  void set_trust();
  void set_method();
  bool deliver_head();
  std::string detail(CURLcode code) const;
  Failure failure(CURLcode code) const;
  std::optional<Failure> proxy_failure() const;
  std::optional<Proxy> proxy() const;
  bool failed_at(const Proxy& proxy, CURLcode code) const;

  static curl_socket_t on_open(void* self, curlsocktype, curl_sockaddr* address);
  static int on_request(void* self, char* remote_ip, char* local_ip, int remote_port,
                        int local_port);
  static size_t on_header(char* data, size_t size, size_t count, void* self);
  static size_t on_body(char* data, size_t size, size_t count, void* self);

  curl_slist* headers_ = nullptr;
  HeadParser parser_;
  bool head_given_ = false;
  bool no_descriptor_ = false;  // for a socket
  uint16_t asked_port_ = 0;     // to which the last socket was to be connected
  std::optional<Error> refusal_;  // the receiver's or ours, from inside a callback
};

}  // namespace r3map::http
