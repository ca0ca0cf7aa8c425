#include "http/lane.hpp"

#include <optional>
#include <utility>

#include "base/limits.hpp"
#include "http/client.hpp"
#include "loop/event.hpp"

namespace r3map::http {

// What a request comes back with, to the home loop.
struct Lane::Errand {
  std::optional<Result<>> result;
  loop::Event done;
};

Lane::Lane(loop::Loop& home, std::unique_ptr<loop::Loop> loop, const Authorities& authorities)
    : home_(home), authorities_(authorities), loop_(std::move(loop)) {}

Result<std::unique_ptr<Lane>> Lane::start(loop::Loop& home, const Authorities& authorities) {
  Result<std::unique_ptr<loop::Loop>> loop = loop::Loop::start("r3map-receive");
  if (!loop) return fail(std::move(loop.error()));
  return std::unique_ptr<Lane>(new Lane(home, std::move(*loop), authorities));
}

Lane::~Lane() {
  loop_->call([this] { transfers_.reset(); });
}

void Lane::shutdown() {
  loop_->call([this] {
    closed_ = true;
    if (transfers_) transfers_->shutdown();
  });
}

// Counted at once, and not when the task has its turn: the next one may be sent before.
loop::Task<Result<>> Lane::perform(Request request, Receiver& receiver) {
  ++requests_;
  return carry(std::move(request), receiver);
}

loop::Task<Result<>> Lane::carry(Request request, Receiver& receiver) {
  Errand errand;
  // A token is asked on the thread where its source is told to stop.
  std::stop_source stop;
  const std::stop_token asked = std::exchange(request.stop, stop.get_token());
  loop_->post([this, request = std::move(request), &receiver, &errand]() mutable {
    loop::spawn(run(std::move(request), receiver, errand));
  });
  {
    const auto forward = [this, stop] {
      loop_->post([stop]() mutable { stop.request_stop(); });
    };
    std::stop_callback forwarded(asked, forward);
    co_await errand.done;
  }
  --requests_;
  co_return std::move(*errand.result);
}

// On the lane's thread, as run(). For want of memory it may fail, and succeed the next time.
Result<> Lane::have_transfers() {
  if (transfers_) return {};
  // Requests and the shutdown may have come together, and the libraries are being cleaned up.
  if (closed_) return Client::refusal();
  Result<std::unique_ptr<Transfers>> opened = Transfers::open(
      *loop_,
      {limits::kLaneConnections, limits::kLaneDemandConnections, limits::kLaneBulkConnections},
      authorities_);
  if (!opened) return fail(std::move(opened.error()));
  transfers_ = std::move(*opened);
  return {};
}

loop::Task<void> Lane::run(Request request, Receiver& receiver, Errand& errand) {
  Result<> result = have_transfers();
  if (result) {
    auto performing = transfers_->perform(std::move(request), receiver);
    result = co_await performing;
  }
  home_.post([&errand, result = std::move(result)]() mutable {
    errand.result.emplace(std::move(result));
    errand.done.set();
  });
}

}  // namespace r3map::http
