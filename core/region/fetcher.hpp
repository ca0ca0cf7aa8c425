// Sends a region's requests to its resource: those that somebody waits for at once, the others in
// their order and within limits. Must not know page faults.
#pragma once

#include <array>
#include <atomic>
#include <deque>
#include <list>
#include <memory>

#include "base/limits.hpp"
#include "loop/event.hpp"
#include "region/budget.hpp"
#include "region/fetch_sink.hpp"
#include "region/fill.hpp"
#include "region/pace.hpp"
#include "resource/resource.hpp"

namespace r3map::region {

// One request under way.
struct Fetch {
  Range range;  // page aligned
  resource::Urgency urgency;
  uint64_t generation = 0;
  uint64_t twin = 0;  // the generation of the other request for (a part of) this; 0: there is none
  bool superseded = false;  // by its twin, which has brought everything
  size_t queued_behind = 0;  // of bulk: so many others were under way
  loop::Deadline deadline = loop::kNever;
  std::stop_source stop;
  const Progress* progress = nullptr;  // while under way
  uint64_t landed = 0;                 // once it has ended

  // It could not go on trying: whoever has more time may.
  bool ran_out_of_time() const {
    return loop::Clock::now() + std::chrono::milliseconds(100) >= deadline;
  }
};

// What a page that has landed needed is counted already.
struct FetchCounters {
  uint64_t requests = 0;
  uint64_t failed = 0;
  uint64_t hedged = 0;
  uint64_t retries = 0;
  std::atomic<uint64_t> fetched_bytes = 0;  // on any thread
};

// Thread: home loop.
class Fetcher {
 public:
  struct Limits {
    uint64_t request;                // bytes of one request
    uint64_t bulk;                   // bytes under way that nobody waits for in a fault
    loop::Clock::duration deadline;  // of one request; zero: none
    // What was asked for, if less; calls have to keep to it as well.
    uint64_t most_requests = UINT64_MAX, most_bytes = UINT64_MAX;
  };
  struct Owner {
    virtual ~Owner() = default;
    // A fetch ended, and what it did not land is absent again.
    virtual void on_fetched(const Fetch& fetch, const Result<>& result) = 0;
    // These pages landed; on any thread.
    virtual void on_landed(Range pages) = 0;
    // An attempt failed; after the pause there will be another.
    virtual void on_retrying(uint64_t offset, const Error& cause, loop::Clock::duration pause) = 0;
    // What a thread in a fault waits for in `range`, with what it will want next; empty: nothing.
    virtual Range waited_for(Range range) const = 0;
  };
  Fetcher(loop::Loop& loop, resource::Resource& resource, Fill& fill, Budget::Share& share,
          Limits limits, Owner& owner);

  // Fetches the absent part at the begin of `range` now, at most one request, and answers it;
  // an empty one, at the same offset, if the first page isn't absent. Over the budget by a page, if
  // it must be: a thread waits in a page fault.
  Range demand(Range range);
  // As demand, but within the budget: what finds no room waits for it.
  Range require(Range range);
  // Fetches what is absent in `ranges` when their turn comes; what lies close together in one
  // request. Not for Urgency::demand. What nobody waits for is dropped past limits::kQueuedRanges.
  void enqueue(std::span<const Range> ranges, resource::Urgency urgency);
  void enqueue(Range range, resource::Urgency urgency) { enqueue({&range, 1}, urgency); }
  // What is left, from `offset` on, of a queued readahead that holds it; else empty.
  Range queued_readahead(uint64_t offset) const;
  // Starts what can be started.
  void pump();

  void forget_queued(resource::Urgency urgency) { queue(urgency).clear(); }
  // Whether so many more ranges can wait; what is too many is dropped by enqueue().
  bool can_queue(size_t ranges, resource::Urgency urgency) {
    return queue(urgency).size() + ranges <= limits::kQueuedRanges;
  }
  // Prefetches and pulls, queued and under way.
  bool has_background() const;
  size_t queued() const;
  bool has_running() const { return !running_.empty(); }
  void stop();  // cancels what runs, forgets what is queued, and starts nothing any more
  loop::Task<void> idle() { return tasks_.idle(); }
  const FetchCounters& counters() const { return counters_; }
  const Pace& pace() const { return pace_; }

 private:
  std::deque<Range>& queue(resource::Urgency urgency);
  Range first_piece(Range range) const;
  bool has_room() const;
  uint64_t piece_limit() const;
  Range next_piece(std::deque<Range>& ranges, uint64_t gap) const;
  Range joined(Range piece, std::deque<Range>& rest, uint64_t gap) const;
  bool start_next(resource::Urgency urgency);
  bool reserve(uint64_t bytes, resource::Urgency urgency);
  void start(Range range, resource::Urgency urgency);
  void start(Fetch fetch);
  loop::Task<void> run(std::list<Fetch>::iterator fetch);
  void learn(const Fetch& fetch, bool complete);
  void watch_for_late_ones();
  void hedge_late_ones();
  bool hedge(Fetch& fetch);
  void part_from(uint64_t generation);
  bool is_pulling() const;

  resource::Resource& resource_;
  Fill& fill_;
  Budget::Share& share_;
  const Limits limits_;
  Owner& owner_;
  Pace pace_;
  std::array<std::deque<Range>, 4> queues_;  // require, readahead, prefetch, pull
  std::list<Fetch> running_;
  uint64_t bulk_bytes_ = 0;
  size_t bulk_requests_ = 0;
  double hedges_left_;
  loop::Timer late_timer_;
  bool late_timer_armed_ = false;
  bool stopped_ = false;
  FetchCounters counters_;
  loop::TaskGroup tasks_;
};

}  // namespace r3map::region
