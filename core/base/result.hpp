// The result of anything that can fail: a value, or an error with a code and a one-line message.
// Knows nothing of r3map beyond this folder; the C ABI's codes are these, in the same order.
#pragma once

#include <string>
#include <string_view>
#include <tl/expected.hpp>
#include <utility>

namespace r3map {

// The values are part of the C ABI (R3MAP_E…); never renumber.
enum class Code : int {
  ok = 0,
  invalid = -1,       // an argument, URL or option that can't be right
  not_found = -2,     // no such object, bucket, file or host
  denied = -3,        // credentials or permissions
  io = -4,            // the store failed
  timed_out = -5,     // a deadline passed
  stale = -6,         // the object is not the one that was opened
  no_memory = -7,     // memory, address space or the budget
  canceled = -8,      // closed or stopped meanwhile
  bad_handle = -9,    // closed already, or never a handle
  unsupported = -10,  // the store, the kernel or this build can't
  protocol = -11,     // the peer broke its protocol
  network = -12,      // the peer can't be reached, or hung up
  out_of_range = -13,  // past the end
  read_only = -14,
  deadlock = -15,  // a blocking call from a thread that would have to answer it
  forked = -16,    // a handle from before fork()
  busy = -17,      // the store asks for patience, or a thing is in use
  internal = -18,
};

std::string_view code_name(Code code);  // "ENOENT": what follows R3MAP_ in the C ABI
int code_errno(Code code);              // the nearest errno, as Python's OSError wants it

struct Error {
  Code code = Code::internal;
  std::string message;
};

template <typename T = void>
using Result = tl::expected<T, Error>;

using Failure = tl::unexpected<Error>;

inline Failure fail(Code code, std::string message) {
  return Failure(Error{code, std::move(message)});
}
inline Failure fail(Error error) { return Failure(std::move(error)); }

// "what: strerror(number)", with the code that fits the errno.
Failure fail_errno(std::string_view what, int number);

// Worth another try: the peer, not the request, was the trouble.
inline bool is_transient(Code code) {
  return code == Code::network || code == Code::busy || code == Code::timed_out ||
         code == Code::io || code == Code::protocol;
}

}  // namespace r3map
