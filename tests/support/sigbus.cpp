#include "support/sigbus.hpp"

#include <setjmp.h>
#include <signal.h>

namespace r3map::test {

namespace {

struct Place {
  sigjmp_buf back;
  volatile bool armed = false;
  TouchFailure failure;
};
thread_local Place place;

void on_signal(int signal, siginfo_t* info, void*) {
  if (!place.armed) {
    // Not in a touch: what it would have been without us.
    ::signal(signal, SIG_DFL);
    return;
  }
  place.armed = false;
  place.failure = {signal, info->si_addr};
  siglongjmp(place.back, 1);
}

void install() {
  struct sigaction action {};
  action.sa_sigaction = on_signal;
  action.sa_flags = SA_SIGINFO;
  for (const int signal : {SIGBUS, SIGSEGV}) sigaction(signal, &action, nullptr);
}

}  // namespace

std::optional<std::byte> touch(const std::byte* address) {
  [[maybe_unused]] static const bool once = (install(), true);
  place.failure = {};
  if (sigsetjmp(place.back, 1) != 0) return std::nullopt;
  place.armed = true;
  const std::byte value = *static_cast<const volatile std::byte*>(address);
  place.armed = false;
  return value;
}

TouchFailure last_touch_failure() { return place.failure; }

}  // namespace r3map::test
