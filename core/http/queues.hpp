// Who waits for a connection and who has one: urgent ones overtake. Pure.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <list>
#include <vector>

namespace r3map::http {

// Who overtakes whom; first come, first served within each.
enum class Priority : uint8_t {
  demand,  // a thread in a page fault
  wanted,  // a caller
  bulk,    // nobody yet
};
inline constexpr size_t kPriorities = 3;

// How many connections there are, and who may have them.
struct Shares {
  size_t all;
  size_t kept_for_demand = 0;  // of all
  size_t bulk = all;           // at most
};

// One who waits or has started; lives as long as he is in the queues.
struct Slot {
  explicit Slot(Priority urgency) : priority(urgency) {}

  const Priority priority;
  bool queued = false;  // waits
  std::list<Slot*>::iterator place;
};

// Thread: any, one at a time.
class Queues {
 public:
  explicit Queues(Shares shares) : shares_(shares) {}

  void add(Slot& slot);
  // Lets the next one start that may; none: all connections that it could have are in use.
  Slot* start_next();
  void remove(Slot& slot);  // whether it waits or has started

  size_t waiting() const;
  const std::list<Slot*>& started() const { return started_; }
  std::vector<Slot*> all() const;  // those that wait first

 private:
  std::list<Slot*>& queue_of(Priority priority) { return queues_[static_cast<size_t>(priority)]; }
  bool may_start(Priority priority) const;

  const Shares shares_;
  std::array<std::list<Slot*>, kPriorities> queues_;
  std::list<Slot*> started_;
  std::array<size_t, kPriorities> started_counts_{};
};

}  // namespace r3map::http
