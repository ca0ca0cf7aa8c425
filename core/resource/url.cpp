#include "resource/url.hpp"

#include <algorithm>
#include <charconv>

#include "base/limits.hpp"

namespace r3map::resource {

namespace {

bool is_control(char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; }
bool is_alpha(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
bool is_digit(char c) { return c >= '0' && c <= '9'; }

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

// RFC 3986, 3.1.
bool is_scheme(std::string_view text) {
  return !text.empty() && is_alpha(text[0]) && std::all_of(text.begin(), text.end(), [](char c) {
    return is_alpha(c) || is_digit(c) || c == '+' || c == '-' || c == '.';
  });
}

// "user:secret@host" → "user:***@host": messages are shown and logged. A secret with a / in it (many
// AWS keys) should have been encoded, but is to stay secret all the same.
std::string without_password(std::string_view text) {
  const size_t authority = text.find("://");
  if (authority == std::string_view::npos) return std::string(text);
  const size_t begin = authority + 3;
  const size_t end = std::min(text.find_first_of("/?#", begin), text.size());
  size_t at = text.substr(0, end).rfind('@');
  size_t colon = text.find(':', begin);
  if (at == std::string_view::npos || at < begin) {
    // Only a host and a port, unless the port is none.
    if (text.substr(begin).starts_with('[')) colon = text.find(':', text.find(']', begin));
    if (colon >= end) return std::string(text);
    const std::string_view port = text.substr(colon + 1, end - colon - 1);
    if (std::all_of(port.begin(), port.end(), is_digit)) return std::string(text);
    at = text.rfind('@');
  }
  if (at == std::string_view::npos || colon >= at) return std::string(text);
  return std::string(text.substr(0, colon + 1)) + "***" + std::string(text.substr(at));
}

int hex(char c) {
  if (is_digit(c)) return c - '0';
  c = lower(c);
  return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

}  // namespace

Result<Url> parse_url(std::string_view text) {
  if (text.empty()) return fail(Code::invalid, "the URL is empty");
  if (text.size() > limits::kUrlLength)
    return fail(Code::invalid,
                "the URL is longer than " + std::to_string(limits::kUrlLength) + " bytes");
  if (std::any_of(text.begin(), text.end(), is_control))
    return fail(Code::invalid, "the URL contains control characters");

  Url url;
  url.text = without_password(text);
  if (text[0] == '/' || text[0] == '.') {
    url.scheme = "file";
    url.rest = percent_encode(text, true);
    return url;
  }
  const size_t colon = text.find(':');
  if (colon == std::string_view::npos || !is_scheme(text.substr(0, colon)))
    return fail(Code::invalid, "malformed URL '" + url.text +
                                   "': expected scheme://… or a path that starts with / or .");
  url.scheme.resize(colon);
  std::transform(text.begin(), text.begin() + static_cast<long>(colon), url.scheme.begin(), lower);
  // The query of a presigned URL is its password.
  const size_t query = url.text.find('?');
  if (query != std::string::npos && (url.scheme == "http" || url.scheme == "https"))
    url.text.replace(query, std::string::npos, "?***");
  text.remove_prefix(colon + 1);
  url.has_authority = text.starts_with("//");
  if (url.has_authority) text.remove_prefix(2);
  url.rest = text;
  return url;
}

Result<std::string> percent_decode(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      out.push_back(text[i]);
      continue;
    }
    const int high = i + 2 < text.size() ? hex(text[i + 1]) : -1;
    const int low = i + 2 < text.size() ? hex(text[i + 2]) : -1;
    if (high < 0 || low < 0 || high + low == 0)
      return fail(Code::invalid, "malformed URL: a broken %-escape in '" + std::string(text) + "'");
    out.push_back(static_cast<char>(high * 16 + low));
    i += 2;
  }
  return out;
}

std::string percent_encode(std::string_view text, bool keep_slash) {
  static constexpr char kHex[] = "0123456789ABCDEF";
  std::string out;
  out.reserve(text.size());
  for (char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (is_alpha(c) || is_digit(c) || c == '-' || c == '.' || c == '_' || c == '~' ||
        (keep_slash && c == '/')) {
      out.push_back(c);
    } else {
      out.push_back('%');
      out.push_back(kHex[byte >> 4]);
      out.push_back(kHex[byte & 15]);
    }
  }
  return out;
}

Result<uint64_t> parse_size(std::string_view text) {
  const auto bad = [&] {
    return fail(Code::invalid, "'" + std::string(text) + "' is not a size (4096, 64M, 1GiB)");
  };
  uint64_t value = 0;
  const char* const end = text.data() + text.size();
  const auto [at, error] = std::from_chars(text.data(), end, value);
  if (error != std::errc()) return bad();
  std::string_view suffix(at, static_cast<size_t>(end - at));
  if (suffix.empty() || suffix == "B") return value;
  static constexpr std::string_view kUnits = "KMGT";
  const size_t unit = kUnits.find(suffix[0] >= 'a' ? static_cast<char>(suffix[0] - 'a' + 'A')
                                                   : suffix[0]);
  suffix.remove_prefix(1);
  if (unit == std::string_view::npos || !(suffix.empty() || suffix == "B" || suffix == "iB"))
    return bad();
  const unsigned shift = 10 * (static_cast<unsigned>(unit) + 1);
  if (value > UINT64_MAX >> shift) return bad();
  return value << shift;
}

}  // namespace r3map::resource
