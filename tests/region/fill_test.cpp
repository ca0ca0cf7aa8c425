#include "region/fill.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <cstring>
#include <thread>

#include "region/fake_memory.hpp"
#include "support/random.hpp"

namespace r3map::region {
namespace {

using test::FakeMemory;
using test::pages;

std::vector<std::byte> filled(uint64_t length, int value) {
  return std::vector<std::byte>(length, static_cast<std::byte>(value));
}

uint64_t evicted_bytes(const Fill::Evicted& evicted) {
  EXPECT_TRUE(evicted.result);
  uint64_t bytes = 0;
  for (Range range : evicted.ranges) bytes += range.length;
  return bytes;
}

class FillTest : public testing::Test {
 protected:
  static constexpr uint64_t kPages = 64;

  // Begins and lands a range with one value in all bytes.
  void land_all(Range range, int value) {
    const uint64_t generation = fill_.begin(range);
    EXPECT_EQ(fill_.land(generation, range.offset, filled(range.length, value)).bytes,
              range.length);
  }
  PageState state(uint64_t page) const { return fill_.page(pages(page)).state; }
  int value(uint64_t page) const { return static_cast<int>(memory_.data()[pages(page)]); }

  FakeMemory memory_{pages(kPages)};
  Fill fill_{memory_};
};

TEST_F(FillTest, APageGoesFromAbsentOverFillingToResident) {
  EXPECT_EQ(state(3), PageState::absent);
  const Range range{pages(2), pages(4)};
  const uint64_t generation = fill_.begin(range);
  EXPECT_EQ(state(3), PageState::filling);
  EXPECT_EQ(fill_.page(pages(3)).owned, range);
  EXPECT_EQ(fill_.filling_bytes(), pages(4));
  EXPECT_EQ(fill_.land(generation, pages(2), filled(pages(2), 7)).bytes, pages(2));
  EXPECT_EQ(state(3), PageState::resident);
  EXPECT_EQ(state(4), PageState::filling);
  EXPECT_EQ(fill_.page(pages(4)).owned, (Range{pages(4), pages(2)}));
  EXPECT_EQ(fill_.filling_bytes(), pages(2));
  EXPECT_EQ(fill_.resident_bytes(), pages(2));
  EXPECT_TRUE(fill_.is_resident({pages(2), pages(2)}));
  EXPECT_FALSE(fill_.is_resident({pages(2), pages(3)}));
  EXPECT_EQ(value(3), 7);
}

TEST_F(FillTest, FirstAbsentSkipsWhatIsHereAndWhatIsOnItsWay) {
  land_all({0, pages(2)}, 1);
  fill_.begin({pages(2), pages(2)});
  fill_.begin({pages(6), pages(1)});
  EXPECT_EQ(fill_.first_absent({0, pages(10)}), (Range{pages(4), pages(2)}));
  EXPECT_EQ(fill_.first_absent({pages(5), pages(1)}), (Range{pages(5), pages(1)}));
  EXPECT_TRUE(fill_.first_absent({0, pages(4)}).empty());
}

TEST_F(FillTest, WhatARequestDidNotBringIsAbsentAgain) {
  const uint64_t generation = fill_.begin({0, pages(6)});
  EXPECT_TRUE(fill_.land(generation, pages(1), filled(pages(2), 1)).result);
  EXPECT_EQ(fill_.end(generation, {0, pages(6)}),
            (std::vector<Range>{{0, pages(1)}, {pages(3), pages(3)}}));
  EXPECT_EQ(state(0), PageState::absent);
  EXPECT_EQ(state(1), PageState::resident);
  EXPECT_EQ(state(5), PageState::absent);
  EXPECT_EQ(fill_.filling_bytes(), 0u);
}

TEST_F(FillTest, ALateAnswerAfterTakeAwayIsDropped) {
  const uint64_t slow = fill_.begin({0, pages(8)});
  fill_.take_away({pages(3), pages(2)});
  EXPECT_EQ(state(3), PageState::absent);
  const uint64_t fast = fill_.begin({pages(3), pages(2)});
  EXPECT_EQ(fill_.land(fast, pages(3), filled(pages(1), 2)).bytes, pages(1));
  // The slow one brings all eight; of the pages it lost none may land, nor be counted.
  EXPECT_EQ(fill_.land(slow, 0, filled(pages(8), 1)).bytes, pages(6));
  EXPECT_EQ(value(2), 1);
  EXPECT_EQ(value(3), 2);
  EXPECT_EQ(state(4), PageState::filling);
  EXPECT_FALSE(memory_.present(pages(4)));
  EXPECT_TRUE(fill_.end(slow, {0, pages(8)}).empty());
  EXPECT_EQ(state(4), PageState::filling) << "another one's page was given up";
  EXPECT_EQ(fill_.end(fast, {pages(3), pages(2)}), (std::vector<Range>{{pages(4), pages(1)}}));
}

TEST_F(FillTest, ALateAnswerAfterEvictionIsDropped) {
  const uint64_t slow = fill_.begin({0, pages(4)});
  fill_.take_away({0, pages(4)});
  land_all({0, pages(4)}, 2);
  EXPECT_EQ(evicted_bytes(fill_.evict({0, pages(4)})), pages(4));
  EXPECT_EQ(fill_.land(slow, 0, filled(pages(4), 1)).bytes, 0u);
  EXPECT_EQ(state(0), PageState::absent);
  EXPECT_FALSE(memory_.present(0));
  // Also while its successor is under way.
  const uint64_t next = fill_.begin({0, pages(4)});
  EXPECT_EQ(fill_.land(slow, 0, filled(pages(4), 1)).bytes, 0u);
  EXPECT_EQ(fill_.land(next, 0, filled(pages(4), 3)).bytes, pages(4));
  EXPECT_EQ(value(0), 3);
}

TEST_F(FillTest, AnAnswerThatEndedLandsNothingMore) {
  const uint64_t generation = fill_.begin({0, pages(2)});
  fill_.end(generation, {0, pages(2)});
  EXPECT_EQ(fill_.land(generation, 0, filled(pages(2), 1)).bytes, 0u);
  EXPECT_FALSE(memory_.present(0));
}

TEST_F(FillTest, AHeldPageIsKeptBackUntilItsRelease) {
  fill_.hold(pages(2));
  const uint64_t generation = fill_.begin({0, pages(4)});
  EXPECT_EQ(fill_.land(generation, 0, filled(pages(4), 5)).bytes, pages(4));
  EXPECT_EQ(state(2), PageState::held);
  EXPECT_FALSE(memory_.present(pages(2)));
  EXPECT_TRUE(memory_.present(pages(1)) && memory_.present(pages(3)));
  EXPECT_FALSE(fill_.is_resident({0, pages(4)}));
  EXPECT_EQ(fill_.resident_bytes(), pages(4)) << "a held page needs memory as well";
  EXPECT_TRUE(fill_.first_absent({0, pages(4)}).empty());

  EXPECT_FALSE(fill_.release(pages(1)).value_or(true));
  EXPECT_TRUE(fill_.release(pages(2)).value_or(false));
  EXPECT_FALSE(fill_.release(pages(2)).value_or(true));
  EXPECT_EQ(state(2), PageState::resident);
  EXPECT_EQ(value(2), 5);
  EXPECT_EQ(fill_.resident_bytes(), pages(4));
}

TEST_F(FillTest, APageIsHeldOnce) {
  fill_.hold(0);
  land_all({0, pages(1)}, 1);
  EXPECT_EQ(state(0), PageState::held);
  EXPECT_EQ(evicted_bytes(fill_.evict({0, pages(1)})), pages(1));
  EXPECT_EQ(state(0), PageState::absent);
  land_all({0, pages(1)}, 2);
  EXPECT_EQ(state(0), PageState::resident);
}

TEST_F(FillTest, DontHoldUndoesHold) {
  fill_.hold(0);
  EXPECT_TRUE(fill_.dont_hold(0));
  EXPECT_FALSE(fill_.dont_hold(0));
  land_all({0, pages(1)}, 1);
  EXPECT_EQ(state(0), PageState::resident);
  fill_.hold(pages(1));
  land_all({pages(1), pages(1)}, 1);
  EXPECT_FALSE(fill_.dont_hold(pages(1))) << "it is held already";
}

TEST_F(FillTest, ReleaseAllLandsTheHeldAndHoldsNoneThatCome) {
  fill_.hold(pages(1));
  fill_.hold(pages(3));
  fill_.hold(pages(9));
  land_all({0, pages(3)}, 1);
  const Fill::Released released = fill_.release_all({0, pages(5)});
  ASSERT_TRUE(released.result);
  EXPECT_EQ(released.offsets, (std::vector<uint64_t>{pages(1)}));
  EXPECT_EQ(state(1), PageState::resident);
  land_all({pages(3), pages(7)}, 1);
  EXPECT_EQ(state(3), PageState::resident);
  EXPECT_EQ(state(9), PageState::held) << "outside of the range";
}

TEST_F(FillTest, EvictDropsResidentAndHeldButNotWhatIsOnItsWay) {
  fill_.hold(pages(1));
  land_all({0, pages(3)}, 1);
  const uint64_t generation = fill_.begin({pages(3), pages(1)});
  EXPECT_EQ(evicted_bytes(fill_.evict({0, pages(8)})), pages(3));
  EXPECT_EQ(state(0), PageState::absent);
  EXPECT_EQ(state(1), PageState::absent);
  EXPECT_EQ(state(3), PageState::filling);
  EXPECT_EQ(fill_.resident_bytes(), 0u);
  EXPECT_EQ(fill_.land(generation, pages(3), filled(pages(1), 4)).bytes, pages(1));
}

TEST_F(FillTest, AFailureToLandLeavesThePagesAbsentAndCountsWhatLanded) {
  const uint64_t generation = fill_.begin({0, pages(8)});
  fill_.take_away({pages(2), pages(2)});  // two parts to land: 0–1 and 4–7
  memory_.fail_landing({pages(5), pages(1)});
  const Fill::Landed landed = fill_.land(generation, 0, filled(pages(8), 1));
  ASSERT_FALSE(landed.result);
  EXPECT_EQ(landed.result.error().code, Code::io);
  EXPECT_EQ(landed.bytes, pages(2)) << "what did land must be counted, or it is never given back";
  EXPECT_EQ(fill_.resident_bytes(), pages(2));
  EXPECT_EQ(state(1), PageState::resident);
  EXPECT_EQ(state(4), PageState::absent);
  EXPECT_EQ(state(7), PageState::absent);
  EXPECT_TRUE(fill_.end(generation, {0, pages(8)}).empty());
  memory_.fail_landing({});
  land_all({pages(4), pages(4)}, 2);
  EXPECT_EQ(value(7), 2);
}

TEST_F(FillTest, WhatCanNotBeDroppedStays) {
  land_all({0, pages(2)}, 1);
  memory_.fail_drops(true);
  const Fill::Evicted evicted = fill_.evict({0, pages(2)});
  EXPECT_FALSE(evicted.result);
  EXPECT_TRUE(evicted.ranges.empty());
  EXPECT_TRUE(fill_.is_resident({0, pages(2)}));
}

TEST_F(FillTest, AHeldPageThatCanNotLandIsAbsent) {
  fill_.hold(0);
  land_all({0, pages(1)}, 1);
  memory_.fail_landing({0, pages(1)});
  EXPECT_FALSE(fill_.release(0));
  EXPECT_EQ(state(0), PageState::absent);
  EXPECT_EQ(fill_.resident_bytes(), 0u);
}

TEST_F(FillTest, PoisonIsPassedOnAndCuredByLanding) {
  EXPECT_TRUE(fill_.poison(pages(5)));
  EXPECT_TRUE(memory_.poisoned(pages(5)));
  EXPECT_EQ(state(5), PageState::absent);
  land_all({pages(5), pages(1)}, 3);
  EXPECT_FALSE(memory_.poisoned(pages(5)));
}

TEST_F(FillTest, TwoThreadsLandAtOnceWhileAThirdTakesAwayAndEvicts) {
  constexpr int kRounds = 100;
  FakeMemory memory(pages(512));
  Fill fill(memory);
  std::atomic<uint64_t> landed = 0, evicted = 0;
  for (int round = 0; round < kRounds; ++round) {
    const Range low{0, pages(256)}, high{pages(256), pages(256)};
    const uint64_t first = fill.begin(low), second = fill.begin(high);
    const auto mover = [&](uint64_t generation, Range range, int value) {
      for (uint64_t at = range.offset; at < range.end(); at += pages(16))
        landed += fill.land(generation, at, filled(pages(16), value)).bytes;
    };
    std::thread one(mover, first, low, 1), two(mover, second, high, 2);
    fill.take_away({pages(200), pages(100)});
    evicted += evicted_bytes(fill.evict({0, pages(512)}));
    one.join();
    two.join();
    fill.end(first, low);
    fill.end(second, high);
    ASSERT_EQ(fill.filling_bytes(), 0u);
    for (uint64_t page = 0; page < 512; ++page) {
      const Fill::Page now = fill.page(pages(page));
      ASSERT_TRUE(now.state == PageState::absent || now.state == PageState::resident);
      ASSERT_EQ(now.state == PageState::resident, memory.present(pages(page)));
      if (now.state == PageState::resident) {
        ASSERT_EQ(memory.data()[pages(page)], std::byte(page < 256 ? 1 : 2));
      }
    }
    evicted += evicted_bytes(fill.evict({0, pages(512)}));
    ASSERT_EQ(landed, evicted);
  }
}

// One page of the model: what Fill should think of it.
struct ModelPage {
  PageState state = PageState::absent;
  uint64_t owner = 0;
  bool to_hold = false;
  int value = 0;
};

struct ModelRequest {
  uint64_t generation;
  Range range;
};

TEST(FillModel, RandomOperationsAgreeWithAnArray) {
  test::Random random;
  SCOPED_TRACE(random.trace());
  constexpr uint64_t kPages = 40;
  FakeMemory memory(pages(kPages));
  Fill fill(memory);
  std::vector<ModelPage> model(kPages);
  std::vector<ModelRequest> requests;  // under way, or ended: late answers come, too
  int value = 0;
  const auto random_range = [&] {
    const uint64_t first = random.below(kPages);
    return Range{pages(first), pages(random.between(1, std::min<uint64_t>(12, kPages - first)))};
  };
  const auto each = [&](Range range, auto what) {
    for (uint64_t at = range.offset; at < range.end(); at += kPage) what(model[at / kPage], at);
  };

  for (int step = 0; step < 30'000; ++step) {
    SCOPED_TRACE("step " + std::to_string(step));
    const Range range = random_range();
    switch (random.below(9)) {
      case 0:
      case 1: {
        const Range absent = fill.first_absent(range);
        Range expected;
        each(range, [&](ModelPage& page, uint64_t at) {
          if (page.state != PageState::absent) return;
          if (expected.empty()) expected = {at, 0};
          if (expected.end() == at) expected.length += kPage;
        });
        ASSERT_EQ(absent.length, expected.length);
        if (absent.empty()) break;
        ASSERT_EQ(absent, expected);
        const uint64_t generation = fill.begin(absent);
        requests.push_back({generation, absent});
        each(absent, [&](ModelPage& page, uint64_t) {
          page.state = PageState::filling;
          page.owner = generation;
        });
        break;
      }
      case 2:
      case 3:
      case 4: {
        if (requests.empty()) break;
        const ModelRequest request = requests[random.below(requests.size())];
        const uint64_t skip = pages(random.below(request.range.length / kPage));
        const Range part{request.range.offset + skip,
                         pages(random.between(1, (request.range.length - skip) / kPage))};
        value = (value + 1) % 256;
        uint64_t expected = 0;
        each(part, [&](ModelPage& page, uint64_t) {
          if (page.state != PageState::filling || page.owner != request.generation) return;
          page.state = page.to_hold ? PageState::held : PageState::resident;
          page.to_hold = false;
          page.value = value;
          expected += kPage;
        });
        ASSERT_EQ(fill.land(request.generation, part.offset, filled(part.length, value)).bytes,
                  expected);
        break;
      }
      case 5: {
        if (requests.empty()) break;
        const ModelRequest request = requests[random.below(requests.size())];
        uint64_t left = 0, expected = 0;
        each(request.range, [&](ModelPage& page, uint64_t) {
          if (page.state != PageState::filling || page.owner != request.generation) return;
          page.state = PageState::absent;
          expected += kPage;
        });
        for (Range gone : fill.end(request.generation, request.range)) left += gone.length;
        ASSERT_EQ(left, expected);
        if (requests.size() > 12) requests.erase(requests.begin());
        break;
      }
      case 6:
        if (random.one_in(2)) {
          fill.take_away(range);
          each(range, [](ModelPage& page, uint64_t) {
            if (page.state == PageState::filling) page.state = PageState::absent;
          });
        } else {
          uint64_t expected = 0;
          each(range, [&](ModelPage& page, uint64_t) {
            if (page.state != PageState::resident && page.state != PageState::held) return;
            page.state = PageState::absent;
            expected += kPage;
          });
          ASSERT_EQ(evicted_bytes(fill.evict(range)), expected);
        }
        break;
      case 7: {
        ModelPage& page = model[range.offset / kPage];
        if (random.one_in(3)) {
          ASSERT_EQ(fill.dont_hold(range.offset), page.to_hold);
          page.to_hold = false;
        } else if (page.state == PageState::absent || page.state == PageState::filling) {
          fill.hold(range.offset);
          page.to_hold = true;
        }
        break;
      }
      case 8:
        if (random.one_in(2)) {
          ModelPage& page = model[range.offset / kPage];
          ASSERT_EQ(fill.release(range.offset).value(), page.state == PageState::held);
          if (page.state == PageState::held) page.state = PageState::resident;
        } else {
          std::vector<uint64_t> expected;
          each(range, [&](ModelPage& page, uint64_t at) {
            page.to_hold = false;
            if (page.state != PageState::held) return;
            page.state = PageState::resident;
            expected.push_back(at);
          });
          ASSERT_EQ(fill.release_all(range).offsets, expected);
        }
        break;
    }
    uint64_t resident = 0, filling = 0;
    each({0, pages(kPages)}, [&](const ModelPage& page, uint64_t at) {
      ASSERT_EQ(fill.page(at).state, page.state) << at;
      ASSERT_EQ(memory.present(at), page.state == PageState::resident) << at;
      if (page.state == PageState::resident) {
        ASSERT_EQ(static_cast<int>(memory.data()[at]), page.value) << at;
      }
      resident += page.state == PageState::resident || page.state == PageState::held ? kPage : 0;
      filling += page.state == PageState::filling ? kPage : 0;
    });
    ASSERT_EQ(fill.resident_bytes(), resident);
    uint64_t resident_there = 0;
    each(range, [&](const ModelPage& page, uint64_t) {
      resident_there +=
          page.state == PageState::resident || page.state == PageState::held ? kPage : 0;
    });
    ASSERT_EQ(fill.resident_bytes(range), resident_there);
    ASSERT_EQ(fill.filling_bytes(), filling);
    if (HasFatalFailure()) return;
  }
}

// ---- two requests for the same pages ----------------------------------------------------------

TEST_F(FillTest, OfTwinsTheFirstToComeLands) {
  const uint64_t first = fill_.begin({0, pages(8)});
  const Fill::Twin second = fill_.begin_twin(first, {pages(2), pages(4)});
  EXPECT_EQ(second.range, (Range{pages(2), pages(4)}));
  EXPECT_EQ(fill_.filling_bytes(), pages(8));
  EXPECT_TRUE(fill_.begin_twin(first, {pages(2), pages(4)}).range.empty()) << "no triplets";
  const std::vector<std::byte> bytes(pages(8));
  const auto land = [&](uint64_t generation, uint64_t page, uint64_t count) {
    return fill_.land(generation, pages(page), std::span(bytes).first(pages(count))).bytes;
  };
  EXPECT_EQ(land(second.generation, 2, 1), pages(1));
  EXPECT_EQ(land(first, 0, 4), pages(3));
  EXPECT_EQ(land(second.generation, 3, 3), pages(2));
  EXPECT_FALSE(fill_.owns_any(second.generation, second.range));
  EXPECT_TRUE(fill_.owns_any(first, {0, pages(8)}));
  EXPECT_TRUE(fill_.end(second.generation, second.range).empty());
  EXPECT_EQ(land(first, 4, 4), pages(2));
  EXPECT_TRUE(fill_.end(first, {0, pages(8)}).empty());
  EXPECT_TRUE(fill_.is_resident({0, pages(8)}));
  EXPECT_EQ(fill_.filling_bytes(), 0u);
}

TEST_F(FillTest, WhatOneTwinGivesUpIsTheOthers) {
  for (const bool first_gives_up : {true, false}) {
    const uint64_t first = fill_.begin({0, pages(4)});
    const Fill::Twin second = fill_.begin_twin(first, {pages(1), pages(2)});
    const uint64_t loser = first_gives_up ? first : second.generation;
    const uint64_t winner = first_gives_up ? second.generation : first;
    const std::vector<Range> left = fill_.end(loser, {0, pages(4)});
    EXPECT_EQ(left, first_gives_up ? (std::vector<Range>{{0, pages(1)}, {pages(3), pages(1)}})
                                   : std::vector<Range>{});
    EXPECT_EQ(fill_.page(pages(1)).state, PageState::filling);
    EXPECT_FALSE(fill_.end(winner, {0, pages(4)}).empty());
    EXPECT_EQ(fill_.first_absent({0, pages(4)}), (Range{0, pages(4)}));
    EXPECT_EQ(fill_.filling_bytes(), 0u);
  }
}

TEST_F(FillTest, ATwinOfNobodyIsNone) {
  EXPECT_TRUE(fill_.begin_twin(7, {0, pages(4)}).range.empty());
  const uint64_t other = fill_.begin({0, pages(4)});
  EXPECT_TRUE(fill_.begin_twin(other + 1, {0, pages(4)}).range.empty());
  EXPECT_TRUE(fill_.begin_twin(other, {pages(4), pages(4)}).range.empty());
  EXPECT_EQ(fill_.end(other, {0, pages(4)}).size(), 1u);
}

}  // namespace
}  // namespace r3map::region
