// How much may be resident: the limit of all regions of an engine together, and each one's own.
// Anonymous memory is never reclaimed by the kernel, so r3map has to.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace r3map::region {

// Thread: home loop.
class Budget {
 public:
  // One region's share. Registers itself for its lifetime.
  class Share {
   public:
    // `limit` 0: only the common one.
    Share(Budget& budget, uint64_t limit);
    virtual ~Share();
    Share(const Share&) = delete;
    Share& operator=(const Share&) = delete;

    // Makes room by evicting, here first; false if not enough can be evicted.
    bool reserve(uint64_t bytes);
    // As reserve, but evicts nothing.
    bool reserve_free(uint64_t bytes);
    // For a thread that waits in a page fault: over the limit if it must be.
    void reserve_anyway(uint64_t bytes);
    void release(uint64_t bytes);

    uint64_t limit() const;
    uint64_t used() const { return used_; }

    // An eighth stays free of lasting pins, of each limit, or nothing else could be read.
    uint64_t most_pinned() const { return limit() - limit() / 8; }
    // Whether the common limit bears that this share has so many bytes pinned for good, or for a
    // while and for good together.
    bool can_pin_for_good(uint64_t bytes) const;
    bool can_pin(uint64_t bytes) const;
    void set_pinned(uint64_t for_good, uint64_t all);
    // Others hold room, or pins, that they will give back by themselves.
    bool others_hold_room() const { return budget_.used_ > used_; }
    bool others_pin() const { return budget_.pinned_ > pinned_; }
    bool others_hold_pins() const {
      return budget_.pinned_ - budget_.pinned_for_good_ > pinned_ - pinned_for_good_;
    }

   protected:
    // Evicts until `bytes` are free, or nothing more can be. Calls release().
    virtual void evict(uint64_t bytes) = 0;

   private:
    friend class Budget;
    uint64_t lacking(uint64_t bytes) const;
    Budget& budget_;
    const uint64_t own_limit_;
    uint64_t used_ = 0;
    uint64_t pinned_ = 0, pinned_for_good_ = 0;
  };

  explicit Budget(uint64_t limit) : limit_(limit) {}
  uint64_t limit() const { return limit_; }

 private:
  const uint64_t limit_;
  uint64_t used_ = 0;
  uint64_t pinned_ = 0, pinned_for_good_ = 0;
  std::vector<Share*> shares_;
};

// What is left below the tightest memory.max on the way up from the cgroup (v2) that `membership`,
// the text of /proc/self/cgroup, names; `root` is where cgroups are mounted. UINT64_MAX: no limit.
uint64_t cgroup_available(const std::string& membership, const std::string& root);

// Half of what is free for this process: of its cgroup's limit, if it has one, or the machine's.
uint64_t default_budget();

}  // namespace r3map::region
