// How the commands fail: by exceptions that main() turns into a message and an exit code.
#pragma once

#include <algorithm>
#include <cctype>
#include <cstring>
#include <stdexcept>
#include <string>

#include "r3map.h"

namespace r3map::cli {

// Exit code 1. The message is one line without "r3map: ".
struct Failure : std::runtime_error {
  explicit Failure(const std::string& why, int error = 0) : std::runtime_error(why), code(error) {}

  int code;  // R3MAP_E…; 0 for what the library has no part in
};

// Exit code 2: what was asked for can't be meant.
struct WrongUsage : std::runtime_error {
  using std::runtime_error::runtime_error;
};

// A URL as messages have it: without what is secret in it.
inline std::string shown_url(const std::string& url) {
  std::string text(static_cast<size_t>(std::max(r3map_url_shown(url.c_str(), nullptr, 0), 0)), '\0');
  r3map_url_shown(url.c_str(), text.data(), text.size() + 1);
  return text;
}

// "write /mnt/x: no space left on device", as the library's messages look.
inline Failure system_failure(const std::string& operation, const std::string& object, int error) {
  std::string cause = std::strerror(error);
  cause[0] = static_cast<char>(std::tolower(static_cast<unsigned char>(cause[0])));
  return Failure(operation + " " + object + ": " + cause);
}

}  // namespace r3map::cli
