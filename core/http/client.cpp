#include "http/client.hpp"

#include <algorithm>
#include <utility>

#include "base/limits.hpp"
#include "base/log.hpp"
#include "http/lane.hpp"

namespace r3map::http {

Client::Client(loop::Loop& loop, std::unique_ptr<Transfers> transfers, size_t lanes)
    : loop_(loop), transfers_(std::move(transfers)), lanes_left_(lanes) {}
Client::~Client() = default;

Result<std::unique_ptr<Client>> Client::open(loop::Loop& loop, size_t lanes) {
  Result<std::unique_ptr<Transfers>> transfers = Transfers::open(
      loop, {limits::kConnections, limits::kDemandConnections, limits::kBulkConnections});
  if (!transfers) return fail(std::move(transfers.error()));
  return std::unique_ptr<Client>(new Client(loop, std::move(*transfers), lanes));
}

Failure Client::refusal() { return fail(Code::canceled, "the process is exiting"); }

void Client::shutdown() {
  closed_ = true;
  for (const std::unique_ptr<Lane>& lane : lanes_) lane->shutdown();
  transfers_->shutdown();
}

loop::Task<Result<>> Client::perform(Request request, Receiver& receiver) {
  if (closed_) co_return refusal();
  Lane* const lane = lane_for(request);
  auto performing = lane ? lane->perform(std::move(request), receiver)
                         : transfers_->perform(std::move(request), receiver);
  co_return co_await performing;
}

// The one that has least to do; a new one while all have something. Null: the loop.
Lane* Client::lane_for(const Request& request) {
  if (request.expected_bytes < limits::kLargeAnswer) return nullptr;
  const auto least = std::min_element(
      lanes_.begin(), lanes_.end(),
      [](const auto& a, const auto& b) { return a->requests() < b->requests(); });
  if (least == lanes_.end() || (*least)->requests() > 0)
    if (Lane* const fresh = start_lane()) return fresh;
  return least == lanes_.end() ? nullptr : least->get();
}

Lane* Client::start_lane() {
  if (lanes_left_ == 0 || loop::Clock::now() < not_before_) return nullptr;
  Result<std::unique_ptr<Lane>> started = Lane::start(loop_, transfers_->authorities());
  if (!started) {
    not_before_ = loop::Clock::now() + limits::kThreadAgain;
    log(LogLevel::warn, "no thread for large answers, page faults may have to wait for them",
        {{"cause", started.error().message}});
    return nullptr;
  }
  --lanes_left_;
  return lanes_.emplace_back(std::move(*started)).get();
}

}  // namespace r3map::http
