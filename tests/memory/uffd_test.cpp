// How userfaultfd behaves, as far as r3map relies on it: each rule has its test here.
#include "memory/uffd.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <filesystem>
#include <fstream>
#include <set>

#include "base/limits.hpp"
#include "memory/faults.hpp"
#include "memory/maps.hpp"
#include "support/no_descriptors.hpp"
#include "support/random.hpp"
#include "support/subprocess.hpp"

namespace r3map::memory {

void PrintTo(Uffd::Poisoning poisoning, std::ostream* out) {
  *out << (poisoning == Uffd::Poisoning::by_kernel ? "ByKernel" : "ByMapping");
}

namespace {

namespace fs = std::filesystem;
using test::FaultServer;
using test::holds;
using test::page_bytes;
using test::pages_bytes;
using test::Touch;
using test::touch;
using test::Toucher;
using test::wait_for_fault;

constexpr uint64_t kTiB = uint64_t{1} << 40;

// Both ways of poisoning: all rules hold for both.
class UffdTest : public testing::TestWithParam<Uffd::Poisoning> {
 protected:
  static constexpr uint64_t kSize = 64 * kPage;
  void SetUp() override {
    auto opened = Uffd::open(kSize, GetParam());
    ASSERT_TRUE(opened) << opened.error().message;
    memory_ = std::move(*opened);
  }
  const std::byte* at(uint64_t page) const { return memory_->data() + page * kPage; }
  void land(uint64_t page, uint64_t count = 1, uint64_t generation = 0) {
    const Range range{page * kPage, count * kPage};
    const Result<> landed = memory_->land(range.offset, pages_bytes(range, generation));
    ASSERT_TRUE(landed) << landed.error().message;
  }
  void poison(uint64_t page, uint64_t count = 1) {
    const Result<> poisoned = memory_->poison({page * kPage, count * kPage});
    ASSERT_TRUE(poisoned) << poisoned.error().message;
  }
  std::unique_ptr<LocalMemory> memory_;
};

INSTANTIATE_TEST_SUITE_P(Poisoning, UffdTest,
                         testing::Values(Uffd::Poisoning::by_kernel, Uffd::Poisoning::by_mapping),
                         testing::PrintToStringParamName());

// --- Faults ---------------------------------------------------------------------------------

TEST_P(UffdTest, ATouchWaitsUntilItsPageHasLanded) {
  Toucher toucher(at(3) + 77);
  ASSERT_EQ(wait_for_fault(*memory_), 3 * kPage);
  EXPECT_FALSE(toucher.done());
  land(4);  // another page does not help
  EXPECT_FALSE(toucher.done());
  land(3);
  const Touch got = toucher.wait();
  EXPECT_EQ(got.signal, 0);
  EXPECT_EQ(got.value, page_bytes(3 * kPage)[77]);
  EXPECT_TRUE(holds(*memory_, 3 * kPage));
}

TEST_P(UffdTest, AllWhoWaitForOnePageGo) {
  std::vector<std::unique_ptr<Toucher>> touchers;
  for (int i = 0; i < 8; ++i) touchers.push_back(std::make_unique<Toucher>(at(5)));
  for (int i = 0; i < 8; ++i) ASSERT_EQ(wait_for_fault(*memory_), 5 * kPage);
  land(5);
  for (auto& toucher : touchers) EXPECT_EQ(toucher->wait().value, page_bytes(5 * kPage)[0]);
}

TEST_P(UffdTest, OneLandingServesWaitersOfAllItsPages) {
  std::vector<std::unique_ptr<Toucher>> touchers;
  for (uint64_t page = 0; page < 6; ++page) touchers.push_back(std::make_unique<Toucher>(at(page)));
  for (int i = 0; i < 6; ++i) ASSERT_TRUE(wait_for_fault(*memory_));
  land(0, 6);
  for (uint64_t page = 0; page < 6; ++page)
    EXPECT_EQ(touchers[page]->wait().value, page_bytes(page * kPage)[0]) << page;
}

TEST_P(UffdTest, ALandingGoesOnOverResidentPages) {
  land(1, 1, 1);
  land(4, 2, 1);
  std::vector<std::unique_ptr<Toucher>> touchers;
  const uint64_t missing[] = {0, 2, 3, 6, 7};
  for (const uint64_t page : missing) touchers.push_back(std::make_unique<Toucher>(at(page)));
  for (size_t i = 0; i < std::size(missing); ++i) ASSERT_TRUE(wait_for_fault(*memory_));
  land(0, 8, 2);
  for (auto& toucher : touchers) EXPECT_EQ(toucher->wait().signal, 0);
  for (const uint64_t page : missing) EXPECT_TRUE(holds(*memory_, page * kPage, 2)) << page;
  for (const uint64_t page : {1, 4, 5}) EXPECT_TRUE(holds(*memory_, page * kPage, 1)) << page;
}

// Somebody waits for a page that is there: a fill that did not wake. The skipped page is woken.
TEST_P(UffdTest, ALandingWakesWhoWaitsForAResidentPage) {
  Toucher toucher(at(2));
  ASSERT_EQ(wait_for_fault(*memory_), 2 * kPage);
  const std::vector<std::byte> first = page_bytes(2 * kPage, 1);
  uffdio_copy copy{};
  copy.dst = reinterpret_cast<uint64_t>(at(2));
  copy.src = reinterpret_cast<uint64_t>(first.data());
  copy.len = kPage;
  copy.mode = UFFDIO_COPY_MODE_DONTWAKE;
  ASSERT_EQ(ioctl(memory_->fault_descriptor(), UFFDIO_COPY, &copy), 0);
  EXPECT_FALSE(toucher.done());
  land(2, 1, 2);
  EXPECT_EQ(toucher.wait().value, first[0]);
}

TEST_P(UffdTest, WokenWithoutBytesItFaultsAgain) {
  Toucher toucher(at(1));
  ASSERT_EQ(wait_for_fault(*memory_), kPage);
  memory_->wake({0, kSize});
  ASSERT_EQ(wait_for_fault(*memory_), kPage);
  EXPECT_FALSE(toucher.done());
  land(1);
  EXPECT_EQ(toucher.wait().value, page_bytes(kPage)[0]);
}

std::atomic<int> signals_handled = 0;

// So a fault can be reported twice.
TEST_P(UffdTest, AWaitersSignalHandlerRunsAndTheFaultComesAgain) {
  if (test::kThreadSanitizer) GTEST_SKIP() << "ThreadSanitizer delays signal handlers";
  struct sigaction action {}, before;
  action.sa_handler = [](int) { ++signals_handled; };
  ASSERT_EQ(sigaction(SIGUSR1, &action, &before), 0);
  signals_handled = 0;
  Toucher toucher(at(1));
  ASSERT_EQ(wait_for_fault(*memory_), kPage);
  pthread_kill(toucher.handle(), SIGUSR1);
  ASSERT_EQ(wait_for_fault(*memory_), kPage);
  EXPECT_EQ(signals_handled, 1);
  land(1);
  EXPECT_EQ(toucher.wait().signal, 0);
  sigaction(SIGUSR1, &before, nullptr);
}

TEST_P(UffdTest, TakeFaultsTakesNoMoreThanAskedFor) {
  Toucher first(at(1)), second(at(2)), third(at(3));
  std::set<uint64_t> seen;
  for (int i = 0; i < 3; ++i) seen.insert(wait_for_fault(*memory_).value_or(0));
  EXPECT_EQ(seen, (std::set<uint64_t>{kPage, 2 * kPage, 3 * kPage}));
  Fault more[8];
  EXPECT_EQ(memory_->take_faults(more), 0u) << "a fault is taken once";
  land(1, 3);
}

TEST_P(UffdTest, FaultsNameTheirThread) {
  Toucher first(at(1)), second(at(2));
  std::set<uint32_t> threads;
  while (threads.size() < 2 && test::readable(memory_->fault_descriptor(), test::kPatience)) {
    Fault faults[8];
    const size_t taken = memory_->take_faults(faults);
    for (size_t i = 0; i < taken; ++i) threads.insert(faults[i].thread);
  }
  EXPECT_EQ(threads.size(), 2u);
  EXPECT_FALSE(threads.contains(0));
  EXPECT_FALSE(threads.contains(static_cast<uint32_t>(gettid()))) << "this one has touched nothing";
  land(0, 8);
}

TEST_P(UffdTest, ManyFaultsComeInOneCall) {
  std::vector<std::unique_ptr<Toucher>> touchers;
  for (uint64_t page = 0; page < 8; ++page) touchers.push_back(std::make_unique<Toucher>(at(page)));
  std::set<uint64_t> seen;
  while (seen.size() < 8 && test::readable(memory_->fault_descriptor(), test::kPatience)) {
    Fault faults[100];
    const size_t taken = memory_->take_faults(faults);
    for (size_t i = 0; i < taken; ++i) seen.insert(faults[i].offset);
  }
  EXPECT_EQ(seen.size(), 8u);
  land(0, 8);
}

TEST_P(UffdTest, TheDescriptorIsQuietWithoutFaults) {
  EXPECT_FALSE(test::readable(memory_->fault_descriptor(), 0));
  Fault fault;
  EXPECT_EQ(memory_->take_faults({&fault, 1}), 0u) << "it must not block";
  pollfd waiting{memory_->fault_descriptor(), POLLIN, 0};
  EXPECT_EQ(poll(&waiting, 1, 0), 0);
  EXPECT_EQ(waiting.revents, 0) << "POLLERR: the descriptor blocks";
}

TEST_P(UffdTest, DroppedPagesFaultAgain) {
  land(0, 4, 1);
  ASSERT_TRUE(memory_->drop({kPage, 2 * kPage}));
  Toucher toucher(at(1));
  ASSERT_EQ(wait_for_fault(*memory_), kPage);
  land(1, 2, 2);
  EXPECT_EQ(toucher.wait().value, page_bytes(kPage, 2)[0]);
  EXPECT_TRUE(holds(*memory_, 0, 1));
  EXPECT_TRUE(holds(*memory_, 2 * kPage, 2));
  EXPECT_TRUE(holds(*memory_, 3 * kPage, 1));
}

TEST_P(UffdTest, DroppingMissingPagesIsLegal) {
  ASSERT_TRUE(memory_->drop({0, kSize}));
  ASSERT_TRUE(memory_->drop({0, kSize}));
  Toucher toucher(at(0));
  ASSERT_EQ(wait_for_fault(*memory_), 0u);
  land(0);
}

TEST_P(UffdTest, DroppingGivesTheMemoryBack) {
  land(0, 64);
  unsigned char resident[64]{};
  ASSERT_EQ(mincore(const_cast<std::byte*>(memory_->data()), kSize, resident), 0);
  EXPECT_EQ(std::count(std::begin(resident), std::end(resident), 1), 64);
  ASSERT_TRUE(memory_->drop({0, kSize}));
  ASSERT_EQ(mincore(const_cast<std::byte*>(memory_->data()), kSize, resident), 0);
  EXPECT_EQ(std::count(std::begin(resident), std::end(resident), 0), 64);
}

// The range is ours by contract; who unmaps it gets errors, not a crash of ours.
TEST_P(UffdTest, LandingWhereTheApplicationUnmappedIsAnError) {
  ASSERT_EQ(munmap(const_cast<std::byte*>(at(2)), 2 * kPage), 0);
  const Result<> landed = memory_->land(0, pages_bytes({0, 8 * kPage}));
  ASSERT_FALSE(landed);
  land(4, 4);
  EXPECT_TRUE(holds(*memory_, 5 * kPage));
}

// --- Poison ---------------------------------------------------------------------------------

TEST_P(UffdTest, APoisonedPageRaisesSigbusAtItsAddressAndOnlyInItsToucher) {
  FaultServer server(*memory_);
  poison(10);
  std::atomic<bool> stop = false;
  std::atomic<uint64_t> right = 0;
  std::thread reader([&] {
    for (uint64_t page = 0; !stop || page == 0; page = (page + 1) % 8)
      right += touch(at(page)).signal == 0;
  });
  for (int i = 0; i < 3; ++i) {
    const Touch got = touch(at(10) + 123);
    EXPECT_EQ(got.signal, SIGBUS);
    EXPECT_EQ(got.address, at(10) + 123);
  }
  const uint64_t before = right;
  while (right < before + 1000) std::this_thread::yield();
  stop = true;
  reader.join();
  EXPECT_EQ(touch(at(9)).signal, 0);
  EXPECT_EQ(touch(at(11)).signal, 0);
}

TEST_P(UffdTest, PoisonReachesWhoWaitsAlready) {
  Toucher one(at(4)), other(at(6));
  ASSERT_TRUE(wait_for_fault(*memory_));
  ASSERT_TRUE(wait_for_fault(*memory_));
  poison(0, 8);
  EXPECT_EQ(one.wait().signal, SIGBUS);
  EXPECT_EQ(other.wait().signal, SIGBUS);
}

TEST_P(UffdTest, PoisonLeavesResidentPages) {
  land(1);
  land(3, 2);
  land(7);
  poison(0, 8);
  for (uint64_t page = 0; page < 8; ++page) {
    const bool resident = page == 1 || page == 3 || page == 4 || page == 7;
    if (resident)
      EXPECT_TRUE(holds(*memory_, page * kPage)) << page;
    else
      EXPECT_EQ(touch(at(page)).signal, SIGBUS) << page;
  }
}

TEST_P(UffdTest, PoisonTwiceIsLegal) {
  poison(0, 4);
  land(1);
  poison(0, 8);
  poison(0, 64);
  EXPECT_EQ(touch(at(0)).signal, SIGBUS);
  EXPECT_TRUE(holds(*memory_, kPage));
  EXPECT_EQ(touch(at(63)).signal, SIGBUS);
}

TEST_P(UffdTest, LandingCuresPoison) {
  poison(0, 8);
  land(2, 3);
  for (uint64_t page = 0; page < 8; ++page) {
    const bool cured = page >= 2 && page < 5;
    if (cured)
      EXPECT_TRUE(holds(*memory_, page * kPage)) << page;
    else
      EXPECT_EQ(touch(at(page)).signal, SIGBUS) << page;
  }
  land(0, 8);
  for (uint64_t page = 0; page < 8; ++page) EXPECT_TRUE(holds(*memory_, page * kPage)) << page;
}

TEST_P(UffdTest, ACuredPageIsAnOrdinaryOne) {
  poison(3);
  land(3, 1, 1);
  ASSERT_TRUE(memory_->drop({3 * kPage, kPage}));
  Toucher toucher(at(3));
  ASSERT_EQ(wait_for_fault(*memory_), 3 * kPage);
  land(3, 1, 2);
  EXPECT_EQ(toucher.wait().value, page_bytes(3 * kPage, 2)[0]);
  const std::set<std::string> flags = test::mapping_flags(at(3));
  EXPECT_TRUE(flags.contains("dc"));
  EXPECT_TRUE(flags.contains("dd"));
  EXPECT_FALSE(flags.contains("wr"));
}

TEST_P(UffdTest, ASystemCallOnAPoisonedPageFails) {
  poison(0);
  int ends[2];
  ASSERT_EQ(pipe2(ends, O_CLOEXEC), 0);
  EXPECT_EQ(write(ends[1], at(0), 10), -1);
  EXPECT_EQ(errno, EFAULT);
  close(ends[0]);
  close(ends[1]);
}

// --- The end --------------------------------------------------------------------------------

TEST_P(UffdTest, WhoWaitsAtTheEndGetsSigbusAndNeverZeros) {
  for (int round = 0; round < 20; ++round) {
    SetUp();
    std::vector<std::unique_ptr<Toucher>> touchers;
    for (uint64_t page = 0; page < 4; ++page)
      touchers.push_back(std::make_unique<Toucher>(at(page)));
    // Some of them known, some perhaps not yet asleep.
    ASSERT_TRUE(wait_for_fault(*memory_));
    memory_.reset();
    for (auto& toucher : touchers) ASSERT_EQ(toucher->wait().signal, SIGBUS) << "round " << round;
  }
}

TEST_P(UffdTest, WhoComesAfterTheEndGetsSigbus) {
  land(0);
  const std::byte* const resident = at(0);
  const std::byte* const missing = at(1);
  memory_.reset();
  EXPECT_EQ(touch(resident).signal, SIGBUS);
  EXPECT_EQ(touch(missing).signal, SIGBUS);
}

TEST_P(UffdTest, AWaiterCanBeKilled) {
  const test::Outcome outcome = test::run_in_child(
      [&](const test::Child& child) {
        // The parent's is not inherited.
        auto own = Uffd::open(kSize, GetParam());
        CHILD_CHECK(child, own.has_value());
        touch((*own)->data());
        child.say("went on");
      },
      std::chrono::seconds(1));
  EXPECT_TRUE(outcome.hung) << test::describe(outcome);
  EXPECT_EQ(outcome.status, SIGKILL);
}

// --- The kernel's own access ----------------------------------------------------------------

// What write() into a pipe gives for a missing page, in a child with or without privileges.
void write_of_a_missing_page(const test::Child& child, Uffd::Poisoning poisoning, bool served) {
  auto memory = Uffd::open(4 * kPage, poisoning);
  CHILD_CHECK(child, memory.has_value());
  int ends[2];
  CHILD_CHECK(child, pipe(ends) == 0);
  const FaultServer server(**memory);
  CHILD_CHECK(child, touch((*memory)->data()).value == page_bytes(0)[0]);
  const ssize_t written = write(ends[1], (*memory)->data() + kPage, 100);
  if (served) {
    std::byte got[100];
    CHILD_CHECK(child, written == 100);
    CHILD_CHECK(child, read(ends[0], got, 100) == 100);
    CHILD_CHECK(child, std::memcmp(got, page_bytes(kPage).data(), 100) == 0);
  } else {
    CHILD_CHECK(child, written == -1);
    CHILD_CHECK(child, errno == EFAULT);
    CHILD_CHECK(child, write(ends[1], (*memory)->data(), 100) == 100);  // a resident one
  }
}

using UffdAccess = testing::TestWithParam<Uffd::Poisoning>;
INSTANTIATE_TEST_SUITE_P(Poisoning, UffdAccess,
                         testing::Values(Uffd::Poisoning::by_kernel, Uffd::Poisoning::by_mapping),
                         testing::PrintToStringParamName());

TEST_P(UffdAccess, ASystemCallOnAMissingPageIsServedWithPrivileges) {
  EXPECT_CHILD_PASSES([](const test::Child& child) {
    child.need_root();
    write_of_a_missing_page(child, GetParam(), true);
  });
}

TEST_P(UffdAccess, WithoutPrivilegesItFailsAndDoesNotHang) {
  EXPECT_CHILD_PASSES([](const test::Child& child) {
    child.become_nobody();
    std::ifstream sysctl("/proc/sys/vm/unprivileged_userfaultfd");
    if (int allowed = 0; sysctl >> allowed && allowed)
      child.skip("vm.unprivileged_userfaultfd gives everybody full powers here");
    if (access("/dev/userfaultfd", W_OK) == 0) child.skip("everybody may open /dev/userfaultfd");
    write_of_a_missing_page(child, GetParam(), false);
  });
}

TEST_P(UffdAccess, ProcMemOfAMissingPageFailsAndDoesNotHang) {
  EXPECT_CHILD_PASSES([](const test::Child& child) {
    auto memory = Uffd::open(4 * kPage, GetParam());
    CHILD_CHECK(child, memory.has_value());
    const int self = open("/proc/self/mem", O_RDONLY);
    if (self < 0) child.skip("no /proc/self/mem");
    char byte;
    const auto address = reinterpret_cast<off_t>((*memory)->data());
    CHILD_CHECK(child, pread(self, &byte, 1, address) == -1);
    CHILD_CHECK(child, errno == EIO);
  });
}

// --- Where it is forbidden or short ---------------------------------------------------------

// Answers `number` to each userfaultfd system call, as a container's filter does.
void forbid_userfaultfd(const test::Child& child, unsigned number) {
  sock_filter program[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_userfaultfd, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | number),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  const sock_fprog filter{std::size(program), program};
  CHILD_CHECK(child, prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
  CHILD_CHECK(child, prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) == 0);
}

TEST(Uffd, ForbiddenBySeccompIsUnsupported) {
  for (const unsigned number : {EPERM, ENOSYS})
    EXPECT_CHILD_PASSES([&](const test::Child& child) {
      child.become_nobody();
      if (access("/dev/userfaultfd", W_OK) == 0) child.skip("everybody may open /dev/userfaultfd");
      forbid_userfaultfd(child, number);
      const auto memory = open_uffd(kPage);
      CHILD_CHECK(child, !memory);
      CHILD_CHECK(child, memory.error().code == Code::unsupported);
      CHILD_CHECK(child, !memory.error().message.empty());
    });
}

TEST(Uffd, TheDeviceServesWhereTheSystemCallIsForbidden) {
  EXPECT_CHILD_PASSES([&](const test::Child& child) {
    if (access("/dev/userfaultfd", W_OK) != 0) child.skip("no access to /dev/userfaultfd");
    forbid_userfaultfd(child, EPERM);
    write_of_a_missing_page(child, Uffd::Poisoning::by_kernel, true);
  });
}

// Told as where no socket can be had, and not as if the store's disk were broken.
TEST(Uffd, WithoutDescriptorsIsAnErrorButNotUnsupported) {
  const auto memory = [] {
    const test::NoDescriptors none;
    return open_uffd(kPage);
  }();
  ASSERT_FALSE(memory);
  EXPECT_EQ(memory.error().code, Code::network);
  EXPECT_EQ(memory.error().message, "no descriptor is left for a userfaultfd");
  EXPECT_TRUE(open_uffd(kPage));
}

TEST(Uffd, WithoutKernelMemoryIsNoMemory) {
  EXPECT_CHILD_PASSES([](const test::Child& child) {
    child.become_nobody();
    if (access("/dev/userfaultfd", W_OK) == 0) child.skip("everybody may open /dev/userfaultfd");
    forbid_userfaultfd(child, ENOMEM);
    const auto memory = open_uffd(kPage);
    CHILD_CHECK(child, !memory);
    CHILD_CHECK(child, memory.error().code == Code::no_memory);
  });
}

TEST(Uffd, WithoutAddressSpaceIsNoMemory) {
  if (test::kSanitizer) GTEST_SKIP() << "the sanitizers need the address space themselves";
  EXPECT_CHILD_PASSES([](const test::Child& child) {
    const rlimit limit{uint64_t{1} << 30, uint64_t{1} << 30};
    CHILD_CHECK(child, setrlimit(RLIMIT_AS, &limit) == 0);
    const auto memory = open_uffd(uint64_t{2} << 30);
    CHILD_CHECK(child, !memory);
    CHILD_CHECK(child, memory.error().code == Code::no_memory);
  });
}

// --- Sizes ----------------------------------------------------------------------------------

TEST(Uffd, TheLargestRegion) {
  if (test::kSanitizer) GTEST_SKIP() << "the sanitizers' shadow has no room for it";
  auto memory = open_uffd(limits::kRegionSize);
  ASSERT_TRUE(memory) << memory.error().message;
  EXPECT_EQ((*memory)->capacity(), limits::kRegionSize);
  const FaultServer server(**memory);
  for (const uint64_t offset : {uint64_t{0}, kTiB, limits::kRegionSize - kPage})
    EXPECT_TRUE(holds(**memory, offset)) << offset;
}

TEST(Uffd, AHundredAtATime) {
  std::vector<std::unique_ptr<LocalMemory>> memories;
  std::vector<LocalMemory*> served;
  for (uint64_t i = 0; i < 100; ++i) {
    auto memory = open_uffd((i + 1) * kPage);
    ASSERT_TRUE(memory) << i << ": " << memory.error().message;
    served.push_back(memory->get());
    memories.push_back(std::move(*memory));
  }
  {
    const FaultServer server(served);
    std::vector<std::thread> threads;
    for (uint64_t t = 0; t < 4; ++t)
      threads.emplace_back([&, t] {
        for (uint64_t i = t; i < 100; i += 4)
          for (uint64_t page = 0; page <= i; page += 7)
            EXPECT_TRUE(holds(*memories[i], page * kPage)) << i;
      });
    for (std::thread& thread : threads) thread.join();
  }
  while (!memories.empty()) {
    const std::byte* const begin = memories.back()->data();
    memories.pop_back();
    EXPECT_EQ(touch(begin).signal, SIGBUS);
    if (!memories.empty()) {
      EXPECT_EQ(touch(memories.front()->data()).signal, 0) << "one's end is another's";
    }
  }
}

// --- Locked memory --------------------------------------------------------------------------

// mlockall(MCL_FUTURE) locks new mappings and fills them with zeros: a region must still fault, and
// must not count as locked memory.
void faults_under_mlockall(const test::Child& child, Uffd::Poisoning poisoning) {
  auto memory = Uffd::open(256 * kPage, poisoning);
  CHILD_CHECK(child, memory.has_value());
  CHILD_CHECK(child, !test::mapping_flags((*memory)->data()).contains("lo"));
  {
    const FaultServer server(**memory);
    for (uint64_t page = 0; page < 256; page += 5)
      CHILD_CHECK(child, holds(**memory, page * kPage));
    CHILD_CHECK(child, server.faults() >= 52);
  }
  // Poisoned and cured, a page was mapped anew.
  CHILD_CHECK(child, (*memory)->poison({0, 8 * kPage}).has_value());
  CHILD_CHECK(child, (*memory)->land(kPage, page_bytes(kPage, 1)).has_value());
  CHILD_CHECK(child, touch((*memory)->data() + 2 * kPage).signal == SIGBUS);
  CHILD_CHECK(child, holds(**memory, kPage, 1));
  CHILD_CHECK(child, !test::mapping_flags((*memory)->data() + kPage).contains("lo"));
  CHILD_CHECK(child, (*memory)->drop({kPage, kPage}).has_value());
  const FaultServer server(**memory);
  CHILD_CHECK(child, holds(**memory, kPage));
}

TEST_P(UffdAccess, FaultsWithoutMlockall) {
  EXPECT_CHILD_PASSES(
      [](const test::Child& child) { faults_under_mlockall(child, GetParam()); });
}

TEST_P(UffdAccess, FaultsUnderMlockall) {
  if (test::kSanitizer) GTEST_SKIP() << "the sanitizers turn mlockall off";
  EXPECT_CHILD_PASSES([](const test::Child& child) {
    if (mlockall(MCL_FUTURE) < 0) child.skip("mlockall(MCL_FUTURE) is not permitted");
    faults_under_mlockall(child, GetParam());
  });
}

TEST_P(UffdAccess, LockedPagesCanBeDropped) {
  if (test::kSanitizer) GTEST_SKIP() << "the sanitizers turn mlockall off";
  EXPECT_CHILD_PASSES([](const test::Child& child) {
    auto memory = Uffd::open(8 * kPage, GetParam());
    CHILD_CHECK(child, memory.has_value());
    CHILD_CHECK(child, (*memory)->land(0, pages_bytes({0, 4 * kPage}, 1)).has_value());
    if (mlockall(MCL_CURRENT | MCL_ONFAULT) < 0) child.skip("mlockall is not permitted");
    CHILD_CHECK(child, test::mapping_flags((*memory)->data()).contains("lo"));
    CHILD_CHECK(child, (*memory)->drop({0, 2 * kPage}).has_value());
    const FaultServer server(**memory);
    CHILD_CHECK(child, holds(**memory, kPage));
    CHILD_CHECK(child, holds(**memory, 2 * kPage, 1));
    CHILD_CHECK(child, server.faults() == 1);
  });
}

// --- Fork, core dumps -----------------------------------------------------------------------

// Neither a live region's tebibyte nor a closed one's.
TEST(Uffd, ACoreDumpIsSmallAndQuick) {
  if (test::kSanitizer) GTEST_SKIP() << "the sanitizers' shadow would be dumped";
  std::ifstream pattern_file("/proc/sys/kernel/core_pattern");
  std::string pattern;
  std::getline(pattern_file, pattern);
  if (pattern.empty() || pattern[0] == '|' || pattern.find('/') != std::string::npos)
    GTEST_SKIP() << "core dumps go elsewhere: " << pattern;
  std::string name = fs::temp_directory_path() / "r3map-core-XXXXXX";
  const fs::path directory = mkdtemp(name.data());
  const test::Outcome outcome = test::run_in_child([&](const test::Child& child) {
    const rlimit unlimited{RLIM_INFINITY, RLIM_INFINITY};
    if (setrlimit(RLIMIT_CORE, &unlimited) < 0) child.skip("core dumps are forbidden");
    CHILD_CHECK(child, chdir(directory.c_str()) == 0);
    auto live = open_uffd(kTiB);
    auto poisoned = Uffd::open(kTiB, Uffd::Poisoning::by_mapping);
    auto closed = open_uffd(kTiB);
    CHILD_CHECK(child, live && poisoned && closed);
    CHILD_CHECK(child, (*live)->land(kTiB / 2, pages_bytes({0, 4 * kPage})).has_value());
    CHILD_CHECK(child, (*poisoned)->poison({0, 16 * kPage}).has_value());
    closed->reset();
    signal(SIGABRT, SIG_DFL);
    abort();
  });
  uint64_t size = 0, used = 0;
  for (const auto& entry : fs::directory_iterator(directory)) {
    struct stat status;
    ASSERT_EQ(stat(entry.path().c_str(), &status), 0);
    size += static_cast<uint64_t>(status.st_size);
    used += static_cast<uint64_t>(status.st_blocks) * 512;
  }
  fs::remove_all(directory);
  if (outcome.exited && outcome.status == test::kSkipped) GTEST_SKIP() << outcome.said;
  ASSERT_TRUE(!outcome.hung && !outcome.exited && outcome.status == SIGABRT)
      << test::describe(outcome);
  EXPECT_GT(used, 0u) << "no core was dumped";
  EXPECT_LT(size, uint64_t{1} << 30);
  EXPECT_LT(used, uint64_t{1} << 30);
}

// --- All at once ----------------------------------------------------------------------------

TEST_P(UffdTest, ReadersSeeOnlyRightBytesWhilePagesAreDropped) {
  const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(1);
  test::Random random;
  SCOPED_TRACE(random.trace());
  // Extents of any length around the page that is wanted, as readahead lands them.
  const FaultServer::Handler fill = [](LocalMemory& memory, uint64_t offset) {
    const uint64_t begin = offset / (4 * kPage) * 4 * kPage;
    (void)memory.land(begin, pages_bytes({begin, 4 * kPage}));
  };
  const FaultServer one(*memory_, fill);
  std::atomic<uint64_t> wrong = 0, reads = 0;
  std::atomic<bool> stop = false;
  std::vector<std::thread> readers;
  for (uint64_t t = 0; t < 3; ++t)
    readers.emplace_back([&, seed = random.below(UINT64_MAX)] {
      test::Random own(seed);
      while (!stop) {
        const uint64_t offset = own.below(kSize / kPage) * kPage;
        wrong += !holds(*memory_, offset);
        ++reads;
      }
    });
  while (std::chrono::steady_clock::now() < until) {
    const uint64_t first = random.below(kSize / kPage);
    const uint64_t count = 1 + random.below(kSize / kPage - first);
    ASSERT_TRUE(memory_->drop({first * kPage, count * kPage}));
  }
  stop = true;
  for (std::thread& reader : readers) reader.join();
  EXPECT_EQ(wrong, 0u);
  EXPECT_GT(reads, 0u);
  EXPECT_GT(one.faults(), 0u);
}

// Poisoned, cured and dropped under its readers, a page is right or fails.
TEST_P(UffdTest, ReadersSeeRightBytesOrASignalWhilePagesArePoisonedAndCured) {
  const auto until = std::chrono::steady_clock::now() + std::chrono::milliseconds(500);
  const FaultServer server(*memory_);
  std::atomic<bool> stop = false;
  std::atomic<uint64_t> wrong = 0, failed = 0;
  std::vector<std::thread> readers;
  for (uint64_t t = 0; t < 2; ++t)
    readers.emplace_back([&, t] {
      for (uint64_t i = t; !stop; ++i) {
        const uint64_t offset = i % 16 * kPage;
        const Touch got = touch(memory_->data() + offset + i % kPage);
        if (got.signal)
          ++failed;
        else
          wrong += got.value != page_bytes(offset)[i % kPage];
      }
    });
  for (uint64_t i = 0; std::chrono::steady_clock::now() < until; ++i) {
    const uint64_t page = i % 16;
    ASSERT_TRUE(memory_->poison({page * kPage, kPage}));
    ASSERT_TRUE(memory_->land(page * kPage, page_bytes(page * kPage)));
    ASSERT_TRUE(memory_->drop({page * kPage, kPage}));
  }
  stop = true;
  for (std::thread& reader : readers) reader.join();
  EXPECT_EQ(wrong, 0u);
}

// What has landed stays, also when it lands while its neighbours are being poisoned.
TEST_P(UffdTest, PoisonNeverTakesAPageThatHasLanded) {
  // Locks are not fair: under a sanitizer the poisoner would have them nearly always.
  constexpr uint64_t kPages = test::kSanitizer ? 300 : 3000;
  constexpr uint64_t kAround = test::kSanitizer ? 2 : kPages;
  auto memory = Uffd::open(kPages * kPage, GetParam());
  ASSERT_TRUE(memory);
  std::atomic<uint64_t> next = 0;
  uint64_t failed = 0, lost = 0;
  std::thread lander([&] {
    for (; next < kPages; ++next)
      failed += !(*memory)->land(next * kPage, page_bytes(next * kPage));
  });
  for (uint64_t page = 0; (page = next) < kPages;) {
    const uint64_t first = page < kAround ? 0 : page - kAround;
    const uint64_t last = std::min(page + kAround, kPages);
    EXPECT_TRUE((*memory)->poison({first * kPage, (last - first) * kPage}));
    std::this_thread::yield();
  }
  lander.join();
  for (uint64_t page = 0; page < kPages; ++page)
    lost += touch((*memory)->data() + page * kPage).signal != 0;
  EXPECT_EQ(failed, 0u);
  EXPECT_EQ(lost, 0u);
}

}  // namespace
}  // namespace r3map::memory
