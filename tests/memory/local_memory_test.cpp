// What every kind of local memory promises.
#include "memory/local_memory.hpp"

#include <gtest/gtest.h>

#include <thread>

#include "base/limits.hpp"
#include "memory/faults.hpp"
#include "memory/uffd.hpp"
#include "support/random.hpp"
#include "support/subprocess.hpp"

namespace r3map::memory {
namespace {

using test::holds;
using test::pages_bytes;
using test::touch;

struct Kind {
  const char* name;
  Result<std::unique_ptr<LocalMemory>> (*open)(uint64_t size);
};
void PrintTo(const Kind& kind, std::ostream* out) { *out << kind.name; }
const Kind kKinds[] = {
    {"UffdPoisonsByKernel",
     [](uint64_t size) { return Uffd::open(size, Uffd::Poisoning::by_kernel); }},
    {"UffdPoisonsByMapping",
     [](uint64_t size) { return Uffd::open(size, Uffd::Poisoning::by_mapping); }},
    {"Plain", [](uint64_t size) { return open_plain(size, uint64_t{1} << 40); }},
};

class LocalMemoryContract : public testing::TestWithParam<Kind> {
 protected:
  static constexpr uint64_t kSize = 64 * kPage;
  void SetUp() override { open(kSize); }
  void open(uint64_t size) {
    auto opened = GetParam().open(size);
    ASSERT_TRUE(opened) << opened.error().message;
    memory_ = std::move(*opened);
  }
  void land(Range range, uint64_t generation = 0) {
    const Result<> landed = memory_->land(range.offset, pages_bytes(range, generation));
    ASSERT_TRUE(landed) << landed.error().message;
  }
  std::unique_ptr<LocalMemory> memory_;
};

INSTANTIATE_TEST_SUITE_P(Kinds, LocalMemoryContract, testing::ValuesIn(kKinds),
                         testing::PrintToStringParamName());

TEST_P(LocalMemoryContract, CapacityIsWholePagesAndAtLeastOne) {
  struct {
    uint64_t size, capacity;
  } const rows[] = {{0, 4096},    {1, 4096},    {4095, 4096},
                    {4096, 4096}, {4097, 8192}, {1 << 20, 1 << 20}};
  for (const auto& row : rows) {
    open(row.size);
    EXPECT_EQ(memory_->capacity(), row.capacity) << row.size;
    land({0, row.capacity});
    EXPECT_EQ(touch(memory_->data() + row.capacity - 1).signal, 0) << row.size;
  }
}

TEST_P(LocalMemoryContract, HasADescriptorIfItFillsOnDemand) {
  EXPECT_EQ(memory_->on_demand(), memory_->fault_descriptor() >= 0);
  Fault faults[4];
  EXPECT_EQ(memory_->take_faults(faults), 0u) << "nobody has touched anything";
}

TEST_P(LocalMemoryContract, WhatLandsCanBeRead) {
  land({kPage, 3 * kPage});
  land({kSize - kPage, kPage});
  for (const uint64_t page : {uint64_t{1}, uint64_t{2}, uint64_t{3}, kSize / kPage - 1})
    EXPECT_TRUE(holds(*memory_, page * kPage)) << page;
}

TEST_P(LocalMemoryContract, NothingLandsAnywhere) {
  EXPECT_TRUE(memory_->land(0, {}));
  EXPECT_TRUE(memory_->land(kSize, {}));
}

TEST_P(LocalMemoryContract, ASecondLandingChangesNothing) {
  land({0, 4 * kPage}, 1);
  land({0, 4 * kPage}, 2);
  for (uint64_t page = 0; page < 4; ++page) EXPECT_TRUE(holds(*memory_, page * kPage, 1)) << page;
}

TEST_P(LocalMemoryContract, ResidentPagesStayWhereALandingOverlaps) {
  // Every way in which residents can lie in what lands: first, last, between, two in a row.
  land({2 * kPage, kPage}, 1);
  land({4 * kPage, 2 * kPage}, 1);
  land({9 * kPage, kPage}, 1);
  land({2 * kPage, 8 * kPage}, 2);
  for (uint64_t page = 2; page < 10; ++page) {
    const bool before = page == 2 || page == 4 || page == 5 || page == 9;
    EXPECT_TRUE(holds(*memory_, page * kPage, before ? 1 : 2)) << page;
  }
}

TEST_P(LocalMemoryContract, AgreesWithAPlainModel) {
  test::Random random;
  SCOPED_TRACE(random.trace());
  std::vector<uint64_t> model(kSize / kPage);  // the generation that landed first
  for (uint64_t generation = 1; generation <= 200; ++generation) {
    const uint64_t first = random.below(model.size());
    const uint64_t count = 1 + random.below(std::min<uint64_t>(8, model.size() - first));
    land({first * kPage, count * kPage}, generation);
    for (uint64_t page = first; page < first + count; ++page) {
      if (model[page] == 0) model[page] = generation;
      ASSERT_TRUE(holds(*memory_, page * kPage, model[page])) << page;
    }
  }
}

TEST_P(LocalMemoryContract, ReadPinnedCopiesAtAnyAlignment) {
  land({0, 4 * kPage});
  const std::vector<std::byte> all = pages_bytes({0, 4 * kPage});
  struct {
    uint64_t offset, length;
  } const rows[] = {{0, 0}, {0, 1}, {1, 4096}, {4095, 2}, {5000, 7000}, {0, 4 * 4096}, {16383, 1}};
  for (const auto& row : rows) {
    std::vector<std::byte> out(row.length);
    memory_->read_pinned(row.offset, out);
    EXPECT_TRUE(std::equal(out.begin(), out.end(), all.begin() + static_cast<long>(row.offset)))
        << row.offset;
  }
}

TEST_P(LocalMemoryContract, ThreadsMayLandDisjointRanges) {
  std::vector<std::thread> threads;
  for (uint64_t t = 0; t < 4; ++t)
    threads.emplace_back([&, t] {
      for (uint64_t page = t; page < kSize / kPage; page += 4)
        EXPECT_TRUE(memory_->land(page * kPage, test::page_bytes(page * kPage)));
    });
  for (std::thread& thread : threads) thread.join();
  for (uint64_t page = 0; page < kSize / kPage; ++page) EXPECT_TRUE(holds(*memory_, page * kPage));
}

TEST_P(LocalMemoryContract, TheViewIsReadOnly) {
  land({0, kPage});
  EXPECT_EQ(test::touch_writing(memory_->data()).signal, SIGSEGV);
  EXPECT_TRUE(holds(*memory_, 0));
}

TEST_P(LocalMemoryContract, WakingNobodyIsLegal) {
  memory_->wake({0, kSize});
  land({0, kPage});
  memory_->wake({0, kSize});
  EXPECT_TRUE(holds(*memory_, 0));
}

TEST_P(LocalMemoryContract, AChildSeesNothingOfIt) {
  land({0, kPage});
  EXPECT_CHILD_PASSES([&](const test::Child& child) {
    CHILD_CHECK(child, touch(memory_->data()).signal == SIGSEGV);
    CHILD_CHECK(child, touch(memory_->data() + kPage).signal == SIGSEGV);
  });
  EXPECT_TRUE(holds(*memory_, 0));
}

TEST_P(LocalMemoryContract, TooLargeIsNoMemory) {
  for (const uint64_t size : {limits::kRegionSize + 1, UINT64_MAX - kPage, UINT64_MAX}) {
    const auto opened = GetParam().open(size);
    ASSERT_FALSE(opened) << size;
    EXPECT_EQ(opened.error().code, Code::no_memory);
  }
}

TEST_P(LocalMemoryContract, LeavesNoDescriptorBehind) {
  memory_.reset();
  open(kSize);  // what is opened once and kept is by now
  memory_.reset();
  const auto next = [] {
    const int fd = dup(2);
    close(fd);
    return fd;
  };
  const int before = next();
  for (int i = 0; i < 10; ++i) open(kSize);
  memory_.reset();
  EXPECT_EQ(next(), before);
}

}  // namespace
}  // namespace r3map::memory
