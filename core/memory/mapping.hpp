// A reserved stretch of address space, and its end: shared by the kinds of local memory.
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/range.hpp"
#include "base/result.hpp"

namespace r3map::memory {

// Owns the mapping. When it goes, whoever still touches the range gets SIGBUS, not somebody
// else's memory: the range stays reserved for a while (see mapping.cpp).
class Mapping {
 public:
  // `length` bytes of private memory without access rights, not inherited by fork and not dumped.
  static Result<Mapping> reserve(uint64_t length);
  Mapping(Mapping&& other) noexcept;
  Mapping& operator=(Mapping&&) = delete;
  ~Mapping();

  std::byte* begin() const { return begin_; }
  uint64_t length() const { return length_; }
  std::byte* at(uint64_t offset) const { return begin_ + offset; }

  // Replaces `range` by pages that can't be had: a touch raises SIGBUS.
  Result<> make_unreachable(Range range);
  // Replaces `range` by fresh reserved memory, as reserve() made it.
  Result<> make_fresh(Range range);

 private:
  Mapping(std::byte* begin, uint64_t length) : begin_(begin), length_(length) {}
  static Result<> prepare(std::byte* begin, uint64_t length);
  std::byte* begin_;
  uint64_t length_;
};

}  // namespace r3map::memory
