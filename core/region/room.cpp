#include "region/room.hpp"

#include <algorithm>
#include <string>
#include <utility>

namespace r3map::region {

Room::Room(loop::Loop& loop, Pins& pins, Evictor& evictor, loop::Clock::duration deadline,
           bool scarce)
    : loop_(loop), pins_(pins), evictor_(evictor), deadline_(deadline), scarce_(scarce) {}

Result<> Room::add(Range pages, Hold hold) {
  if (scarce_ && !fits(pages, hold)) return refusal(pages);
  pins_.add(pages);
  if (hold == Hold::passing)
    ++passing_;
  else
    lasting_.add(pages);
  evictor_.set_pinned(lasting_.bytes(), pins_.bytes());
  return {};
}

Failure Room::refusal(Range pages) const {
  std::string text = "no room for " + std::to_string(pages.length) + " bytes: ";
  if (pages.length > evictor_.most_pinned())
    text += "at most " + std::to_string(evictor_.most_pinned()) +
            " can be here at a time, seven eighths of the budget";
  else
    text += std::to_string(pins_.bytes()) + " are pinned here" +
            (evictor_.others_pin() ? ", and others by other regions" : "") +
            ", and the budget has " + std::to_string(evictor_.limit());
  return fail(Code::no_memory, std::move(text));
}

// An eighth stays free of lasting pins. What passes may use it: a read works where a touch does.
bool Room::fits(Range pages, Hold hold) const {
  const uint64_t all = pins_.bytes_with(pages);
  if (all > evictor_.limit() || !evictor_.can_pin(all)) return false;
  if (hold == Hold::passing) return pages.length <= evictor_.most_pinned();
  const uint64_t lasting = lasting_.bytes_with(pages);
  return lasting <= evictor_.most_pinned() && evictor_.can_pin_for_good(lasting);
}

loop::Task<Result<>> Room::take(Range pages, Hold hold) {
  if (closed_) co_return fail(Code::canceled, "the region was closed");
  const bool hopeless = pages.length > evictor_.most_pinned();
  if (turns_.empty() || hopeless) {
    Result<> added = add(pages, hold);
    if (added || hopeless || !may_come()) co_return added;
  }
  const auto self = turns_.insert(turns_.end(), nullptr);
  loop::Timer timer(loop_, [&] {
    if (*self && !(*self)->is_set()) (*self)->set();
  });
  loop::Deadline until = loop::deadline_after(deadline_);
  uint64_t given_back = given_back_;
  bool expired = false;
  Result<> added;
  do {
    // Nobody tells a region that another one has let go: whose turn is next looks for himself.
    const bool looks = turns_.begin() == self && evictor_.others_hold_pins();
    const loop::Deadline look = looks ? loop::Clock::now() + kLookForRoom : until;
    if (look != loop::kNever) timer.start(std::min(look, until) - loop::Clock::now());
    loop::Event turn;
    *self = &turn;
    co_await turn;
    *self = nullptr;
    // Whoever gives back here brings this one's turn nearer; others may never let it have one.
    if (std::exchange(given_back, given_back_) != given_back_)
      until = loop::deadline_after(deadline_);
    expired = loop::Clock::now() >= until;
    added = closed_   ? fail(Code::canceled, "the region was closed")
            : expired ? fail(Code::timed_out, "the budget had no room within the deadline")
                      : add(pages, hold);
  } while (!added && may_come() && !closed_ && !expired);
  turns_.erase(self);
  give_turn();
  co_return added;
}

bool Room::give_back(Range pages, Hold hold) {
  if (hold == Hold::passing)
    --passing_;
  else if (!lasting_.remove(pages))
    return false;
  pins_.remove(pages);
  ++given_back_;
  evictor_.set_pinned(lasting_.bytes(), pins_.bytes());
  give_turn();
  return true;
}

void Room::close() {
  closed_ = true;
  give_turn();
}

// As long as calls that let go by themselves hold pins, here or elsewhere.
bool Room::may_come() const { return passing_ > 0 || evictor_.others_hold_pins(); }

void Room::give_turn() {
  if (!turns_.empty() && turns_.front() && !turns_.front()->is_set()) turns_.front()->set();
}

}  // namespace r3map::region
