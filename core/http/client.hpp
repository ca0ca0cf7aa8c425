// The HTTP client: one request, one answer. Small answers, as most page faults', come on the loop;
// large ones are received, decrypted and landed on threads of their own, so that one core isn't the
// limit of what arrives, and no small answer waits behind it. Knows nothing of ranges, versions or
// retries.
#pragma once

#include <cstddef>
#include <memory>
#include <vector>

#include "http/request.hpp"
#include "http/transfers.hpp"

namespace r3map::http {

class Lane;

// Thread: the loop's, its creation and destruction too. Outlives its tasks.
class Client {
 public:
  // `lanes`: so many threads for large answers, at most; started when there are any.
  static Result<std::unique_ptr<Client>> open(loop::Loop& loop, size_t lanes);
  ~Client();
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  // Until the answer is complete, whatever its status; redirects are answers like others. An error
  // of the receiver comes back as it is. After this the receiver is not called any more.
  loop::Task<Result<>> perform(Request request, Receiver& receiver);

  // For the end of the process: ends what is under way with Code::canceled; what comes later is
  // refused with refusal(). The libraries below may be cleaned up from here on.
  void shutdown();
  bool closed() const { return closed_; }
  static Failure refusal();  // Code::canceled: nobody is to try again

 private:
  Client(loop::Loop& loop, std::unique_ptr<Transfers> transfers, size_t lanes);
  Lane* lane_for(const Request& request);
  Lane* start_lane();

  loop::Loop& loop_;
  std::unique_ptr<Transfers> transfers_;
  std::vector<std::unique_ptr<Lane>> lanes_;
  size_t lanes_left_;  // that may still be started
  loop::Clock::time_point not_before_{};  // of the next attempt to start one
  bool closed_ = false;
};

}  // namespace r3map::http
