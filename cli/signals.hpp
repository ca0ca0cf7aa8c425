// SIGINT, SIGTERM and their like end a command in an orderly way: what is half-written goes first.
#pragma once

namespace r3map::cli {

struct Interrupted {
  int signal;
};

// From now on the first of these signals is only noted, a second one ends the process at once.
// SIGPIPE and SIGXFSZ are ignored: a write's error code says the same.
void catch_signals();

// SIGPIPE was not ignored by whoever started us: "r3map cat … | head" ends in silence.
bool pipes_end_us();

// Throws Interrupted once a signal has come.
void check_signals();

// Ends the process by the signal, so that a shell sees what happened.
[[noreturn]] void die_by(Interrupted interrupted);

}  // namespace r3map::cli
