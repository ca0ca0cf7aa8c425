#include "region/fetch_sink.hpp"

#include <algorithm>
#include <cstring>

namespace r3map::region {

void FetchSink::bytes(uint64_t, std::span<const std::byte> data) {
  received_ += data.size();
  while (!data.empty() && result_) {
    const bool last_page = next_ + kPage > size_;
    if (partial_used_ > 0 || data.size() < kPage || last_page) {
      data = take_partial(data);
      continue;
    }
    size_t whole = align_down(std::min<uint64_t>(data.size(), size_ - next_), kPage);
    if (first_page_alone_) whole = kPage;
    first_page_alone_ = false;
    land(data.first(whole));
    data = data.subspan(whole);
  }
  progress_();
}

// Collects one page that comes in pieces; the object's last one is filled up with zeros.
std::span<const std::byte> FetchSink::take_partial(std::span<const std::byte> data) {
  const uint64_t page_bytes = std::min(kPage, size_ - next_);
  const size_t taken = std::min<uint64_t>(data.size(), page_bytes - partial_used_);
  std::memcpy(partial_.data() + partial_used_, data.data(), taken);
  partial_used_ += taken;
  if (partial_used_ == page_bytes) {
    std::memset(partial_.data() + page_bytes, 0, kPage - page_bytes);
    partial_used_ = 0;
    land(partial_);
  }
  return data.subspan(taken);
}

void FetchSink::land(std::span<const std::byte> pages) {
  Fill::Moved landed = fill_.land(generation_, next_, pages);
  landed_ += landed.bytes;
  if (!landed.result) result_ = std::move(landed.result);
  next_ += pages.size();
}

}  // namespace r3map::region
