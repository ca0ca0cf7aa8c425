// See signals.hpp.
#include "signals.hpp"

#include <csignal>
#include <cstdlib>

namespace r3map::cli {
namespace {

// What people, parents, timers and limits send; who crashes cleans nothing up.
constexpr int kEndings[] = {SIGINT,  SIGTERM, SIGHUP,  SIGQUIT,
                            SIGALRM, SIGUSR1, SIGUSR2, SIGXCPU};

volatile std::sig_atomic_t caught = 0;
bool pipes_end = false;

}  // namespace

void catch_signals() {
  for (int signal : kEndings) {
    struct sigaction action {};
    sigaction(signal, nullptr, &action);
    if (action.sa_handler == SIG_IGN) continue;  // nohup, or a shell's background job
    action = {};
    action.sa_handler = [](int number) { caught = number; };
    action.sa_flags = static_cast<int>(SA_RESETHAND);  // and no SA_RESTART: a blocked write ends
    sigaction(signal, &action, nullptr);
  }
  pipes_end = std::signal(SIGPIPE, SIG_IGN) == SIG_DFL;
  std::signal(SIGXFSZ, SIG_IGN);
}

bool pipes_end_us() { return pipes_end; }

void check_signals() {
  if (caught != 0) throw Interrupted{caught};
}

void die_by(Interrupted interrupted) {
  std::signal(interrupted.signal, SIG_DFL);
  std::raise(interrupted.signal);
  std::_Exit(1);  // not reached unless the signal is blocked
}

}  // namespace r3map::cli
