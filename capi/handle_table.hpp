// Handles that can be wrong without harm. A handle is a number in a pointer's clothes: never
// dereferenced, never used twice, and odd, so that no real pointer is taken for one.
#pragma once

#include <memory>
#include <mutex>
#include <vector>

#include "base/limits.hpp"
#include "base/result.hpp"
#include "engine.hpp"

namespace r3map::capi {

// The handles of one kind of object. Thread: any.
template <typename Object, typename Opaque, unsigned kKind>
class HandleTable {
 public:
  Result<Opaque*> add(std::shared_ptr<Object> object) {
    std::lock_guard lock(mutex_);
    uint64_t slot;
    if (!free_.empty()) {
      slot = free_.back();
      free_.pop_back();
    } else if (slots_.size() < limits::kHandles) {
      slot = slots_.size();
      slots_.emplace_back();
    } else {
      return fail(Code::no_memory, "too many open handles");
    }
    slots_[slot].object = std::move(object);
    slots_[slot].fork_generation = Engine::fork_generation();
    return handle_of(slot);
  }

  Result<std::shared_ptr<Object>> get(const Opaque* handle) {
    std::lock_guard lock(mutex_);
    Result<uint64_t> slot = find(handle);
    if (!slot) return fail(std::move(slot.error()));
    return slots_[*slot].object;
  }

  // What this process has open now.
  std::vector<std::shared_ptr<Object>> all() {
    std::lock_guard lock(mutex_);
    std::vector<std::shared_ptr<Object>> objects;
    for (const Slot& slot : slots_)
      if (slot.object && slot.fork_generation == Engine::fork_generation())
        objects.push_back(slot.object);
    return objects;
  }

  // As get, and the handle is none any more.
  Result<std::shared_ptr<Object>> take(const Opaque* handle) {
    std::lock_guard lock(mutex_);
    Result<uint64_t> slot = find(handle);
    if (!slot) return fail(std::move(slot.error()));
    ++slots_[*slot].use;
    free_.push_back(*slot);
    return std::move(slots_[*slot].object);
  }

  // Held over fork() (see objects.cpp).
  std::mutex& mutex() { return mutex_; }

 private:
  struct Slot {
    std::shared_ptr<Object> object;
    uint32_t use = 0;
    uint64_t fork_generation = 0;
  };
  // use (32 bits), slot (24 bits), kind (7 bits), 1
  static constexpr unsigned kSlotShift = 8, kUseShift = 32;
  static_assert(limits::kHandles <= 1u << (kUseShift - kSlotShift));

  Opaque* handle_of(uint64_t slot) const {
    return reinterpret_cast<Opaque*>(uint64_t{slots_[slot].use} << kUseShift |
                                     slot << kSlotShift | kKind << 1 | 1);
  }

  Result<uint64_t> find(const Opaque* handle) const {
    const auto bits = reinterpret_cast<uint64_t>(handle);
    const uint64_t slot = (bits & 0xffffffff) >> kSlotShift;
    if (slot >= slots_.size() || handle != handle_of(slot) || !slots_[slot].object)
      return fail(Code::bad_handle, "not an open handle");
    if (slots_[slot].fork_generation != Engine::fork_generation())
      return fail(Code::forked, "this handle was opened before fork()");
    return slot;
  }

  std::mutex mutex_;
  std::vector<Slot> slots_;
  std::vector<uint64_t> free_;
};

}  // namespace r3map::capi
