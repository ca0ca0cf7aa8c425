// What the sides of a comparison share, so that they differ in nothing but what is compared.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace bench {

inline constexpr uint64_t kPage = 4096;

struct Arguments {
  uint64_t size = 0;
  uint64_t count = 0;
  uint64_t seed = 1;
  bool sum = false;   // read every byte, and not one of each page
  bool warm = false;  // once unmeasured before, then everything is given back
};

[[noreturn]] void die(const std::string& what);
[[noreturn]] void die_errno(const std::string& what);

double seconds_now();  // CLOCK_MONOTONIC

// Memory as the memory backend has it: reserved, zeros, huge pages only if the system forces them.
std::byte* untouched_memory(uint64_t size);
// One load in each page. The result must be used, or there is nothing to measure.
uint64_t touch_pages(const std::byte* data, uint64_t size);
uint64_t sum_words(const std::byte* data, uint64_t size);
// `count` different pages, by their offsets, in random order.
std::vector<uint64_t> random_pages(uint64_t size, uint64_t count, uint64_t seed);
// As random_pages where there are too many for a list: one in each `count`th part.
std::vector<uint64_t> spread_pages(uint64_t size, uint64_t count, uint64_t seed);
// Touches each page once; microseconds of each touch.
std::vector<double> time_touches(const std::byte* data, const std::vector<uint64_t>& pages);

// One line of JSON. `extra`: more members, each with a comma before it.
void print_seconds(double seconds, uint64_t size, const std::string& extra = "");
void print_latencies(const std::vector<double>& microseconds, const std::string& extra = "");

// The sides.
void sequential_r3map(const Arguments& arguments);
void sequential_uffd_copy(const Arguments& arguments);
void sequential_page_per_fault(const Arguments& arguments);
void random_r3map(const Arguments& arguments);
void random_bare(const Arguments& arguments);
void sparse_r3map(const Arguments& arguments);

}  // namespace bench
