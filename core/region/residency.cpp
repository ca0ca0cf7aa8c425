#include "region/residency.hpp"

#include <algorithm>

namespace r3map::region {

namespace {

// 0 and 255 are exact: none, all.
uint8_t share_of_255(uint64_t part, uint64_t whole) {
  const uint64_t share = part / kPage * 255 / (whole / kPage);
  return static_cast<uint8_t>(part > 0 ? std::max<uint64_t>(share, 1) : 0);
}

}  // namespace

std::vector<uint8_t> residency(const Fill& fill, Range range, size_t cells) {
  std::vector<uint8_t> shares(cells);
  for (size_t i = 0; i < cells && !range.empty(); ++i) {
    const auto border = [&](size_t cell) {
      return range.offset + static_cast<uint64_t>(static_cast<unsigned __int128>(range.length) *
                                                  cell / cells);
    };
    // A cell smaller than a page has at least the page that it begins in.
    const Range pages = page_aligned({border(i), std::max<uint64_t>(border(i + 1) - border(i), 1)});
    shares[i] = share_of_255(fill.resident_bytes(pages), pages.length);
  }
  return shares;
}

}  // namespace r3map::region
