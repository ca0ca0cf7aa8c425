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

// "1.2 MiB", "17 bytes": as parse_size() reads them.
std::string format_size(uint64_t bytes);
// "1 request", "2 requests".
std::string format_count(uint64_t count, const std::string& what);

struct Source {
  enum class For { resource, region };

  std::string url;
  std::vector<std::string> options;  // name=value
  double deadline = -1;              // seconds; negative: the library's default

  // r3map's own options, and the store's as text. Throws Failure, and WrongUsage for a value that
  // can't be right and an option of regions where there is none.
  Options make_options(For what) const;

  // Of one of `options`; "" if it is not given.
  std::string value_of(const std::string& name) const;
};

// One of r3map's own options, for people.
struct OwnOption {
  const char* name;
  const char* value;  // "SIZE"
  const char* help;
  bool of_regions;
};
std::vector<OwnOption> own_options();

// Those of the stores, in the order of the library's message for an unknown one.
struct StoreOption {
  const char* name;
  const char* help;
};
struct StoreOptions {
  const char* urls;
  std::vector<StoreOption> options;
};
std::vector<StoreOptions> store_options();

}  // namespace r3map::cli
