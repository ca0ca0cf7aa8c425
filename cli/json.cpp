// See json.hpp.
#include "json.hpp"

#include <array>
#include <cstdio>

namespace r3map::cli {
namespace {

// The length of the UTF-8 sequence that the text begins with; 0 if it begins with none.
size_t utf8_length(std::string_view text) {
  const auto byte = [&](size_t i) { return static_cast<unsigned char>(text[i]); };
  size_t length = byte(0) < 0x80 ? 1 : byte(0) < 0xc2 ? 0 : byte(0) < 0xe0 ? 2
                : byte(0) < 0xf0 ? 3 : byte(0) < 0xf5 ? 4 : 0;
  if (length > text.size()) return 0;
  for (size_t i = 1; i < length; i++)
    if ((byte(i) & 0xc0) != 0x80) return 0;
  return length;
}

// JSON is UTF-8: what isn't becomes a replacement character.
std::string quoted(std::string_view text) {
  std::string out = "\"";
  while (!text.empty()) {
    size_t length = utf8_length(text);
    auto byte = static_cast<unsigned char>(text[0]);
    if (length == 0) {
      out += "\\ufffd";
    } else if (byte == '"' || byte == '\\') {
      out += '\\';
      out += text[0];
    } else if (byte < 0x20) {
      std::array<char, 8> escaped;
      std::snprintf(escaped.data(), escaped.size(), "\\u%04x", byte);
      out += escaped.data();
    } else {
      out += text.substr(0, length);
    }
    text.remove_prefix(length == 0 ? 1 : length);
  }
  return out + '"';
}

}  // namespace

Json& Json::add(std::string_view name, std::string_view value) {
  begin(name);
  text_ += quoted(value);
  return *this;
}

void Json::begin(std::string_view name) {
  if (text_.size() > 1) text_ += ", ";
  text_ += quoted(name) + ": ";
}

}  // namespace r3map::cli
