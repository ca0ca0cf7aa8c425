#include "region/pace.hpp"

#include <algorithm>

namespace r3map::region {

namespace {

using std::chrono::milliseconds;

constexpr milliseconds kShortestRound{50};
// Until the bandwidth is known: not so much that a slow line is blocked by it for long.
constexpr uint64_t kFirstRequest = 2 << 20;
constexpr uint64_t kSmallestRequest = 256 << 10;
// What bulk requests together may take: so long may the line be busy with them.
constexpr double kBulkSeconds = 0.5;
// What a request costs besides its bytes and its round trip.
constexpr double kRequestSeconds = 0.0002;
constexpr uint64_t kUnknownGap = 16 << 10, kMostGap = 1 << 20;
constexpr uint64_t kUnknownFarBehind = 1 << 20, kLeastFarBehind = 128 << 10;
constexpr size_t kLatenciesToKnow = 8;
constexpr milliseconds kNeverLateBefore{20};
// Before that is known: a connection that has died unnoticed while it was idle is silent, and a
// store that took long for the open may take long again.
constexpr milliseconds kLateAtFirst{1000};
constexpr int kLateOpenings = 8;

constexpr unsigned kMostParallel = 16;
constexpr unsigned kSettle = 2;  // rounds until another number of requests shows its effect
constexpr unsigned kProbeEvery = 20;
constexpr double kWorthMore = 1.1;

double seconds(Pace::Duration duration) { return std::chrono::duration<double>(duration).count(); }

}  // namespace

Pace::Pace(Limits limits)
    : limits_(limits),
      parallel_(std::clamp(limits.parallel, 1u, kMostParallel)),
      rounds_to_probe_(kSettle) {}

// Mean and mean deviation as TCP keeps them (RFC 6298, section 2).
void Pace::first_byte(Duration delay) {
  recent_[latencies_++ % recent_.size()] = delay;
  shortest_ = *std::min_element(
      recent_.begin(), recent_.begin() + static_cast<long>(std::min(latencies_, recent_.size())));
  if (latencies_ == 1) {
    latency_ = delay;
    deviation_ = delay / 2;
    return;
  }
  const Duration apart = delay > latency_ ? delay - latency_ : latency_ - delay;
  deviation_ += (apart - deviation_) / 4;
  latency_ += (delay - latency_) / 8;
}

void Pace::received(uint64_t total, Time now) {
  if (!round_begin_) {
    round_begin_ = now;
    round_bytes_ = total;
    limited_ = false;
    return;
  }
  const Duration round = now - *round_begin_;
  if (round < std::max<Duration>(kShortestRound, latency_ * 2)) return;
  end_round(static_cast<double>(total - round_bytes_) / seconds(round));
  round_begin_ = now;
  round_bytes_ = total;
  limited_ = false;
}

void Pace::end_round(double rate) {
  if (!limited_ && rate <= bandwidth_) return;
  rates_[round_++ % rates_.size()] = rate;
  bandwidth_ = *std::max_element(rates_.begin(), rates_.end());
  if (limited_) probe(rate);
}

// Half as many again: kept if they bring a tenth more.
void Pace::probe(double rate) {
  if (--rounds_to_probe_ > 0) return;
  if (parallel_before_ == 0) {
    parallel_before_ = parallel_;
    rate_before_ = rate;
  } else if (rate >= rate_before_ * kWorthMore) {
    parallel_before_ = parallel_;
    rate_before_ = rate;
  } else {
    parallel_ = parallel_before_;
    parallel_before_ = 0;
    rounds_to_probe_ = kProbeEvery;
    return;
  }
  parallel_ = std::min(parallel_ + (parallel_ + 1) / 2, kMostParallel);
  rounds_to_probe_ = kSettle;
}

uint64_t Pace::request() const {
  if (bandwidth_ == 0) return std::min(kFirstRequest, limits_.request);
  const auto bytes = static_cast<uint64_t>(bandwidth_ * kBulkSeconds / parallel_);
  return std::clamp(align_down(bytes, kPage), std::min(kSmallestRequest, limits_.request),
                    limits_.request);
}

uint64_t Pace::bulk() const { return std::min(request() * parallel_, limits_.bulk); }

uint64_t Pace::gap() const {
  if (bandwidth_ == 0 || latencies_ == 0) return kUnknownGap;
  const auto slots = static_cast<double>(std::max<uint64_t>(limits_.requests, 1));
  const double slot = seconds(shortest_) / slots;
  return std::min(static_cast<uint64_t>(bandwidth_ * (slot + kRequestSeconds)), kMostGap);
}

uint64_t Pace::busy() const {
  return static_cast<uint64_t>(bandwidth_ * 2 * seconds(shortest_));
}

uint64_t Pace::far_behind() const {
  if (bandwidth_ == 0) return kUnknownFarBehind;
  return std::max(std::min(busy() / parallel_, limits_.request), kLeastFarBehind);
}

std::optional<Pace::Duration> Pace::late() const {
  if (latencies_ < kLatenciesToKnow && limits_.opening == Duration::zero()) return std::nullopt;
  if (latencies_ < kLatenciesToKnow)
    return std::max<Duration>(kLateAtFirst, limits_.opening * kLateOpenings);
  return std::max<Duration>({latency_ + 4 * deviation_, 2 * latency_, kNeverLateBefore});
}

}  // namespace r3map::region
