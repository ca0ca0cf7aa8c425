// Pictures of shares: for a terminal, in block characters, and as PNG.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace r3map::cli {

// Rows of cells, each 0 (nothing) to 255 (all of it).
class Picture {
 public:
  Picture(size_t columns, size_t rows) : columns_(columns), cells_(columns * rows) {}

  size_t columns() const { return columns_; }
  size_t rows() const { return cells_.size() / columns_; }
  uint8_t* row(size_t number) { return &cells_[number * columns_]; }
  const uint8_t* row(size_t number) const { return &cells_[number * columns_]; }
  uint8_t* data() { return cells_.data(); }
  size_t size() const { return cells_.size(); }

  // One line a row, each between two bars. Block characters where the terminal has UTF-8.
  std::string text() const;
  // At least so large: cells are drawn as blocks of pixels. Throws Failure.
  std::string png(size_t least_width, size_t least_height) const;

 private:
  size_t columns_;
  std::vector<uint8_t> cells_;
};

}  // namespace r3map::cli
