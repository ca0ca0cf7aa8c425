#include "region/fetcher.hpp"

#include <algorithm>

#include "base/limits.hpp"
#include "region/fetch_sink.hpp"

namespace r3map::region {

using resource::Urgency;

Fetcher::Fetcher(resource::Resource& resource, Fill& fill, Budget::Share& share, Limits limits,
                 std::function<void(const Fetch&, const Result<>&)> done,
                 std::function<void(Range)> progress)
    : resource_(resource),
      fill_(fill),
      share_(share),
      limits_(limits),
      done_(std::move(done)),
      progress_(std::move(progress)) {}

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
  const Range piece = first_piece(range);
  if (piece.empty()) return piece;
  if (share_.reserve(piece.length))
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

void Fetcher::enqueue(Range range, Urgency urgency) {
  if (stopped_ || range.empty()) return;
  if (urgency != Urgency::require && queue(urgency).size() >= limits::kQueuedRanges) return;
  queue(urgency).push_back(range);
  pump();
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

// Starts the next piece of the queue's first range. False: nothing to start, or no room now.
bool Fetcher::start_next(Urgency urgency) {
  std::deque<Range>& ranges = queue(urgency);
  while (!ranges.empty() && bulk_bytes_ < limits_.bulk &&
         bulk_requests_ < limits_.bulk_requests) {
    Range& first = ranges.front();
    const Range absent = fill_.first_absent(first);
    if (absent.empty()) {
      ranges.pop_front();
      continue;
    }
    const Range piece{absent.offset, std::min(absent.length, limits_.request)};
    if (!reserve(piece.length, urgency)) {
      // Somebody waits for what is required, and room may come; the rest was only a guess.
      if (urgency != Urgency::require || running_.empty()) ranges.clear();
      return false;
    }
    first = range_between(piece.end(), first.end());
    start(piece, urgency);
    return true;
  }
  return false;
}

void Fetcher::start(Range range, Urgency urgency) {
  Fetch fetch;
  fetch.range = range;
  fetch.urgency = urgency;
  fetch.generation = fill_.begin(range);
  fetch.deadline = loop::deadline_after(limits_.deadline);
  if (urgency != Urgency::demand) {
    bulk_bytes_ += range.length;
    ++bulk_requests_;
  }
  ++counters_.requests;
  running_.push_back(std::move(fetch));
  tasks_.spawn(run(std::prev(running_.end())));
}

loop::Task<void> Fetcher::run(std::list<Fetch>::iterator fetch) {
  const uint64_t size = resource_.info().size;
  FetchSink sink(fill_, fetch->generation, fetch->range, size, fetch->urgency == Urgency::demand,
                 counters_.fetched_bytes, progress_);
  resource::Request request;
  request.urgency = fetch->urgency;
  request.deadline = fetch->deadline;
  request.stop = fetch->stop.get_token();
  auto reading = resource_.read(intersect(fetch->range, {0, size}), request, sink);
  Result<> result = co_await reading;
  sink.drained();  // what came before a failure is here all the same
  if (result) result = sink.result();

  counters_.failed += !result;
  fetch->landed = sink.landed();
  const std::vector<Range> left = fill_.end(fetch->generation, fetch->range);
  if (result && !left.empty()) result = fail(Code::internal, "the store delivered too little");
  share_.release(fetch->range.length - fetch->landed);
  if (fetch->urgency != Urgency::demand) {
    bulk_bytes_ -= fetch->range.length;
    --bulk_requests_;
  }
  const Fetch ended = std::move(*fetch);
  running_.erase(fetch);
  done_(ended, result);
  pump();
}

void Fetcher::stop() {
  stopped_ = true;
  for (std::deque<Range>& queue : queues_) queue.clear();
  for (Fetch& fetch : running_) fetch.stop.request_stop();
}

}  // namespace r3map::region
