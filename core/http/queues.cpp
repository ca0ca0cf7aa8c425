#include "http/queues.hpp"

namespace r3map::http {

void Queues::add(Slot& slot) {
  std::list<Slot*>& queue = queue_of(slot.priority);
  slot.place = queue.insert(queue.end(), &slot);
  slot.queued = true;
}

// Whoever waits less has a smaller share: so a page fault finds a connection, or one that comes
// free soon.
bool Queues::may_start(Priority priority) const {
  if (started_.size() >= shares_.all) return false;
  if (priority == Priority::demand) return true;
  const size_t wanted = started_counts_[static_cast<size_t>(Priority::wanted)];
  const size_t bulk = started_counts_[static_cast<size_t>(Priority::bulk)];
  if (wanted + bulk >= shares_.all - shares_.kept_for_demand) return false;
  return priority == Priority::wanted || bulk < shares_.bulk;
}

Slot* Queues::start_next() {
  for (const Priority priority : {Priority::demand, Priority::wanted, Priority::bulk}) {
    std::list<Slot*>& queue = queue_of(priority);
    if (queue.empty() || !may_start(priority)) continue;
    Slot* slot = queue.front();
    started_.splice(started_.end(), queue, queue.begin());
    slot->queued = false;
    ++started_counts_[static_cast<size_t>(priority)];
    return slot;
  }
  return nullptr;
}

void Queues::remove(Slot& slot) {
  if (slot.queued) {
    queue_of(slot.priority).erase(slot.place);
    slot.queued = false;
  } else {
    started_.erase(slot.place);
    --started_counts_[static_cast<size_t>(slot.priority)];
  }
}

size_t Queues::waiting() const {
  size_t count = 0;
  for (const std::list<Slot*>& queue : queues_) count += queue.size();
  return count;
}

std::vector<Slot*> Queues::all() const {
  std::vector<Slot*> slots;
  for (const std::list<Slot*>& queue : queues_) slots.insert(slots.end(), queue.begin(), queue.end());
  slots.insert(slots.end(), started_.begin(), started_.end());
  return slots;
}

}  // namespace r3map::http
