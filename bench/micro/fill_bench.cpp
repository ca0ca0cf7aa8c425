// Fill: what r3map's own bookkeeping adds to the copy of each piece that arrives (libcurl hands out
// at most 16 KiB at a time). The memory below copies nothing.
#include <benchmark/benchmark.h>

#include <algorithm>
#include <vector>

#include "region/fetch_sink.hpp"
#include "region/fill.hpp"

namespace r3map::region {
namespace {

constexpr uint64_t kSize = uint64_t{1} << 30;
constexpr uint64_t kRequest = 8 << 20;

class NoMemory : public memory::LocalMemory {
 public:
  const std::byte* data() const override { return nullptr; }
  uint64_t capacity() const override { return kSize; }
  bool on_demand() const override { return true; }
  int fault_descriptor() const override { return -1; }
  size_t take_faults(std::span<memory::Fault>) override { return 0; }
  Result<> land(uint64_t, std::span<const std::byte>) override {
    ++landings;
    return {};
  }
  Result<> drop(Range) override { return {}; }
  Result<> poison(Range) override { return {}; }
  void wake(Range) override {}
  void read_pinned(uint64_t, std::span<std::byte>) const override {}
  uint64_t landings = 0;
};

// Pieces of `range(0)` bytes, requests of 8 MiB one after the other, as one reader brings about.
// `range(1)`: another request under way at each eighth of the region, as with many readers.
void fill_land(benchmark::State& state) {
  const auto piece = static_cast<uint64_t>(state.range(0));
  const std::vector<std::byte> bytes(piece);
  NoMemory memory;
  Fill fill(memory);
  if (state.range(1))
    for (uint64_t at = kSize / 8; at < kSize; at += kSize / 8) fill.begin({at, kRequest});
  uint64_t at = 0, generation = 0;
  for (auto _ : state) {
    if (at % kRequest == 0) generation = fill.begin({at, kRequest});
    benchmark::DoNotOptimize(fill.land(generation, at, bytes));
    at += piece;
    if (at == kSize / 8) {
      state.PauseTiming();
      (void)fill.evict({0, kSize / 8});
      at = 0;
      state.ResumeTiming();
    }
  }
  state.SetBytesProcessed(static_cast<int64_t>(state.iterations() * piece));
}
BENCHMARK(fill_land)->Args({4 << 10, 0})->Args({16 << 10, 0})->Args({16 << 10, 1})
    ->Args({1 << 20, 0});

// The same, through the sink; `range(1)`: how far a piece's begin lies behind a page's. Also counts
// how often the memory is called for each 16 KiB.
void sink_bytes(benchmark::State& state) {
  const auto piece = static_cast<size_t>(state.range(0));
  const std::vector<std::byte> bytes(piece);
  NoMemory memory;
  Fill fill(memory);
  std::atomic<uint64_t> received = 0;
  for (auto _ : state) {
    state.PauseTiming();
    (void)fill.evict({0, kRequest});
    const Range range{0, kRequest};
    FetchSink sink(fill, fill.begin(range), range, kSize, false, received, [](Range) {});
    uint64_t at = static_cast<uint64_t>(state.range(1));
    state.ResumeTiming();
    sink.bytes(0, std::span(bytes).first(at));
    while (at < kRequest) {
      const size_t part = std::min<uint64_t>(piece, kRequest - at);
      sink.bytes(at, std::span(bytes).first(part));
      at += part;
    }
  }
  state.SetBytesProcessed(static_cast<int64_t>(state.iterations() * kRequest));
  state.counters["landings/16KiB"] =
      static_cast<double>(memory.landings) /
      (static_cast<double>(state.iterations()) * (kRequest / (16 << 10)));
}
BENCHMARK(sink_bytes)->Args({16 << 10, 0})->Args({16 << 10, 1000})->Args({64 << 10, 1000});

}  // namespace
}  // namespace r3map::region
