// From the bytes of one request to whole pages, landed in pieces that are worth a system call.
#pragma once

#include <atomic>
#include <functional>
#include <vector>

#include "loop/loop.hpp"
#include "region/fill.hpp"
#include "resource/resource.hpp"

namespace r3map::region {

// When bytes came. Thread: any; written by one at a time.
struct Progress {
  using Clock = loop::Clock;
  const Clock::time_point begin = Clock::now();
  std::atomic<Clock::time_point> first{Clock::time_point::max()};  // max: none has come
  std::atomic<Clock::time_point> last{begin};

  void came() {
    const Clock::time_point now = Clock::now();
    if (first.load(std::memory_order_relaxed) == Clock::time_point::max()) first = now;
    last.store(now, std::memory_order_relaxed);
  }
};

// libcurl hands out 16 KiB at a time, mostly not page aligned. Landed as they come, each would cost
// two UFFDIO_COPY; collected first, 1 GiB takes a quarter less time although it is copied twice. So
// small pieces are collected until they are worth it, or until no more come for the moment.
//
// Thread: any, one call at a time (as Sink says).
class FetchSink : public resource::Sink {
 public:
  // `range` is page aligned; the object ends at `size`, and the rest of its last page is zeros.
  // `first_page_alone`: a thread waits for the first page, and not for the copy of the others.
  // `received`: counts the bytes that come, before they are anywhere to be seen. `here`: these
  // pages are. `retried`: as Sink::retrying.
  using Retried = std::function<void(uint64_t, const Error&, loop::Clock::duration)>;
  FetchSink(Fill& fill, uint64_t generation, Range range, uint64_t size, bool first_page_alone,
            std::atomic<uint64_t>& received, std::function<void(Range)> here,
            Retried retried = [](uint64_t, const Error&, loop::Clock::duration) {})
      : fill_(fill),
        generation_(generation),
        next_(range.offset),
        end_(std::min(range.end(), size)),
        first_page_alone_(first_page_alone),
        received_(received),
        here_(std::move(here)),
        retried_(std::move(retried)) {}

  void bytes(uint64_t offset, std::span<const std::byte> data) override;
  void drained() override;
  void retrying(uint64_t offset, const Error& cause, loop::Clock::duration pause) override {
    retried_(offset, cause, pause);
  }

  uint64_t landed() const { return landed_; }
  const Progress& progress() const { return progress_; }
  const Result<>& result() const { return result_; }  // of landing

 private:
  static constexpr size_t kPiece = 128 << 10;

  std::span<const std::byte> collect(std::span<const std::byte> data, size_t piece);
  void land_collected();
  void land(std::span<const std::byte> pages);

  Fill& fill_;
  const uint64_t generation_;
  uint64_t next_;       // the first page that has not landed
  const uint64_t end_;  // of the bytes that come
  bool first_page_alone_;
  std::atomic<uint64_t>& received_;
  std::function<void(Range)> here_;
  Retried retried_;
  Progress progress_;
  uint64_t landed_ = 0;
  Result<> result_;
  std::vector<std::byte> collected_;  // from next_ on
};

}  // namespace r3map::region
