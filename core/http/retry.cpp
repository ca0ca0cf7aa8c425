#include "http/retry.hpp"

#include <algorithm>

#include "base/limits.hpp"

namespace r3map::http {

namespace {

using std::chrono::milliseconds;

constexpr milliseconds kBase{50};
constexpr milliseconds kCap{5000};

// AWS's "full jitter": anything from nothing to the exponential bound, so that clients which
// failed together don't come back together.
milliseconds jittered(int failures, Retry::Random& random) {
  const int doublings = std::min(failures - 1, 10);
  const auto bound = std::min(kCap, kBase * (1 << doublings));
  return milliseconds(std::uniform_int_distribution<int64_t>(0, bound.count())(random));
}

}  // namespace

bool Retry::out_of_time(loop::Clock::time_point now) const {
  return deadline_ != loop::kNever && deadline_ < now + kBase;
}

std::optional<loop::Clock::duration> Retry::next(Code code,
                                                 std::optional<std::chrono::seconds> retry_after,
                                                 loop::Clock::time_point now) {
  if (!is_transient(code) || out_of_time(now)) return std::nullopt;
  const loop::Clock::duration left =
      deadline_ == loop::kNever ? loop::Clock::duration::max() : deadline_ - now;
  ++failures_;
  // A peer that breaks its protocol each time will not learn it before the deadline.
  const int most = code == Code::protocol && max_attempts_ == 0 ? limits::kOpenAttempts
                                                                : max_attempts_;
  if (most > 0 && failures_ >= most) return std::nullopt;

  const loop::Clock::duration backoff = jittered(failures_, random_);
  if (!retry_after) return std::min(backoff, left / 2);
  if (*retry_after >= left) return std::nullopt;
  return std::max<loop::Clock::duration>(*retry_after, std::min(backoff, left / 2));
}

}  // namespace r3map::http
