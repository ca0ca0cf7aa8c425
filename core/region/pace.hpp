// What has been learned of a store's latency and bandwidth, and what follows for the size and the
// number of requests. Pure: time is passed in.
//
// Bandwidth is measured in rounds, as BBR does it: a round in which more could have been under way
// says nothing of how much would have come, unless it is more than was known. Whether more requests
// at a time bring more (an object store limits each connection) is tried out now and then.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <optional>

#include "base/range.hpp"
#include "loop/loop.hpp"

namespace r3map::region {

// Thread: one at a time.
class Pace {
 public:
  using Duration = loop::Clock::duration;
  using Time = loop::Clock::time_point;
  struct Limits {
    uint64_t request;   // bytes of one request, at most
    uint64_t bulk;      // bytes of bulk requests under way, at most
    unsigned parallel;  // such requests at a time, to begin with
    uint64_t requests;  // requests under way, at most; small ones need many
    Duration opening{};  // what the open's answer took; zero: unknown
  };
  explicit Pace(Limits limits);

  void first_byte(Duration delay);               // of one request
  void received(uint64_t total, Time now);       // bytes so far, while requests are under way
  void limited() { limited_ = true; }            // more would have been asked for
  void rested() { round_begin_ = std::nullopt; }  // nothing is under way

  uint64_t request() const;  // bytes of one bulk request
  uint64_t bulk() const;     // bytes of all that are under way
  uint64_t requests() const { return limits_.requests; }
  // Bytes between two ranges that are cheaper to fetch than to leave out.
  uint64_t gap() const;
  // What keeps the store busy for two round trips; 0: unknown.
  uint64_t busy() const;
  // A page so far behind what its request is just receiving comes sooner by one of its own.
  uint64_t far_behind() const;
  // A request without progress for so long is late; nothing: too little is known.
  std::optional<Duration> late() const;

  double bandwidth() const { return bandwidth_; }  // bytes per second; 0: unknown
  Duration latency() const { return latency_; }

 private:
  void end_round(double rate);
  void probe(double rate);

  const Limits limits_;
  Duration latency_{}, deviation_{};
  std::array<Duration, 16> recent_{};  // of which the shortest is without the load's own share
  Duration shortest_{};
  size_t latencies_ = 0;

  std::optional<Time> round_begin_;
  uint64_t round_bytes_ = 0;
  bool limited_ = false;
  std::array<double, 8> rates_{};
  size_t round_ = 0;
  double bandwidth_ = 0;

  unsigned parallel_;
  unsigned parallel_before_ = 0;  // 0: no other number is being tried
  double rate_before_ = 0;
  unsigned rounds_to_probe_;
};

}  // namespace r3map::region
