#include "region/region.hpp"

#include <algorithm>
#include <array>

#include "base/log.hpp"
#include "region/residency.hpp"

namespace r3map::region {

using resource::Urgency;

namespace {

// What a thread that waits in a stalled request will want next: by another request at once.
constexpr uint64_t kWantedNext = 1 << 20;
// A call for no more than this is sent off at once, as a fault is; more waits for its turn.
constexpr uint64_t kSmallCall = 1 << 20;
// A remote store may be asked for so many times more in parallel than it recommends, if it helps.
constexpr uint64_t kMoreInParallel = 4;
// A round trip that is worth reading ahead faster.
constexpr std::chrono::milliseconds kLongWay{5};
constexpr std::chrono::milliseconds kPoisonAgain{500};
// What evict() gives back before it lets others have the loop.
constexpr uint64_t kEvictStep = 16 << 20;
// read() copies so much at a time, so that it can be larger than the budget.
constexpr uint64_t kReadPiece = 4 << 20;
// What the loop's own thread copies without a detour.
constexpr size_t kInlineCopy = 64 << 10;

uint64_t share_of(uint64_t limit, uint64_t divisor, uint64_t most) {
  return std::max(align_down(std::min(limit / divisor, most), kPage), kPage);
}

uint64_t unless_zero(uint64_t limit) { return limit == 0 ? UINT64_MAX : limit; }

// How much a region has under way is found out (Pace); this is how much it may.
Fetcher::Limits fetch_limits(const resource::Info& info, uint64_t limit,
                             const RegionOptions& options) {
  const uint64_t times = info.remote ? kMoreInParallel : 1;
  const uint64_t bulk = info.preferred_request * info.parallel_requests * times;
  return {share_of(limit, 8, info.preferred_request), share_of(limit, 4, bulk), options.deadline,
          unless_zero(options.most_requests), align_down(unless_zero(options.most_bytes), kPage)};
}

Range pages_of(Range range) { return range.empty() ? Range{} : page_aligned(range); }

uint64_t effective_limit(const Budget& budget, uint64_t own) {
  return own == 0 ? budget.limit() : std::min(own, budget.limit());
}

}  // namespace

Result<std::unique_ptr<memory::LocalMemory>> open_best_memory(uint64_t size,
                                                              uint64_t eager_limit) {
  Result<std::unique_ptr<memory::LocalMemory>> uffd = memory::open_uffd(size);
  if (uffd || uffd.error().code != Code::unsupported) return uffd;
  Result<std::unique_ptr<memory::LocalMemory>> plain = memory::open_plain(size, eager_limit);
  if (!plain) return fail(plain.error().code, uffd.error().message + "; " + plain.error().message);
  return plain;
}

// ---- opening and closing --------------------------------------------------------------------

loop::Task<Result<std::unique_ptr<Region>>> Region::open(
    Environment environment, std::unique_ptr<resource::Resource> resource,
    RegionOptions options) {
  const uint64_t limit = effective_limit(environment.budget, options.budget);
  Result<std::unique_ptr<memory::LocalMemory>> memory =
      environment.open_memory(resource->info().size, align_down(limit, kPage));
  if (!memory) co_return fail(std::move(memory.error()));
  std::unique_ptr<Region> region(new Region(environment, std::move(resource), std::move(*memory),
                                            std::move(options)));
  auto starting = region->start();
  Result<> ready = co_await starting;
  if (!ready) {
    region->trace_.reset();  // an earlier one stays
    auto closing = region->close();
    co_await closing;
    co_return fail(std::move(ready.error()));
  }
  co_return region;
}

loop::Task<Result<>> Region::start() {
  const Range all = page_aligned({0, size_});
  std::unique_ptr<TraceRecorder> recorder;
  if (!options_.trace.empty()) {
    auto opening = TraceRecorder::open(environment_.workers, options_.trace, size_);
    Result<std::unique_ptr<TraceRecorder>> opened = co_await opening;
    if (!opened) co_return fail(std::move(opened.error()));
    recorder = std::move(*opened);
  }
  if (memory_->on_demand()) {
    trace_ = std::move(recorder);
    Result<> watched = watch_->watch(loop::FdWatch::kReadable);
    if (watched) start_pulling();
    co_return watched;
  }
  pins_.add(all);
  auto reading = require(all);
  Result<> read = co_await reading;
  trace_ = std::move(recorder);  // nobody has asked for all that
  co_return read;
}

Region::Region(Environment environment, std::unique_ptr<resource::Resource> resource,
               std::unique_ptr<memory::LocalMemory> memory, RegionOptions options)
    : environment_(std::move(environment)),
      resource_(std::move(resource)),
      memory_(std::move(memory)),
      options_(std::move(options)),
      size_(resource_->info().size),
      limit_(effective_limit(environment_.budget, options_.budget)),
      granule_(share_of(limit_, 8,
                        options_.chunk_size ? options_.chunk_size : resource_->info().granule)),
      fill_(*memory_),
      // What is given back was here: nobody waits for it any more.
      evictor_(environment_.budget, options_.budget, fill_, pins_,
               [this](Range range) { faults_.settle(range); }),
      readahead_(size_, granule_, share_of(limit_, 4, limits::kSteadyWindow),
                 options_.chunk_size == 0),
      faults_(environment_.loop, options_.deadline,
              [this](uint64_t offset) { on_expired(offset); }),
      fetcher_(environment_.loop, *resource_, fill_, evictor_,
               fetch_limits(resource_->info(), limit_, options_), *this),
      room_(environment_.loop, pins_, evictor_, options_.deadline, memory_->on_demand()),
      waiters_(kSmallCall),
      landings_(environment_.loop, [this](Range pages) { wake_at(pages); }) {
  if (memory_->on_demand())
    watch_ = std::make_unique<loop::FdWatch>(environment_.loop, memory_->fault_descriptor(),
                                             [this](int) { on_faults(); });
}

Region::~Region() = default;

void Region::start_pulling() {
  const Range all{0, size_};
  std::vector<Range> first;
  for (Range range : options_.priority)
    if (const Range inside = intersect(range, all); !inside.empty())
      first.push_back(page_aligned(inside));
  // Touches of them make no faults, so that the trace would miss them.
  for (const Range range : first) record(range);
  fetcher_.enqueue(first, Urgency::pull);
  if (options_.pull == Pull::all) fetcher_.enqueue(page_aligned(all), Urgency::pull);
}

void Region::record(Range range) {
  if (trace_) trace_->add(intersect(range, {0, size_}));
}

loop::Task<void> Region::close() {
  closing_ = true;
  watch_.reset();
  fetcher_.stop();
  wake_waiters();
  room_.close();
  auto fetches = fetcher_.idle();
  co_await fetches;
  auto operations = operations_.empty();
  co_await operations;
  // Neither a late timer nor another region in want of memory may come back to this one.
  faults_.settle({0, memory_->capacity()});
  evictor_.retire();
  // Here who still waits in a fault gets SIGBUS. Giving gigabytes back takes a while, which other
  // regions' faults must not wait for.
  auto unmapping = environment_.workers.run(loop::Priority::urgent, [this] {
    memory_.reset();
    resource_.reset();
    return true;
  });
  co_await unmapping;
  if (trace_) {
    auto closing = trace_->close();
    const Result<> written = co_await closing;
    if (!written) log(LogLevel::warn, "no trace", {{"cause", written.error().message}});
  }
}

// ---- page faults ----------------------------------------------------------------------------

void Region::on_faults() {
  readahead_.aim(fetcher_.pace().busy());
  readahead_.hasten(round_trip() > kLongWay);
  std::array<memory::Fault, 64> faults;
  for (size_t count = faults.size(); count == faults.size();) {
    count = memory_->take_faults(faults);
    fault_count_ += count;
    const loop::Clock::time_point now = loop::Clock::now();
    for (size_t i = 0; i < count; ++i) {
      fault_times_.seen(faults[i].offset, now);
      on_fault(faults[i]);
    }
  }
}

// As it is now, or was when the resource was opened.
loop::Clock::duration Region::round_trip() const {
  const loop::Clock::duration now = fetcher_.pace().latency();
  return now > loop::Clock::duration::zero() ? now : resource_->info().latency;
}

void Region::on_fault(memory::Fault fault) {
  const uint64_t offset = fault.offset;
  if (unpoisoned_.contains(offset)) {  // it is asked for anew, and has all of its time
    unpoisoned_.remove({offset, kPage});
    faults_.settle({offset, kPage});
  }
  if (fault.thread == environment_.exiting_thread()) {
    not_to_sleep_.add({offset, kPage});
    asleep_.remove({offset, kPage});
  }
  if (asleep_.contains(offset)) return;  // a signal's handler has run, and it faults again
  const Fill::Page page = fill_.page(offset);
  switch (page.state) {
    case PageState::resident:
      memory_->wake({offset, kPage});
      tell_answered({offset, kPage});
      return;
    case PageState::held: on_trap(offset); return;
    case PageState::landing: faults_.add(offset); return;
    case PageState::filling:
      // Of a pull of everything only what is missed is an access.
      if (options_.pull == Pull::all) record({offset, granule_});
      faults_.add(offset);
      if (fill_.dont_hold(offset))
        read_ahead(readahead_.on_trap(offset));
      else
        on_trap(offset);  // it was held a moment ago, perhaps
      overtake(offset);
      return;
    case PageState::absent: fetch_for_fault(fault); return;
  }
}

void Region::on_trap(uint64_t offset) {
  const Result<bool> released = fill_.release(offset);
  if (!released) {
    evictor_.release(kPage);
    fail_fault(offset, released.error());
  }
  if (!released || !*released) return;
  tell_answered({offset, kPage});
  read_ahead(readahead_.on_trap(offset));
}

// Whether there is something to fetch; if not, the fault has failed.
bool Region::can_fetch(uint64_t offset) {
  if (dead_.code != Code::ok) return fail_fault(offset, dead_), false;
  if (offset >= size_) return fail_fault(offset, {Code::out_of_range, "past the end"}), false;
  return true;
}

void Region::fetch_for_fault(memory::Fault fault) {
  const uint64_t offset = fault.offset;
  if (!can_fetch(offset)) return;
  faults_.add(offset);
  // A trap whose window has not been asked for yet tells as much as one that was held.
  if (fill_.dont_hold(offset)) read_ahead(readahead_.on_trap(offset));
  // A reader who is faster than its readahead is no stranger.
  if (Range planned = fetcher_.queued_readahead(offset); !planned.empty()) {
    planned.length = std::min(planned.length, std::max(granule_, fetcher_.pace().request()));
    fetcher_.demand(planned);  // recorded already
    return;
  }
  Readahead::Plan plan;
  if (options_.pull == Pull::none)
    plan.demand = intersect({offset, granule_}, {0, memory_->capacity()});
  else
    plan = readahead_.on_fault(offset, fault.thread);
  record(plan.demand);
  const Range started = fetcher_.demand(plan.demand);
  // A granule may be larger than a request.
  fetcher_.enqueue(range_between(started.end(), plan.demand.end()), Urgency::readahead);
  read_ahead(plan);
}

// Its request failed, but another may do better.
void Region::fetch_again(uint64_t offset) {
  if (!can_fetch(offset)) return;
  faults_.add(offset);
  fetcher_.demand(intersect({offset, granule_}, {0, memory_->capacity()}));
}

void Region::read_ahead(const Readahead::Plan& plan) {
  // What is pinned is never held back: whoever pins it waits until it is resident.
  if (plan.trap && fill_.page(*plan.trap).state == PageState::absent &&
      pins_.pinned({*plan.trap, kPage}).empty())
    fill_.hold(*plan.trap);
  for (const Range range : plan.ahead) record(range);
  fetcher_.enqueue(plan.ahead, Urgency::readahead);
}

// The page is on its way, but its request has much else to bring first.
void Region::overtake(uint64_t offset) {
  const Fill::Page page = fill_.page(offset);
  if (page.state != PageState::filling) return;
  if (offset - page.next <= fetcher_.pace().far_behind()) return;
  const Range part = intersect({offset, granule_}, page.owned);
  fill_.take_away(part);
  const Range started = fetcher_.demand(part);
  fetcher_.enqueue(range_between(started.end(), part.end()), Urgency::readahead);
}

void Region::on_expired(uint64_t offset) {
  // It was answered if its page is here, though the rest of its request is not.
  if (fill_.page(offset).state == PageState::resident) return;
  if (unpoisoned_.contains(offset)) return poison(offset);
  fail_fault(offset, {Code::timed_out, "a page did not arrive within the deadline"});
}

namespace {

int64_t ms_of(loop::Clock::duration duration) {
  return std::chrono::duration_cast<std::chrono::milliseconds>(duration).count();
}

}  // namespace

void Region::fail_fault(uint64_t offset, const Error& error) {
  ++failed_fault_count_;
  last_error_ = error;
  const loop::Clock::duration waited = fault_times_.failed(offset, loop::Clock::now());
  if (logs(LogLevel::error)) {
    log(LogLevel::error, "failed fault",
        {{"region", options_.name}, {"offset", offset}, {"ms", ms_of(waited)},
         {"code", code_name(error.code)}, {"cause", error.message}});
    // What comes may be the end of the process.
    flush_log(limits::kLastWords);
  }
  poison(offset);
}

void Region::poison(uint64_t offset) {
  const Result<> poisoned = fill_.poison(offset);
  if (poisoned) {
    unpoisoned_.remove({offset, kPage});
    return;
  }
  // The kernel is short of memory: the thread must get its answer later.
  if (!unpoisoned_.contains(offset))
    log(LogLevel::warn, "can't answer a failed fault yet",
        {{"region", options_.name}, {"offset", offset}, {"cause", poisoned.error().message}});
  unpoisoned_.add({offset, kPage});
  faults_.add_for(offset, kPoisonAgain);
}

// ---- what requests brought ------------------------------------------------------------------

void Region::on_fetched(const Fetch& fetch, const Result<>& result) {
  if (fetch.landed > 0) evictor_.arrived(fetch.range);
  if (!closing_) {
    if (!result && result.error().code == Code::stale) die(result.error());
    for (const uint64_t offset : faults_.in(fetch.range)) settle_fault(offset, fetch, result);
    if (!result && fetch.urgency >= Urgency::prefetch && background_) background_ = result;
    // A guess is given up at once, the rest when there is no hope for more of its kind.
    if (!result && (fetch.urgency == Urgency::readahead || fetch.ran_out_of_time() ||
                    !is_transient(result.error().code)) &&
        fetch.urgency >= Urgency::readahead)
      fetcher_.forget_queued(fetch.urgency);
  }
  tell_waiters(fetch, result);
  fetcher_.pump();  // or nothing would run between one request and the next
  if (fetcher_.has_running())
    wake_at(fetch.range);
  else
    wake_waiters();  // whoever still has no room must look for it himself from now on
}

// The object has changed: nothing that is not here yet can be had any more.
void Region::die(const Error& why) {
  dead_ = why;
  if (fetcher_.has_background() && background_) background_ = fail(why);
  for (const Urgency urgency : {Urgency::readahead, Urgency::prefetch, Urgency::pull})
    fetcher_.forget_queued(urgency);
}

// Whether another request would fail in the same way. One that nobody waited for may have been
// given up early, and any may have run out of its time: who waits now has time of his own.
bool Region::is_final(const Fetch& fetch, const Result<>& result) {
  if (result) return false;
  if (!is_transient(result.error().code)) return true;
  return fetch.urgency <= Urgency::require && !fetch.ran_out_of_time();
}

void Region::settle_fault(uint64_t offset, const Fetch& fetch, const Result<>& result) {
  const PageState state = fill_.page(offset).state;
  if (state == PageState::filling || state == PageState::landing) return;  // another request's
  const bool final = is_final(fetch, result) || (!result && faults_.is_late(offset));
  if (state == PageState::absent && !final) return fetch_again(offset);
  faults_.settle({offset, kPage});
  if (state == PageState::held) return on_trap(offset);
  if (state == PageState::resident) return;  // landing has woken who waited
  // Canceled, and not by close(): the process is exiting, and must not die of its own threads. The
  // one that ends it must get an answer.
  if (result.error().code == Code::canceled && !not_to_sleep_.contains(offset))
    asleep_.add({offset, kPage});
  else
    fail_fault(offset, result.error());
}

void Region::tell_waiters(const Fetch& fetch, const Result<>& result) {
  waiters_.for_each_at(fetch.range, [&](Waiter& waiter) {
    const Range common = intersect(fetch.range, waiter.missing);
    if (common.empty() || fill_.first_absent(common).empty()) return;
    if (is_final(fetch, result)) {
      waiter.result = result;
    } else {
      waiter.again.push_back(common);
      if (!result) waiter.cause = result.error();
    }
  });
}

Range Region::waited_for(Range range) const {
  // Faults whose pages have landed are settled only when their request ends.
  for (const uint64_t offset : faults_.in(range))
    if (fill_.page(offset).state == PageState::filling)
      return intersect({offset, std::max(granule_, kWantedNext)}, range);
  return {};
}

// Thread: any.
void Region::tell_answered(Range pages) {
  for (const FaultTimes::Answered& fault : fault_times_.answered(pages, loop::Clock::now()))
    if (fault.took >= environment_.slow_fault)
      log(LogLevel::warn, "slow fault",
          {{"region", options_.name}, {"offset", fault.offset}, {"ms", ms_of(fault.took)},
           {"cause", fault.trouble.empty() ? "nothing failed" : fault.trouble}});
}

void Region::on_retrying(uint64_t offset, const Error& cause, loop::Clock::duration pause) {
  resource::log_retry(options_.name, offset, cause, pause);
  fault_times_.trouble(cause.message, loop::Clock::now());
}

// Thread: any.
void Region::on_landed(Range pages) {
  tell_answered(pages);
  if (waiting_.load(std::memory_order_relaxed) > 0) landings_.add(pages);
}

namespace {

void wake(Waiter& waiter) {
  if (waiter.wakeup && !waiter.wakeup->is_set()) waiter.wakeup->set();
}

}  // namespace

void Region::wake_at(Range pages) { waiters_.for_each_at(pages, wake); }

void Region::wake_waiters() { waiters_.for_each(wake); }

// ---- calls ----------------------------------------------------------------------------------

// Sends for what is missing in `pages`. They are pinned.
void Region::request_pages(Range pages) {
  const Fill::Released released = fill_.release_all(pages);
  if (!released.result) evictor_.release(kPage);  // that one's; it is absent now
  for (const uint64_t offset : released.offsets) {
    tell_answered({offset, kPage});
    read_ahead(readahead_.on_trap(offset));
  }
  if (pages.length > kSmallCall) return fetcher_.enqueue(pages, Urgency::require);
  for (uint64_t at = pages.offset; at < pages.end();) {
    const Fill::Page page = fill_.page(at);
    if (page.state == PageState::absent) {
      at = std::max(fetcher_.require(range_between(at, pages.end())).end(), at + kPage);
    } else if (page.state == PageState::filling) {
      overtake(at);
      at = std::max(page.owned.end(), at + kPage);
    } else {
      at += kPage;
    }
  }
}

// Whether all of it is here. Pages that are stay, since they are pinned.
Result<bool> Region::arrived(Waiter& waiter) {
  if (closing_) return fail(Code::canceled, "the region was closed");
  for (;;) {
    while (!waiter.missing.empty() && fill_.is_resident({waiter.missing.offset, kPage})) {
      // In strides: what has arrived is mostly a long run.
      uint64_t step = kPage;
      while (step * 2 <= waiter.missing.length &&
             fill_.is_resident({waiter.missing.offset, step * 2}))
        step *= 2;
      waiter.missing = range_between(waiter.missing.offset + step, waiter.missing.end());
    }
    if (waiter.missing.empty()) return true;
    if (!waiter.result) return fail(waiter.result.error());
    if (dead_.code != Code::ok) return fail(dead_);
    if (waiter.again.empty()) break;
    // A page that was only held back is here at once.
    for (const Range range : std::exchange(waiter.again, {})) request_pages(range);
  }
  waiter.starving = !fetcher_.has_running();
  if (waiter.starving && !evictor_.others_hold_room()) return used_up();
  return false;
}

Failure Region::used_up() const {
  return fail(Code::no_memory, "the budget of " + std::to_string(limit_) + " bytes is used up");
}

namespace {

// How long a call goes on waiting: the deadline begins anew whenever more of its pages are here than
// before. Counting them takes a while where they are many, so it is done eight times a deadline.
class Patience {
 public:
  Patience(const Fill& fill, Range pages, loop::Clock::duration deadline)
      : fill_(fill), pages_(pages), deadline_(deadline), here_(fill.resident_bytes(pages)) {
    look_again();
    until_ = loop::deadline_after(deadline_);
  }

