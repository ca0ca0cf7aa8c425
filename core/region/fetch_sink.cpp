#include "region/fetch_sink.hpp"

#include <algorithm>

namespace r3map::region {

void FetchSink::bytes(uint64_t, std::span<const std::byte> data) {
  progress_.came();
  received_.fetch_add(data.size(), std::memory_order_relaxed);
  while (!data.empty() && result_) {
    const size_t piece = first_page_alone_ ? kPage : kPiece;
    const bool worth_it = data.size() >= piece || next_ + data.size() == end_;
    if (!collected_.empty() || !worth_it || data.size() < kPage) {
      data = collect(data, piece);
      continue;
    }
    const size_t whole = first_page_alone_ ? kPage : align_down(data.size(), kPage);
    land(data.first(whole));
    data = data.subspan(whole);
  }
}

void FetchSink::drained() {
  if (result_) land_collected();
}

// Takes what makes one piece, or the last one, full, and lands it then.
std::span<const std::byte> FetchSink::collect(std::span<const std::byte> data, size_t piece) {
  if (collected_.empty()) collected_.reserve(kPiece);
  const size_t taken = std::min(data.size(), piece - collected_.size());
  collected_.insert(collected_.end(), data.begin(), data.begin() + static_cast<long>(taken));
  if (collected_.size() >= piece || next_ + collected_.size() == end_) land_collected();
  return data.subspan(taken);
}

void FetchSink::land_collected() {
  // The object's last page is filled up with zeros.
  if (next_ + collected_.size() == end_) collected_.resize(align_up(collected_.size(), kPage));
  const size_t whole = align_down(collected_.size(), kPage);
  if (whole == 0) return;
  land(std::span(collected_).first(whole));
  collected_.erase(collected_.begin(), collected_.begin() + static_cast<long>(whole));
}

void FetchSink::land(std::span<const std::byte> pages) {
  Fill::Landed landed = fill_.land(generation_, next_, pages);
  landed_ += landed.bytes;
  if (!landed.result) result_ = std::move(landed.result);
  next_ += pages.size();
  first_page_alone_ = false;
  for (const Range range : landed.resident) here_(range);
}

}  // namespace r3map::region
