// What every function of the ABI does around its own work: keep exceptions in, and leave the
// message of a failure for r3map_last_error_message().
#pragma once

#include <exception>
#include <new>
#include <string>
#include <system_error>

#include "base/result.hpp"
#include "r3map.h"

namespace r3map::capi {

// Handlers of exit() and destructors call, too, when their thread's variables are gone already.
struct LastError {
  std::string message;
  ~LastError() { gone = true; }
  static inline thread_local bool gone = false;  // itself never destroyed
};

// Of this thread; null when it is too late for one.
inline std::string* last_error_message() {
  if (LastError::gone) return nullptr;
  thread_local LastError last;
  return &last.message;
}

inline int report(int code, const char* message) noexcept {
  try {
    if (std::string* const last = last_error_message()) *last = message;
  } catch (...) {  // no memory even for that
  }
  return code;
}

inline int report(const Error& error) noexcept {
  return report(static_cast<int>(error.code), error.message.c_str());
}

inline int report_errno(int number) noexcept {
  try {
    return report(fail_errno("the system has no thread for it", number).value());
  } catch (...) {
    return report(R3MAP_ENOMEM, "out of memory");
  }
}

// "operation url: message"
inline Error in_context(Error error, const char* operation, const std::string& url) {
  error.message = std::string(operation) + (url.empty() ? "" : " " + url) + ": " + error.message;
  return error;
}

// Runs `work`, which answers a Result<>, Result<int> or plain int.
template <typename Work>
int guarded(Work work) noexcept {
  try {
    auto result = work();
    if constexpr (std::is_same_v<decltype(result), int>) {
      return result;
    } else {
      if (!result) return report(result.error());
      if constexpr (std::is_same_v<decltype(result), Result<int>>) return *result;
      return R3MAP_OK;
    }
  } catch (const std::bad_alloc&) {
    return report(R3MAP_ENOMEM, "out of memory");
  } catch (const std::system_error& error) {  // no thread could be had
    return report_errno(error.code().value());
  } catch (const std::exception& error) {
    return report(R3MAP_EINTERNAL, error.what());
  }
}

}  // namespace r3map::capi
