// What every function of the ABI does around its own work: keep exceptions in, and leave the
// message of a failure for r3map_last_error_message().
#pragma once

#include <new>
#include <string>

#include "base/result.hpp"
#include "r3map.h"

namespace r3map::capi {

inline std::string& last_error_message() {
  thread_local std::string message;
  return message;
}

inline int report(const Error& error) {
  last_error_message() = error.message;
  return static_cast<int>(error.code);
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
    return R3MAP_ENOMEM;
  } catch (...) {
    return R3MAP_EINTERNAL;
  }
}

}  // namespace r3map::capi
