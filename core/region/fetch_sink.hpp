// From the bytes of one request to whole pages, landed as they are complete.
#pragma once

#include <array>
#include <functional>

#include "region/fill.hpp"
#include "resource/resource.hpp"

namespace r3map::region {

// Thread: any, one call at a time (as Sink says).
class FetchSink : public resource::Sink {
 public:
  // `range` is page aligned; the object ends at `size`, and the rest of its last page is zeros.
  FetchSink(Fill& fill, uint64_t generation, Range range, uint64_t size, bool first_page_alone,
            std::function<void()> progress)
      : fill_(fill),
        generation_(generation),
        next_(range.offset),
        size_(size),
        first_page_alone_(first_page_alone),
        progress_(std::move(progress)) {}

  void bytes(uint64_t offset, std::span<const std::byte> data) override;

  uint64_t received() const { return received_; }
  uint64_t landed() const { return landed_; }
  const Result<>& result() const { return result_; }  // of landing

 private:
  std::span<const std::byte> take_partial(std::span<const std::byte> data);
  void land(std::span<const std::byte> pages);

  Fill& fill_;
  const uint64_t generation_;
  uint64_t next_;  // the first page that has not landed
  const uint64_t size_;
  // A thread waits for the first page: it should not wait for the copy of the others.
  bool first_page_alone_;
  std::function<void()> progress_;
  uint64_t received_ = 0;
  uint64_t landed_ = 0;
  Result<> result_;
  size_t partial_used_ = 0;
  std::array<std::byte, kPage> partial_;
};

}  // namespace r3map::region
