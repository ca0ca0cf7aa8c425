// Which pages are here and which are on their way; the only place that lands bytes. Must not know
// why a page is wanted, nor who fetches it.
//
// A page is absent, filling (a fetch of some generation owns it), landing (its bytes are being
// copied), held (its bytes are here but kept back, so that the touch is noticed) or resident; and,
// beside absent, it may be poisoned. What arrives for a page with another generation than its
// owner's is dropped: a late answer must never land on a page that has moved on since.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <vector>

#include "base/page_set.hpp"
#include "memory/local_memory.hpp"

namespace r3map::region {

enum class PageState { absent, filling, landing, held, resident };

// All ranges are page aligned. Thread: any.
class Fill {
 public:
  explicit Fill(memory::LocalMemory& memory) : memory_(memory) {}

  struct Page {
    PageState state = PageState::absent;
    Range owned;  // filling: the neighbours that its owner still has to land
    uint64_t next = 0;  // filling: the first page of all that its owner still has to land
  };
  Page page(uint64_t offset) const;
  // The first run inside `range` of pages that nobody is fetching and that are not here.
  Range first_absent(Range range) const;
  bool is_resident(Range range) const;
  uint64_t resident_bytes() const;
  uint64_t resident_bytes(Range range) const;
  uint64_t filling_bytes() const;

  // Takes absent pages into a new generation.
  uint64_t begin(Range range);
  // Lets a second request bring what `generation` still owns at the begin of `range`: whichever
  // bytes come first land, the others are dropped. An empty range if it owns nothing there, or
  // shares it already.
  struct Twin {
    uint64_t generation = 0;
    Range range;
  };
  Twin begin_twin(uint64_t generation, Range range);
  bool owns_any(uint64_t generation, Range range) const;
  // Takes filling pages away from their owner: absent again, and what its request still brings for
  // them is dropped.
  void take_away(Range range);
  // The next landing on this page keeps the bytes back.
  void hold(uint64_t offset);
  // It doesn't after all. False if it wasn't going to (any more).
  bool dont_hold(uint64_t offset);

  struct Landed {
    uint64_t bytes = 0;            // that became resident or held
    std::vector<Range> resident;   // what became so
    Result<> result;               // why the rest is absent
  };
  // Lands what `generation` still owns of these pages.
  Landed land(uint64_t generation, uint64_t offset, std::span<const std::byte> pages);
  // What `generation` still owns becomes absent, or its twin's alone; answers what is absent.
  std::vector<Range> end(uint64_t generation, Range range);

  // Lands a held page. False if it isn't held.
  Result<bool> release(uint64_t offset);
  struct Released {
    std::vector<uint64_t> offsets;
    Result<> result;  // why the page after these is absent, and the rest as it was
  };
  // Lands the held pages in `range`, and holds none there that are on their way.
  Released release_all(Range range);

  struct Evicted {
    std::vector<Range> ranges;  // absent now
    Result<> result;            // why the rest stays
  };
  // Drops the resident and held pages in `range`.
  Evicted evict(Range range);

  Result<> poison(uint64_t offset);

 private:
  struct Owner {
    uint64_t end;
    uint64_t generation;
    uint64_t twin = 0;  // another generation that may land these pages; 0: none

    bool is(uint64_t one) const { return generation == one || twin == one; }
  };
  using HeldPage = std::array<std::byte, kPage>;

  std::vector<Range> disown(uint64_t generation, Range range);
  std::vector<Range> split_at_holds(const std::vector<Range>& ranges, uint64_t offset,
                                    std::span<const std::byte> pages);

  memory::LocalMemory& memory_;
  mutable std::mutex mutex_;
  // Everything below is under mutex_. The memory itself is filled outside of it.
  PageSet taken_;  // whatever is not absent
  PageSet resident_;
  PageSet to_hold_;
  std::map<uint64_t, Owner> owners_;  // by first page; disjoint
  std::map<uint64_t, std::unique_ptr<HeldPage>> held_;
  uint64_t filling_bytes_ = 0;
  uint64_t generation_ = 0;
};

}  // namespace r3map::region
