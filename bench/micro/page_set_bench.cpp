// PageSet: what every landing and every fault asks of it.
#include <benchmark/benchmark.h>

#include <random>

#include "base/page_set.hpp"

namespace r3map {
namespace {

constexpr uint64_t kSize = uint64_t{1} << 30;

// Argument: bytes of one range.
void add_remove_sequential(benchmark::State& state) {
  const auto step = static_cast<uint64_t>(state.range(0));
  PageSet set;
  uint64_t at = 0;
  for (auto _ : state) {
    set.add({at, step});
    at += step;
    if (at == kSize) {
      state.PauseTiming();
      set.remove({0, kSize});
      at = 0;
      state.ResumeTiming();
    }
  }
}
BENCHMARK(add_remove_sequential)->Arg(4 << 10)->Arg(16 << 10)->Arg(1 << 20);

void contains_random(benchmark::State& state) {
  PageSet set;
  std::mt19937_64 random(1);
  for (int i = 0; i < 100'000; ++i) set.add({random() % (kSize / kPage) * kPage, kPage});
  for (auto _ : state) benchmark::DoNotOptimize(set.contains(random() % (kSize / kPage) * kPage));
}
BENCHMARK(contains_random);

// The gap lies behind `range(0)` bytes of members.
void first_gap(benchmark::State& state) {
  PageSet set;
  set.add({0, static_cast<uint64_t>(state.range(0))});
  for (auto _ : state) benchmark::DoNotOptimize(set.first_gap({0, kSize}));
}
BENCHMARK(first_gap)->Arg(4 << 10)->Arg(1 << 20)->Arg(512 << 20);

}  // namespace
}  // namespace r3map
