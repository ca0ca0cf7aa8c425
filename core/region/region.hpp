// A resource in local memory: what the C ABI, and later front-ends and servers, work with. Decides
// what is fetched, kept and given up; moves nothing itself.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/limits.hpp"
#include "loop/worker_pool.hpp"
#include "memory/local_memory.hpp"
#include "region/evictor.hpp"
#include "region/fault_times.hpp"
#include "region/fetcher.hpp"
#include "region/fill.hpp"
#include "region/landings.hpp"
#include "region/pins.hpp"
#include "region/readahead.hpp"
#include "region/room.hpp"
#include "region/stats.hpp"
#include "region/trace.hpp"
#include "region/waiters.hpp"
#include "region/waiting_faults.hpp"
#include "resource/resource.hpp"

namespace r3map::region {

enum class Pull { none, readahead, all };

struct RegionOptions {
  uint64_t chunk_size = 0;  // what a lone fault fetches; 0: the resource's granule
  uint64_t budget = 0;      // resident bytes; 0: the engine's budget only
  // How long a fault may take, or a call may go without progress; zero: for ever.
  loop::Clock::duration deadline = limits::kDeadline;
  Pull pull = Pull::readahead;
  std::string name = {};  // what the log calls it
  std::vector<Range> priority = {};  // pulled first
  std::string trace = {};            // a file that will tell what was asked for; empty: none
  // Of fetches under way that nobody waits for in a fault; 0: as suits the store.
  uint64_t most_requests = 0, most_bytes = 0;
};

// What regions share.
struct Environment {
  loop::Loop& loop;
  loop::WorkerPool& workers;
  Budget& budget;
  // Opens memory for a size; tests pass one kind or the other.
  std::function<Result<std::unique_ptr<memory::LocalMemory>>(uint64_t size, uint64_t eager_limit)>
      open_memory;
  loop::Clock::duration slow_fault = limits::kSlowFault;  // what takes longer is logged
  // Linux's number of the thread that is ending the process; 0: it goes on.
  std::function<uint32_t()> exiting_thread = [] { return 0u; };
};

// userfaultfd, or where it is forbidden memory that is filled at open.
Result<std::unique_ptr<memory::LocalMemory>> open_best_memory(uint64_t size, uint64_t eager_limit);

// Thread: home loop, but for data(), size() and version(). Ranges are in bytes, at any alignment,
// inside the size.
class Region : private Fetcher::Owner {
 public:
  // With memory that is not filled on demand, everything is read before this returns.
  static loop::Task<Result<std::unique_ptr<Region>>> open(
      Environment environment, std::unique_ptr<resource::Resource> resource,
      RegionOptions options);
  // Only after close().
  ~Region() override;

  const std::byte* data() const { return memory_->data(); }
  uint64_t size() const { return size_; }
  const std::string& version() const { return resource_->info().version; }

  // Resident now, or an error; perhaps evicted later.
  loop::Task<Result<>> populate(Range range);
  // Resident until unpin() of the same range.
  loop::Task<Result<>> pin(Range range);
  Result<> unpin(Range range);
  // Copies out. The buffer must live until the task ends.
  loop::Task<Result<>> read(uint64_t offset, std::span<std::byte> out);
  // Code::busy: too many ranges wait already; Code::stale: the object has changed.
  Result<> prefetch(std::span<const Range> ranges);
  loop::Task<Result<>> evict(Range range);
  // Until no prefetch and no pull is left; the first error of one since the last wait.
  loop::Task<Result<>> wait();
  // How much of each of `cells` equal parts of `range` is resident: 0 none, 255 all.
  loop::Task<std::vector<uint8_t>> residency(Range range, size_t cells);

  RegionStats stats() const;
  const Error& last_error() const { return last_error_; }  // of a fault; Code::ok if none

  // Operations end with Code::canceled, threads that wait in faults get SIGBUS. Nothing but the
  // destructor may be called afterwards.
  loop::Task<void> close();

 private:
  Region(Environment environment, std::unique_ptr<resource::Resource> resource,
         std::unique_ptr<memory::LocalMemory> memory, RegionOptions options);

  loop::Task<Result<>> start();
  void start_pulling();
  void record(Range range);
  void on_faults();
  loop::Clock::duration round_trip() const;
  void on_fault(memory::Fault fault);
  void on_trap(uint64_t offset);
  bool can_fetch(uint64_t offset);
  void fetch_for_fault(memory::Fault fault);
  void fetch_again(uint64_t offset);
  void read_ahead(const Readahead::Plan& plan);
  void overtake(uint64_t offset);
  void on_expired(uint64_t offset);
  void fail_fault(uint64_t offset, const Error& error);
  void poison(uint64_t offset);
  void on_fetched(const Fetch& fetch, const Result<>& result) override;
  void die(const Error& why);
  static bool is_final(const Fetch& fetch, const Result<>& result);
  void settle_fault(uint64_t offset, const Fetch& fetch, const Result<>& result);
  void tell_waiters(const Fetch& fetch, const Result<>& result);
  void on_landed(Range pages) override;
  void on_retrying(uint64_t offset, const Error& cause, loop::Clock::duration pause) override;
  void tell_answered(Range pages);
  Range waited_for(Range range) const override;
  void wake_at(Range pages);
  void wake_waiters();

  loop::Task<Result<>> require(Range pages);
  void request_pages(Range pages);
  Result<bool> arrived(Waiter& waiter);
  Failure used_up() const;
  void forget_required();
  loop::Task<Result<>> pin_pages(Range pages, Hold hold);
  bool let_go(Range pages, Hold hold);  // false: they aren't pinned

  Environment environment_;
  std::unique_ptr<resource::Resource> resource_;
  std::unique_ptr<memory::LocalMemory> memory_;
  const RegionOptions options_;
  const uint64_t size_;
  const uint64_t limit_;    // of what may be resident
  const uint64_t granule_;  // what a lone fault fetches
  Pins pins_;               // of callers and of operations under way
  Fill fill_;
  Evictor evictor_;
  Readahead readahead_;
  std::unique_ptr<TraceRecorder> trace_;  // null: not asked for
  WaitingFaults faults_;
  FaultTimes fault_times_;
  Fetcher fetcher_;
  std::unique_ptr<loop::FdWatch> watch_;
  Room room_;
  Waiters waiters_;
  std::atomic<size_t> waiting_ = 0;  // the size of waiters_, for the threads that land
  Landings landings_;
  loop::Gate operations_;
  bool closing_ = false;
  PageSet unpoisoned_;  // whose faults have failed, and nobody could be told
  PageSet asleep_;  // the process exits: who waits for these sleeps until it has
  PageSet not_to_sleep_;  // but for the thread that ends it
  Error dead_{Code::ok, ""};  // the object changed: nothing more is fetched
  Error last_error_{Code::ok, ""};
  Result<> background_;
  uint64_t fault_count_ = 0, failed_fault_count_ = 0;
};

}  // namespace r3map::region
