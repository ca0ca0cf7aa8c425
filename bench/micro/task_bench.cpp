// Task: an await, from the call of the coroutine to the awaiter's going on.
#include <benchmark/benchmark.h>

#include "loop/event.hpp"
#include "loop/task.hpp"

namespace r3map::loop {
namespace {

Task<int> leaf() { co_return 1; }

Task<int> nested(int depth) {
  if (depth == 0) co_return 0;
  auto inner = nested(depth - 1);
  co_return co_await inner + 1;
}

Task<void> await_many(benchmark::State& state) {
  for (auto _ : state) {
    auto task = leaf();
    benchmark::DoNotOptimize(co_await task);
  }
}

void task_await(benchmark::State& state) {
  spawn(await_many(state));
  ReadyQueue::current().run();
}
BENCHMARK(task_await);

Task<void> await_nested(benchmark::State& state) {
  for (auto _ : state) {
    auto task = nested(static_cast<int>(state.range(0)));
    benchmark::DoNotOptimize(co_await task);
  }
}

void task_await_nested(benchmark::State& state) {
  spawn(await_nested(state));
  ReadyQueue::current().run();
}
BENCHMARK(task_await_nested)->Arg(8);

Task<void> wait_for(Event& event) { co_await event; }

void event_set(benchmark::State& state) {
  for (auto _ : state) {
    Event event;
    spawn(wait_for(event));
    ReadyQueue::current().run();
    event.set();
    ReadyQueue::current().run();
  }
}
BENCHMARK(event_set);

}  // namespace
}  // namespace r3map::loop
