#include "support.hpp"

#include <sys/mman.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <numeric>
#include <random>

namespace bench {

void die(const std::string& what) {
  std::fprintf(stderr, "r3map-bench-faults: %s\n", what.c_str());
  std::exit(1);
}

void die_errno(const std::string& what) { die(what + ": " + std::strerror(errno)); }

double seconds_now() {
  timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) * 1e-9;
}

std::byte* untouched_memory(uint64_t size) {
  void* data = mmap(nullptr, size, PROT_READ | PROT_WRITE,
                    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (data == MAP_FAILED) die_errno("mmap");
  return static_cast<std::byte*>(data);
}

uint64_t touch_pages(const std::byte* data, uint64_t size) {
  uint64_t sum = 0;
  for (uint64_t at = 0; at < size; at += kPage)
    sum += static_cast<uint64_t>(*const_cast<const volatile std::byte*>(data + at));
  return sum;
}

uint64_t sum_words(const std::byte* data, uint64_t size) {
  uint64_t sum = 0;
  for (uint64_t at = 0; at < size; at += sizeof sum) {
    uint64_t word;
    std::memcpy(&word, data + at, sizeof word);
    sum += word;
  }
  return sum;
}

std::vector<uint64_t> random_pages(uint64_t size, uint64_t count, uint64_t seed) {
  if (count > size / kPage) die("more pages than there are");
  std::vector<uint64_t> pages(size / kPage);
  std::iota(pages.begin(), pages.end(), uint64_t{0});
  std::shuffle(pages.begin(), pages.end(), std::mt19937_64(seed));
  pages.resize(count);
  for (uint64_t& page : pages) page *= kPage;
  return pages;
}

std::vector<uint64_t> spread_pages(uint64_t size, uint64_t count, uint64_t seed) {
  if (count > size / kPage) die("more pages than there are");
  std::mt19937_64 random(seed);
  const uint64_t part = size / kPage / count;
  std::vector<uint64_t> pages(count);
  for (uint64_t i = 0; i < count; ++i) pages[i] = (i * part + random() % part) * kPage;
  std::shuffle(pages.begin(), pages.end(), random);
  return pages;
}

std::vector<double> time_touches(const std::byte* data, const std::vector<uint64_t>& pages) {
  std::vector<double> microseconds;
  microseconds.reserve(pages.size());
  for (const uint64_t page : pages) {
    const double begin = seconds_now();
    (void)*const_cast<const volatile std::byte*>(data + page);
    microseconds.push_back((seconds_now() - begin) * 1e6);
  }
  return microseconds;
}

void print_seconds(double seconds, uint64_t size, const std::string& extra) {
  std::printf("{\"seconds\": %.6f, \"bytes\": %llu%s}\n", seconds,
              static_cast<unsigned long long>(size), extra.c_str());
}

void print_latencies(const std::vector<double>& microseconds, const std::string& extra) {
  std::printf("{\"latencies_us\": [");
  for (size_t i = 0; i < microseconds.size(); ++i)
    std::printf("%s%.2f", i ? ", " : "", microseconds[i]);
  std::printf("]%s}\n", extra.c_str());
}

}  // namespace bench
