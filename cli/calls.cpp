// See calls.hpp.
#include "calls.hpp"

#include <string>

#include "failure.hpp"
#include "signals.hpp"

namespace r3map::cli {
namespace {

constexpr int64_t kSignalInterval = 100;  // ms

// Of what a user can do about it, the library knows only its own options.
[[noreturn]] void fail(int code, const char* message) {
  const bool hint = code == R3MAP_ETIMEDOUT;
  throw Failure(std::string(message) + (hint ? " (--deadline gives it more time)" : ""), code);
}

}  // namespace

int check(int code) {
  if (code < 0) fail(code, r3map_last_error_message());
  return code;
}

int check_usage(int code) {
  if (code == R3MAP_EINVAL) throw WrongUsage(r3map_last_error_message());
  return check(code);
}

Calls::Calls() {
  r3map_queue* queue = nullptr;
  check(r3map_queue_new(&queue));
  queue_.reset(queue);
}

bool Calls::next(r3map_completion& completion) const {
  completion.struct_size = sizeof completion;
  check_signals();
  bool got = check(r3map_queue_next(queue(), &completion, kSignalInterval)) == 1;
  if (got && completion.code < 0) fail(completion.code, completion.message);
  return got;
}

uint64_t Calls::wait() const {
  r3map_completion completion{};
  try {
    while (!next(completion)) continue;
  } catch (const Failure& failure) {
    if (failure.code == R3MAP_EINVAL) throw WrongUsage(failure.what());
    throw;
  }
  return completion.value;
}

}  // namespace r3map::cli
