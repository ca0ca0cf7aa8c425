#include "engine.hpp"

#include <pthread.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <charconv>
#include <cstdlib>
#include <mutex>
#include <set>
#include <thread>

#include "backend/file.hpp"
#include "backend/http.hpp"
#include "backend/memory.hpp"
#include "backend/s3/s3.hpp"
#include "base/limits.hpp"
#include "base/log.hpp"

namespace r3map::capi {

namespace {

// Two bring more than one even where there are but two cores.
size_t receivers() { return std::clamp(std::thread::hardware_concurrency() / 2, 2u, 4u); }

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

// A variable that is wrong is told, once, and is as if it weren't there: who set it should know, but a
// program must not fail for its log.
void tell_wrong(const char* variable, const std::string& why) {
  static std::set<std::string>& told = *new std::set<std::string>;  // under mutex
  if (!told.insert(variable).second) return;
  const std::string line = "r3map: " + std::string(variable) + ": " + why + "\n";
  (void)!write(STDERR_FILENO, line.data(), line.size());
}

// Not for a program that runs with more rights than who started it: the log's file is his choice.
void start_log_of_environment() {
  const char* const text = secure_getenv("R3MAP_LOG");
  if (!text || !*text) return;
  const Result<LogTarget> target = parse_log_target(text);
  const Result<> started = target ? start_log(*target) : fail(target.error());
  if (!started) tell_wrong("R3MAP_LOG", started.error().message);
}

loop::Clock::duration slow_fault_of_environment() {
  const char* const text = secure_getenv("R3MAP_SLOW_MS");
  if (!text || !*text) return limits::kSlowFault;
  const std::string_view given = text;
  uint32_t ms = 0;
  const auto [end, error] = std::from_chars(given.data(), given.data() + given.size(), ms);
  if (error == std::errc() && end == given.data() + given.size())
    return std::chrono::milliseconds(ms);
  tell_wrong("R3MAP_SLOW_MS", "'" + std::string(given.substr(0, 200)) +
                                  "' is not a number of milliseconds (up to 4294967295)");
  return limits::kSlowFault;
}

}  // namespace

uint64_t Engine::fork_generation() { return generation; }

Result<Engine*> Engine::get() {
  std::lock_guard lock(mutex);
  if (current) return current;
  start_log_of_environment();
  Result<std::unique_ptr<loop::Loop>> loop = loop::Loop::start("r3map-loop");
  if (!loop) return fail(std::move(loop.error()));
  std::unique_ptr<Engine> engine(new Engine(std::move(*loop)));
  const Result<int> http = engine->loop_->wait<int>([&] { return engine->open_http(); });
  if (!http) return fail(http.error());
  backend::register_http(engine->registry_, *engine->loop_, *engine->http_);
  backend::s3::register_s3(engine->registry_, *engine->loop_, *engine->http_, engine->io_);
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
      budget_(region::default_budget()),
      slow_fault_(slow_fault_of_environment()) {
  backend::register_memory(registry_, fillers_);
  backend::register_file(registry_, io_, movers_);
}

loop::Task<Result<int>> Engine::open_http() {
  Result<std::unique_ptr<http::Client>> client = http::Client::open(*loop_, receivers());
  if (!client) co_return fail(std::move(client.error()));
  http_ = std::move(*client);
  co_return 0;
}

// The libraries below the HTTP client are about to clean up. The loop goes on: if this thread touches
// a missing page it gets SIGBUS, and does not hang; others that do sleep until the end.
void Engine::at_exit() {
  exiting_thread_ = static_cast<uint32_t>(gettid());
  loop_->call([this] { http_->shutdown(); });
  flush_log(limits::kLogAtExit);
}

}  // namespace r3map::capi
