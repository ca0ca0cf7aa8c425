// The HTTP client: a bounded pool of connections on the loop. Knows nothing of ranges, versions or
// retries: one request, one answer.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <stop_token>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "http/header.hpp"
#include "http/queues.hpp"
#include "loop/loop.hpp"
#include "loop/task.hpp"

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
  loop::Deadline deadline = loop::kNever;
  std::stop_token stop;  // requested on the loop's thread, even from inside the receiver
};

// Takes one answer. Called inside libcurl: must not wait, nor call the client.
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

// Thread: the loop's, its creation and destruction too. Outlives its tasks.
class Client {
 public:
  static Result<std::unique_ptr<Client>> open(loop::Loop& loop);
  ~Client();
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  // Until the answer is complete, whatever its status; redirects are answers like others. An error
  // of the receiver comes back as it is. After this the receiver is not called any more.
  loop::Task<Result<>> perform(Request request, Receiver& receiver);

  // For the end of the process: ends what is under way with Code::canceled; what comes later is
  // refused with refusal(). The libraries below may be cleaned up from here on.
  void shutdown();
  bool closed() const;
  static Failure refusal();  // for good: nobody is to try again

  struct Impl;

 private:
  explicit Client(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace r3map::http
