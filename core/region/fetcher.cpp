#include "region/fetcher.hpp"

#include <algorithm>

#include "base/log.hpp"

namespace r3map::region {

using resource::Urgency;

namespace {

// Of a hundred requests so many may be sent twice: a store that is late because it has too much to
// do must not get twice as much. What was not used is saved up, but not for ever.
constexpr double kHedgesPerRequest = 0.05, kHedgesAtFirst = 2, kMostHedges = 8;
// Ranges are joined as long as so many bytes come for one that is wanted.
constexpr uint64_t kMostForOne = 5;
// The time to the first byte tells of the store, and not of a queue, when so few others wait.
constexpr size_t kFewRequests = 8;
constexpr std::chrono::microseconds kNoRoundTrip{50};

}  // namespace

Fetcher::Fetcher(loop::Loop& loop, resource::Resource& resource, Fill& fill, Budget::Share& share,
                 Limits limits, Owner& owner)
    : resource_(resource),
      fill_(fill),
      share_(share),
      limits_(limits),
      owner_(owner),
      pace_({std::min(limits.request, limits.most_bytes), std::min(limits.bulk, limits.most_bytes),
             resource.info().parallel_requests,
             std::min(limits.most_requests, uint64_t{limits::kBulkConnections}),
             resource.info().latency}),
      hedges_left_(kHedgesAtFirst),
      late_timer_(loop, [this] { hedge_late_ones(); }) {}

std::deque<Range>& Fetcher::queue(Urgency urgency) {
  return queues_[static_cast<size_t>(urgency) - 1];
}

size_t Fetcher::queued() const {
  size_t count = 0;
  for (const std::deque<Range>& queue : queues_) count += queue.size();
  return count;
}

bool Fetcher::has_background() const {
  const auto is_background = [](const Fetch& fetch) { return fetch.urgency >= Urgency::prefetch; };
  return !queues_[2].empty() || !queues_[3].empty() ||
         std::any_of(running_.begin(), running_.end(), is_background);
}

// What one request for the absent pages at the begin of `range` can bring.
Range Fetcher::first_piece(Range range) const {
  const Range absent = fill_.first_absent(range);
  if (stopped_ || absent.offset != range.offset) return {range.offset, 0};
  return {range.offset, std::min(absent.length, limits_.request)};
}

Range Fetcher::require(Range range) {
  Range piece = first_piece(range);
  piece.length = std::min(piece.length, limits_.most_bytes);
  if (piece.empty()) return piece;
  const bool fits = bulk_requests_ < limits_.most_requests &&
                    (bulk_requests_ == 0 || bulk_bytes_ + piece.length <= limits_.most_bytes);
  if (fits && share_.reserve(piece.length))
    start(piece, Urgency::require);
  else
    enqueue(piece, Urgency::require);
  return piece;
}

Range Fetcher::demand(Range range) {
  Range piece = first_piece(range);
  if (piece.empty()) return piece;
  if (!share_.reserve(piece.length)) {
    // Everything is pinned or under way: one page, or the thread would wait for ever.
    piece.length = kPage;
    share_.reserve_anyway(kPage);
  }
  start(piece, Urgency::demand);
  return piece;
}

void Fetcher::enqueue(std::span<const Range> ranges, Urgency urgency) {
  if (stopped_) return;
  std::deque<Range>& queued = queue(urgency);
  const size_t before = queued.size();
  for (const Range range : ranges)
    if (!range.empty() && (urgency == Urgency::require || queued.size() < limits::kQueuedRanges))
      queued.push_back(range);
  // Most faults read nothing ahead.
  if (queued.size() > before) pump();
}

Range Fetcher::queued_readahead(uint64_t offset) const {
  for (Range range : queues_[static_cast<size_t>(Urgency::readahead) - 1])
    if (range.contains(offset)) return range_between(offset, range.end());
  return {};
}

void Fetcher::pump() {
  for (const Urgency urgency :
       {Urgency::require, Urgency::readahead, Urgency::prefetch, Urgency::pull})
    while (start_next(urgency)) {
    }
}

bool Fetcher::reserve(uint64_t bytes, Urgency urgency) {
  // Pulling ahead of time must not push out what was asked for.
  return urgency == Urgency::pull ? share_.reserve_free(bytes) : share_.reserve(bytes);
}

bool Fetcher::is_pulling() const {
  return std::any_of(running_.begin(), running_.end(),
                     [](const Fetch& fetch) { return fetch.urgency == Urgency::pull; });
}

// What the next bulk request may bring.
uint64_t Fetcher::piece_limit() const {
  const uint64_t left = limits_.most_bytes - std::min(bulk_bytes_, limits_.most_bytes);
  return std::max(std::min(pace_.request(), align_down(left, kPage)), kPage);
}

bool Fetcher::has_room() const {
  return bulk_requests_ < pace_.requests() && bulk_bytes_ < pace_.bulk();
}

// What one request can bring of the first range, and of those after it; takes it from the queue.
// Empty: nothing is left.
Range Fetcher::next_piece(std::deque<Range>& ranges, uint64_t gap) const {
  while (!ranges.empty()) {
    const Range first = ranges.front();
    const Range absent = fill_.first_absent(first);
    ranges.pop_front();
    if (absent.empty()) continue;
    const Range piece{absent.offset, std::min(absent.length, piece_limit())};
    const Range rest = range_between(piece.end(), first.end());
    if (rest.empty()) return joined(piece, ranges, gap);
    ranges.push_front(rest);
    return piece;
  }
  return {};
}

// With the ranges that follow so close, at most `gap` away, that one request for all is cheaper. What
// lies between takes room as well, so it must not become much more than what is wanted.
Range Fetcher::joined(Range piece, std::deque<Range>& rest, uint64_t gap) const {
  uint64_t wanted = piece.length;
  while (!rest.empty()) {
    const Range next = rest.front();
    if (next.offset < piece.end() || next.offset - piece.end() > gap ||
        next.end() - piece.offset > piece_limit())
      break;
    wanted += next.length;
    if (next.end() - piece.offset > wanted * kMostForOne) break;
    const Range more = range_between(piece.end(), next.end());
    if (fill_.first_absent(more) != more) break;
    piece.length += more.length;
    rest.pop_front();
  }
  return piece;
}

// Starts the next piece of the queue. False: nothing to start, or no room now.
bool Fetcher::start_next(Urgency urgency) {
  std::deque<Range>& ranges = queue(urgency);
  if (ranges.empty()) return false;
  if (!has_room()) {
    pace_.limited();
    return false;
  }
  // Callers' pins have no room for what lies between them.
  const uint64_t gap = urgency == Urgency::require ? 0 : pace_.gap();
  const Range piece = next_piece(ranges, gap);
  if (piece.empty()) return false;
  if (!reserve(piece.length, urgency)) {
    // Somebody waits for what is required, and room may come, as it may from other pulls; the rest
    // was only a guess.
    if (urgency == Urgency::require || (urgency == Urgency::pull && is_pulling()))
      ranges.push_front(piece);
    else
      ranges.clear();
    return false;
  }
  start(piece, urgency);
  return true;
}

void Fetcher::start(Range range, Urgency urgency) {
  Fetch fetch;
  fetch.range = range;
  fetch.urgency = urgency;
  fetch.generation = fill_.begin(range);
  start(std::move(fetch));
}

void Fetcher::start(Fetch fetch) {
  fetch.deadline = loop::deadline_after(limits_.deadline);
  if (fetch.urgency != Urgency::demand) {
    fetch.queued_behind = bulk_requests_;
    bulk_bytes_ += fetch.range.length;
    ++bulk_requests_;
  }
  ++counters_.requests;
  if (running_.empty()) pace_.received(counters_.fetched_bytes, loop::Clock::now());
  running_.push_back(std::move(fetch));
  watch_for_late_ones();
  tasks_.spawn(run(std::prev(running_.end())));
}

loop::Task<void> Fetcher::run(std::list<Fetch>::iterator fetch) {
  const uint64_t size = resource_.info().size;
  FetchSink sink(fill_, fetch->generation, fetch->range, size, fetch->urgency == Urgency::demand,
                 counters_.fetched_bytes, [this](Range pages) { owner_.on_landed(pages); },
                 [this](uint64_t offset, const Error& cause, loop::Clock::duration pause) {
                   ++counters_.retries;
                   owner_.on_retrying(offset, cause, pause);
                 });
  fetch->progress = &sink.progress();
  resource::Request request;
  request.urgency = fetch->urgency;
  request.deadline = fetch->deadline;
  request.stop = fetch->stop.get_token();
  auto reading = resource_.read(intersect(fetch->range, {0, size}), request, sink);
  Result<> result = co_await reading;
  sink.drained();  // what came before a failure is here all the same
  if (result) result = sink.result();
  if (fetch->superseded) result = {};
  learn(*fetch, result && !fetch->superseded);

  counters_.failed += !result;
  fetch->landed = sink.landed();
  const std::vector<Range> left = fill_.end(fetch->generation, fetch->range);
  if (result && !left.empty()) result = fail(Code::internal, "the store delivered too little");
  if (fetch->twin != 0) part_from(fetch->twin);
  share_.release(fetch->range.length - fetch->landed);
  if (fetch->urgency != Urgency::demand) {
    bulk_bytes_ -= fetch->range.length;
    --bulk_requests_;
  }
  fetch->progress = nullptr;
  const Fetch ended = std::move(*fetch);
  running_.erase(fetch);
  if (running_.empty()) pace_.rested();
  owner_.on_fetched(ended, result);
  pump();
}

// ---- learning, and sending late requests twice ----------------------------------------------

void Fetcher::learn(const Fetch& fetch, bool complete) {
  pace_.received(counters_.fetched_bytes, loop::Clock::now());
  if (!complete) return;
  hedges_left_ = std::min(hedges_left_ + kHedgesPerRequest, kMostHedges);
  const loop::Clock::time_point first = fetch.progress->first;
  if (fetch.queued_behind > kFewRequests || first == loop::Clock::time_point::max()) return;
  // No network is as fast as the first bytes that an open has kept.
  const Pace::Duration delay = first - fetch.progress->begin;
  if (!resource_.info().remote || delay > kNoRoundTrip) pace_.first_byte(delay);
}

void Fetcher::watch_for_late_ones() {
  if (late_timer_armed_ || !resource_.info().remote) return;
  const std::optional<Pace::Duration> late = pace_.late();
  if (!late) return;
  late_timer_armed_ = true;
  late_timer_.start(*late / 2);
}

void Fetcher::hedge_late_ones() {
  late_timer_armed_ = false;
  if (stopped_ || running_.empty()) return;
  pace_.received(counters_.fetched_bytes, loop::Clock::now());
  const std::optional<Pace::Duration> late = pace_.late();
  const auto before = loop::Clock::now() - late.value_or(Pace::Duration::max() / 2);
  // What is added meanwhile comes last, and is not late.
  for (Fetch& fetch : running_)
    if (fetch.twin == 0 && fetch.progress && fetch.progress->last.load() < before &&
        hedges_left_ >= 1 && hedge(fetch))
      hedges_left_ -= 1;
  watch_for_late_ones();
}

// A second request for what somebody waits for: whichever answers first lands.
bool Fetcher::hedge(Fetch& fetch) {
  const bool all = fetch.urgency <= Urgency::require;
  const Range wanted = all ? fetch.range : owner_.waited_for(fetch.range);
  const Fill::Twin twin = fill_.begin_twin(fetch.generation, wanted);
  if (twin.range.empty()) return false;
  // Each page lands once, and has its room already; what is reserved for both is given back.
  share_.reserve_anyway(twin.range.length);
  ++counters_.hedged;
  log(LogLevel::debug, "hedged a late request",
      {{"offset", twin.range.offset}, {"length", twin.range.length}});
  fetch.twin = twin.generation;
  Fetch second;
  second.range = twin.range;
  second.urgency = Urgency::demand;
  second.generation = twin.generation;
  second.twin = fetch.generation;
  start(std::move(second));
  return true;
}

// The other one of two has ended: this one may have nothing left to bring, or get another twin.
void Fetcher::part_from(uint64_t generation) {
  for (Fetch& fetch : running_) {
    if (fetch.generation != generation) continue;
    fetch.twin = 0;
    if (fill_.owns_any(generation, fetch.range)) continue;
    fetch.superseded = true;
    fetch.stop.request_stop();
  }
}

void Fetcher::stop() {
  stopped_ = true;
  for (std::deque<Range>& queue : queues_) queue.clear();
  for (Fetch& fetch : running_) fetch.stop.request_stop();
}

}  // namespace r3map::region
