// Which parts of a region are here, for a picture or a map of it.
#pragma once

#include <cstdint>
#include <vector>

#include "region/fill.hpp"

namespace r3map::region {

// How much of each of `cells` equal parts of `range` is resident: 0 none, 255 all. Thread: any; a
// million cells take a while.
std::vector<uint8_t> residency(const Fill& fill, Range range, size_t cells);

}  // namespace r3map::region
