// What the command line says, as values. Knows nothing of CLI11.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "handles.hpp"

namespace r3map::cli {

// "4096", "512K", "1G": bytes; nothing for what is no size.
std::optional<uint64_t> parse_size(std::string_view text);

// "1.2 MB", "17 bytes".
std::string format_size(uint64_t bytes);

struct Source {
  std::string url;
  std::vector<std::string> options;  // name=value
  double deadline = -1;              // seconds; negative: the library's default

  // Throws Failure.
  Options make_options() const;
};

}  // namespace r3map::cli
