#include "base/page_set.hpp"

#include <bit>

namespace r3map {

namespace {

// The bits of one word that stand for the pages from `from` up to `to` (both within the word).
uint64_t mask(uint64_t from, uint64_t to) {
  const uint64_t below = to == 64 ? ~uint64_t{0} : (uint64_t{1} << to) - 1;
  return below & (~uint64_t{0} << from);
}

// Calls `change(word, mask)` for each word of a leaf that [from, to) touches.
template <typename Words, typename Change>
void for_words(Words& words, uint64_t from, uint64_t to, Change change) {
  for (uint64_t at = from; at < to;) {
    const uint64_t word_end = std::min((at / 64 + 1) * 64, to);
    change(words[at / 64], mask(at % 64, word_end - at / 64 * 64));
    at = word_end;
  }
}

}  // namespace

void PageSet::add(Range range) {
  const uint64_t end = range.end() / kPage;
  for (uint64_t page = range.offset / kPage; page < end;) {
    const uint64_t index = page / kLeafPages;
    const uint64_t stop = std::min(end, (index + 1) * kLeafPages);
    Leaf& leaf = leaves_[index];
    uint64_t added = 0;
    for_words(leaf.words, page - index * kLeafPages, stop - index * kLeafPages,
              [&](uint64_t& word, uint64_t bits) {
                added += static_cast<uint64_t>(std::popcount(bits & ~word));
                word |= bits;
              });
    leaf.pages += static_cast<uint32_t>(added);
    pages_ += added;
    page = stop;
  }
}

void PageSet::remove(Range range) {
  const uint64_t begin = range.offset / kPage, end = range.end() / kPage;
  for (auto at = leaves_.lower_bound(begin / kLeafPages);
       at != leaves_.end() && at->first * kLeafPages < end;) {
    const uint64_t base = at->first * kLeafPages;
    Leaf& leaf = at->second;
    uint64_t removed = 0;
    for_words(leaf.words, std::max(begin, base) - base, std::min(end, base + kLeafPages) - base,
              [&](uint64_t& word, uint64_t bits) {
                removed += static_cast<uint64_t>(std::popcount(bits & word));
                word &= ~bits;
              });
    leaf.pages -= static_cast<uint32_t>(removed);
    pages_ -= removed;
    at = leaf.pages == 0 ? leaves_.erase(at) : std::next(at);
  }
}

bool PageSet::contains(uint64_t offset) const {
  const uint64_t page = offset / kPage;
  const auto leaf = leaves_.find(page / kLeafPages);
  if (leaf == leaves_.end()) return false;
  const uint64_t at = page % kLeafPages;
  return leaf->second.words[at / 64] >> (at % 64) & 1;
}

uint64_t PageSet::bytes_in(Range range) const {
  const uint64_t begin = range.offset / kPage, end = range.end() / kPage;
  uint64_t count = 0;
  for (auto at = leaves_.lower_bound(begin / kLeafPages);
       at != leaves_.end() && at->first * kLeafPages < end; ++at) {
    const uint64_t base = at->first * kLeafPages;
    const Leaf& leaf = at->second;
    if (begin <= base && base + kLeafPages <= end) {
      count += leaf.pages;
      continue;
    }
    for_words(leaf.words, std::max(begin, base) - base, std::min(end, base + kLeafPages) - base,
              [&](uint64_t word, uint64_t bits) {
                count += static_cast<uint64_t>(std::popcount(bits & word));
              });
  }
  return count * kPage;
}

uint64_t PageSet::find_in(const Leaf& leaf, uint64_t page, uint64_t end, bool member) {
  while (page < end) {
    const uint64_t word = member ? leaf.words[page / 64] : ~leaf.words[page / 64];
    const uint64_t rest = word >> (page % 64);
    if (rest != 0) return std::min(end, page + static_cast<uint64_t>(std::countr_zero(rest)));
    page = (page / 64 + 1) * 64;
  }
  return end;
}

uint64_t PageSet::find(uint64_t page, uint64_t end, bool member) const {
  auto at = leaves_.lower_bound(page / kLeafPages);
  while (page < end) {
    const uint64_t index = page / kLeafPages;
    if (at == leaves_.end() || at->first != index) {
      // A hole up to the next leaf.
      if (!member) return page;
      if (at == leaves_.end()) return end;
      page = at->first * kLeafPages;
      continue;
    }
    const uint64_t base = index * kLeafPages;
    const uint64_t stop = std::min(end - base, kLeafPages);
    const uint64_t found = find_in(at->second, page - base, stop, member);
    if (found < stop) return base + found;
    page = base + kLeafPages;
    ++at;
  }
  return end;
}

Range PageSet::run(Range range, bool member) const {
  const uint64_t end = range.end() / kPage;
  const uint64_t first = find(range.offset / kPage, end, member);
  const uint64_t last = find(first, end, !member);
  return range_between(first * kPage, last * kPage);
}

}  // namespace r3map
