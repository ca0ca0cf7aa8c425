// What a client is asked for, and who takes the answer.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <stop_token>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "http/header.hpp"
#include "http/queues.hpp"
#include "loop/loop.hpp"

namespace r3map::http {

struct Request {
  std::string url;                   // without user and password
  std::string method = "GET";        // or PUT, POST
  std::string body;                  // of a PUT or POST; small
  std::vector<std::string> headers;  // "Name: value"
  std::string ca_bundle;             // a file; empty: the system's
  bool verify = true;                // the server's certificate
  std::string proxy;                 // a URL, whatever the environment says; empty: the latter
  bool direct = false;               // past any proxy: the peer is this machine's own
  Priority priority = Priority::bulk;
  uint64_t expected_bytes = 0;  // of the body, as far as known
  loop::Deadline deadline = loop::kNever;
  // Requested on the loop's thread; from inside the receiver, too, where that is the receiver's.
  std::stop_token stop;
};

// Takes one answer. Called inside libcurl, on the thread that receives: must not wait, nor call the
// client. Calls never overlap.
class Receiver {
 public:
  virtual ~Receiver() = default;

  // The final head, before any byte of the body. An error ends the request.
  virtual Result<> head(const Head& head) = 0;
  // The next bytes, from libcurl's own buffer. An error ends the request.
  virtual Result<> body(std::span<const std::byte> data) = 0;
  // The socket holds no more for the moment: what was only collected should go on its way.
  virtual void drained() {}
};

}  // namespace r3map::http
