// Room for pins: which calls hold some, and whose turn it is when there is none left.
#pragma once

#include <chrono>
#include <list>

#include "loop/event.hpp"
#include "loop/loop.hpp"
#include "region/evictor.hpp"
#include "region/pins.hpp"

namespace r3map::region {

// Nobody tells a region that another one has made room: who waits for some looks again so soon.
inline constexpr std::chrono::milliseconds kLookForRoom{5};

// Whether the caller takes his pin back some time, or a call does it by itself when it ends.
enum class Hold { lasting, passing };

// Pins are counted against what the budget leaves for them. Thread: home loop.
class Room {
 public:
  // `pins`: all of the region's, which the evictor asks. `scarce`: false for memory that is never
  // evicted, where whatever is asked for fits.
  Room(loop::Loop& loop, Pins& pins, Evictor& evictor, loop::Clock::duration deadline, bool scarce);

  // Pins pages. As long as it is for passing pins that there is no room, waits for its turn.
  loop::Task<Result<>> take(Range pages, Hold hold);
  bool give_back(Range pages, Hold hold);  // false: they aren't pinned

  // Whoever waits or comes later gets Code::canceled.
  void close();

 private:
  bool fits(Range pages, Hold hold) const;
  Failure refusal(Range pages) const;
  Result<> add(Range pages, Hold hold);
  bool may_come() const;
  void give_turn();

  loop::Loop& loop_;
  Pins& pins_;
  Evictor& evictor_;
  const loop::Clock::duration deadline_;
  const bool scarce_;
  Pins lasting_;                   // which their callers alone can take back
  size_t passing_ = 0;             // pins of calls that let go by themselves
  uint64_t given_back_ = 0;        // so many, until now
  std::list<loop::Event*> turns_;  // of calls that wait; null: one that is looking just now
  bool closed_ = false;
};

}  // namespace r3map::region
