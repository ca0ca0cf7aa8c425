// See options.hpp.
#include "options.hpp"

#include <charconv>
#include <cmath>
#include <cstdio>

#include "failure.hpp"

namespace r3map::cli {

std::optional<uint64_t> parse_size(std::string_view text) {
  uint64_t number = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc{}) return std::nullopt;
  std::string_view unit = text.substr(static_cast<size_t>(end - text.data()));
  if (unit.empty()) return number;
  constexpr std::string_view units = "KMGT";
  size_t place = units.find(static_cast<char>(unit[0] & ~0x20));
  std::string_view rest = unit.substr(1);
  if (place == units.npos || !(rest.empty() || rest == "iB" || rest == "B")) return std::nullopt;
  unsigned shift = 10 * (static_cast<unsigned>(place) + 1);
  if (number > UINT64_MAX >> shift) return std::nullopt;
  return number << shift;
}

std::string format_size(uint64_t bytes) {
  if (bytes < 1000) return std::to_string(bytes) + (bytes == 1 ? " byte" : " bytes");
  double value = static_cast<double>(bytes);
  size_t unit = 0;
  constexpr std::string_view units = "kMGTPE";
  for (value /= 1000; value >= 999.5 && unit + 1 < units.size(); value /= 1000) unit++;
  char text[32];
  std::snprintf(text, sizeof text, value < 10 ? "%.1f %cB" : "%.0f %cB", value, units[unit]);
  return text;
}

Options Source::make_options() const {
  r3map_options* made = nullptr;
  if (r3map_options_new(&made) < 0) throw Failure(r3map_last_error_message());
  Options result(made);
  for (const std::string& option : options) {
    size_t equals = option.find('=');  // there is one: main() has checked
    std::string name = option.substr(0, equals);
    if (r3map_options_set(made, name.c_str(), option.c_str() + equals + 1) < 0)
      throw Failure(r3map_last_error_message());
  }
  if (deadline >= 0) {
    // Rounded up, since 0 means for ever.
    auto ms = static_cast<uint64_t>(std::ceil(std::fmin(deadline, 1e12) * 1000));
    if (r3map_options_set_deadline(made, ms) < 0) throw Failure(r3map_last_error_message());
  }
  return result;
}

}  // namespace r3map::cli
