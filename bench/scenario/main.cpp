// r3map-bench-faults SIDE SIZE [COUNT] [--sum] [--warm] [--seed N]: one measured pass of a side of
// a comparison in a process of its own, so that no side finds memory that another one warmed.
// Prints one line of JSON: {"seconds": …}, {"latencies_us": […]} or amounts of memory.
#include <cstdio>
#include <cstdlib>
#include <map>
#include <string_view>

#include "support.hpp"

namespace {

using namespace bench;

struct Side {
  void (*run)(const Arguments&);
  bool has_count;
};

const std::map<std::string_view, Side> kSides = {
    {"sequential-r3map", {sequential_r3map, false}},
    {"sequential-uffd-copy", {sequential_uffd_copy, false}},
    {"sequential-page-per-fault", {sequential_page_per_fault, false}},
    {"random-r3map", {random_r3map, true}},
    {"random-bare", {random_bare, true}},
    {"sparse-r3map", {sparse_r3map, true}},
};

[[noreturn]] void usage() {
  std::string sides;
  for (const auto& [name, side] : kSides)
    sides += "\n  " + std::string(name) + " SIZE" + (side.has_count ? " COUNT" : "");
  die("usage: SIDE SIZE [COUNT] [--sum] [--warm] [--seed N]; SIZE as 64M, 1G or 1T" + sides);
}

uint64_t number(const char* text) {
  char* end = nullptr;
  uint64_t value = std::strtoull(text, &end, 10);
  if (end == text || value == 0) usage();
  for (const char unit : std::string_view(end)) {
    const size_t power = std::string_view("KMGT").find(unit);
    if (power == std::string_view::npos || end[1] != 0) usage();
    value <<= 10 * (power + 1);
  }
  return value;
}

}  // namespace

int main(int count, char** words) {
  if (count < 3 || !kSides.contains(words[1])) usage();
  const Side side = kSides.at(words[1]);
  Arguments arguments;
  arguments.size = number(words[2]) / kPage * kPage;
  int next = 3;
  if (side.has_count) {
    if (next == count) usage();
    arguments.count = number(words[next++]);
  }
  for (; next < count; ++next) {
    const std::string_view word = words[next];
    if (word == "--sum" && !side.has_count) {
      arguments.sum = true;
    } else if (word == "--warm" && !side.has_count) {
      arguments.warm = true;
    } else if (word == "--seed" && next + 1 < count) {
      arguments.seed = number(words[++next]);
    } else {
      usage();
    }
  }
  side.run(arguments);
}
