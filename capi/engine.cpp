#include "engine.hpp"

#include <pthread.h>

#include <atomic>
#include <cstdlib>
#include <mutex>

#include "backend/file.hpp"
#include "backend/http.hpp"
#include "backend/memory.hpp"
#include "backend/s3/s3.hpp"

namespace r3map::capi {

namespace {

constexpr unsigned kIo = 4;
constexpr unsigned kMovers = 3;
constexpr unsigned kFillers = 2;

std::mutex mutex;          // also held over fork(), so that no child inherits it locked
Engine* current = nullptr;  // under mutex; this process's own
std::atomic<uint64_t> generation = 0;

// When the library is loaded and not at the first call: a fork in the middle of that would leave the
// child with something half done for ever.
[[maybe_unused]] const int registered =
    pthread_atfork([] { mutex.lock(); }, [] { mutex.unlock(); },
                   [] {
                     // Its threads did not come along; what it owns is left alone.
                     current = nullptr;
                     ++generation;
                     mutex.unlock();
                   });

}  // namespace

uint64_t Engine::fork_generation() { return generation; }

Result<Engine*> Engine::get() {
  std::lock_guard lock(mutex);
  if (current) return current;
  Result<std::unique_ptr<loop::Loop>> loop = loop::Loop::start("r3map-loop");
  if (!loop) return fail(std::move(loop.error()));
  std::unique_ptr<Engine> engine(new Engine(std::move(*loop)));
  const Result<int> http = engine->loop_->wait<int>([&] { return engine->open_http(); });
  if (!http) return fail(http.error());
  backend::register_http(engine->registry_, *engine->loop_, *engine->http_);
  backend::s3::register_s3(engine->registry_, *engine->loop_, *engine->http_);
  current = engine.release();
  // After OpenSSL has registered its own clean-up, so that ours comes first.
  std::atexit([] {
    Engine* const ending = [] {
      std::lock_guard guard(mutex);
      return current;
    }();
    if (ending) ending->at_exit();
  });
  return current;
}

Engine::Engine(std::unique_ptr<loop::Loop> loop)
    : loop_(std::move(loop)),
      io_(*loop_, "r3map-io", kIo),
      movers_(*loop_, "r3map-move", kMovers),
      fillers_(*loop_, "r3map-fill", kFillers),
      budget_(region::default_budget()) {
  backend::register_memory(registry_, fillers_);
  backend::register_file(registry_, io_, movers_);
}

loop::Task<Result<int>> Engine::open_http() {
  Result<std::unique_ptr<http::Client>> client = http::Client::open(*loop_);
  if (!client) co_return fail(std::move(client.error()));
  http_ = std::move(*client);
  co_return 0;
}

// The libraries below the HTTP client are about to clean up. The loop goes on: whoever still
// touches a missing page gets SIGBUS, and does not hang.
void Engine::at_exit() {
  std::promise<void> done;
  loop_->post([&] {
    http_->shutdown();
    done.set_value();
  });
  done.get_future().wait();
}

}  // namespace r3map::capi