  loop::Deadline next_look() const { return next_look_; }
  bool is_over() {
    if (loop::Clock::now() < next_look_) return false;
    look_again();
    const uint64_t here = fill_.resident_bytes(pages_);
    if (here > std::exchange(here_, here)) until_ = loop::deadline_after(deadline_);
    return loop::Clock::now() >= until_;
  }

 private:
  void look_again() { next_look_ = loop::deadline_after(deadline_ / 8); }

  const Fill& fill_;
  const Range pages_;
  const loop::Clock::duration deadline_;
  uint64_t here_;
  loop::Deadline next_look_, until_;
};

}  // namespace

loop::Task<Result<>> Region::require(Range pages) {
  loop::Gate::Pass pass(operations_);
  record(pages);
  Waiter waiter;
  waiter.pages = waiter.missing = pages;
  waiter.again.push_back(pages);
  waiters_.add(waiter);
  waiting_ = waiters_.size();
  loop::Timer timer(environment_.loop, [&] { wake(waiter); });
  Result<bool> here = arrived(waiter);
  Patience patience(fill_, pages, options_.deadline);
  while (here && !*here && !patience.is_over()) {
    // Nobody tells a region that another one has made room.
    const loop::Deadline room = waiter.starving ? loop::Clock::now() + kLookForRoom : loop::kNever;
    const loop::Deadline look = std::min(room, patience.next_look());
    if (look != loop::kNever) timer.start(look - loop::Clock::now());
    loop::Event wakeup;
    waiter.wakeup = &wakeup;
    co_await wakeup;
    waiter.wakeup = nullptr;
    if (waiter.starving) fetcher_.pump();
    here = arrived(waiter);
  }
  waiters_.remove(waiter);
  waiting_ = waiters_.size();
  if (!(here && *here)) {
    if (pages.length > kSmallCall) forget_required();
    // It may have been the one that looked whether there is room again.
    wake_waiters();
  }
  if (!here) co_return fail(std::move(here.error()));
  if (!*here && waiter.starving) co_return used_up();
  if (!*here)
    co_return fail(Code::timed_out, waiter.cause.code == Code::ok
                                        ? "nothing arrived within the deadline"
                                        : waiter.cause.message);
  co_return Result<>();
}

// A call has failed; the rest of what it asked for must not keep the others waiting.
void Region::forget_required() {
  fetcher_.forget_queued(Urgency::require);
  waiters_.for_each([](Waiter& waiter) {
    if (!waiter.missing.empty()) waiter.again.push_back(waiter.missing);
  });
  wake_waiters();
}

loop::Task<Result<>> Region::pin_pages(Range pages, Hold hold) {
  auto taking = room_.take(pages, hold);
  Result<> result = co_await taking;
  if (!result) co_return result;
  auto requiring = require(pages);
  result = co_await requiring;
  if (!result) let_go(pages, hold);
  co_return result;
}

bool Region::let_go(Range pages, Hold hold) {
  if (!room_.give_back(pages, hold)) return false;
  fetcher_.pump();  // somebody may have waited for the room
  return true;
}

loop::Task<Result<>> Region::pin(Range range) {
  loop::Gate::Pass pass(operations_);
  auto pinning = pin_pages(pages_of(range), Hold::lasting);
  co_return co_await pinning;
}

Result<> Region::unpin(Range range) {
  if (!let_go(pages_of(range), Hold::lasting)) return fail(Code::invalid, "this range is not pinned");
  return {};
}

loop::Task<Result<>> Region::populate(Range range) {
  loop::Gate::Pass pass(operations_);
  auto pinning = pin_pages(pages_of(range), Hold::passing);
  Result<> result = co_await pinning;
  if (result) let_go(pages_of(range), Hold::passing);
  co_return result;
}

loop::Task<Result<>> Region::read(uint64_t offset, std::span<std::byte> out) {
  loop::Gate::Pass pass(operations_);
  const uint64_t most = share_of(limit_, 8, kReadPiece);  // fits beside all lasting pins
  while (!out.empty()) {
    const Range range{offset, std::min<uint64_t>(out.size(), most - offset % kPage)};
    auto pinning = pin_pages(pages_of(range), Hold::passing);
    Result<> pinned = co_await pinning;
    if (!pinned) co_return pinned;
    const std::span<std::byte> piece = out.first(range.length);
    if (piece.size() <= kInlineCopy) {
      memory_->read_pinned(offset, piece);
    } else {
      auto copying = environment_.workers.run(loop::Priority::urgent, [&] {
        memory_->read_pinned(offset, piece);
        return true;
      });
      co_await copying;
    }
    let_go(pages_of(range), Hold::passing);
    offset += range.length;
    out = out.subspan(range.length);
  }
  co_return Result<>();
}

// In the order of their places: neighbours go into one request.
Result<> Region::prefetch(std::span<const Range> ranges) {
  if (dead_.code != Code::ok) return fail(dead_);
  std::vector<Range> sorted;
  for (Range range : ranges)
    if (!range.empty()) sorted.push_back(page_aligned(range));
  std::sort(sorted.begin(), sorted.end(),
            [](Range a, Range b) { return a.offset < b.offset; });
  if (!fetcher_.can_queue(sorted.size(), Urgency::prefetch))
    return fail(Code::busy, "too many ranges wait to be fetched: " +
                                std::to_string(limits::kQueuedRanges) + " can");
  for (const Range range : sorted) record(range);
  fetcher_.enqueue(sorted, Urgency::prefetch);
  return {};
}

loop::Task<Result<>> Region::evict(Range range) {
  loop::Gate::Pass pass(operations_);
  if (!memory_->on_demand()) co_return Result<>();
  range = pages_of(range);
  while (!range.empty() && !closing_) {
    const Range step{range.offset, std::min(range.length, kEvictStep)};
    evictor_.evict_range(step);
    range = range_between(step.end(), range.end());
    auto others = loop::sleep_until(environment_.loop, loop::Clock::now(), {});
    if (!range.empty()) (void)co_await others;
  }
  co_return Result<>();
}

loop::Task<Result<>> Region::wait() {
  loop::Gate::Pass pass(operations_);
  Waiter waiter;
  waiters_.add(waiter);
  while (fetcher_.has_background() && !closing_) {
    loop::Event wakeup;
    waiter.wakeup = &wakeup;
    co_await wakeup;
    waiter.wakeup = nullptr;
  }
  waiters_.remove(waiter);
  if (closing_) co_return fail(Code::canceled, "the region was closed");
  co_return std::exchange(background_, Result<>());
}

loop::Task<std::vector<uint8_t>> Region::residency(Range range, size_t cells) {
  loop::Gate::Pass pass(operations_);
  auto counting = environment_.workers.run(
      loop::Priority::bulk, [&] { return region::residency(fill_, range, cells); });
  co_return co_await counting;
}

RegionStats Region::stats() const {
  RegionStats stats;
  stats.eager = !memory_->on_demand();
  stats.size = size_;
  stats.resident = fill_.resident_bytes();
  stats.pinned = pins_.bytes();
  stats.in_flight = fill_.filling_bytes();
  stats.budget = limit_;
  stats.faults = fault_count_;
  stats.failed_faults = failed_fault_count_;
  stats.requests = fetcher_.counters().requests;
  stats.retries = fetcher_.counters().retries;
  stats.hedged_requests = fetcher_.counters().hedged;
  stats.failed_requests = fetcher_.counters().failed;
  stats.fetched = fetcher_.counters().fetched_bytes;
  stats.evicted = evictor_.evicted_bytes();
  stats.fault_times = fault_times_.histogram();
  return stats;
}

}  // namespace r3map::region
