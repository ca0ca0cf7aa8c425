// URLs, split as far as every scheme agrees: the rest is the backend's business. Pure.
#pragma once

#include <string>
#include <string_view>

#include "base/result.hpp"

namespace r3map::resource {

struct Url {
  std::string text;    // as given, for messages; without a password, or HTTP's query
  std::string scheme;  // lower case
  std::string rest;    // what follows "scheme:", without a leading "//"
  bool has_authority = false;  // there was a "//"
};

// A plain path ("/data/x", "./x") is a file: URL. Code::invalid with the reason otherwise: empty,
// too long, control characters, no scheme.
Result<Url> parse_url(std::string_view text);

// %XX decoded; Code::invalid for a broken escape or %00.
Result<std::string> percent_decode(std::string_view text);
// All but A-Z a-z 0-9 - . _ ~ (and '/', where `keep_slash`) as %XX, as RFC 3986 and SigV4 want it.
std::string percent_encode(std::string_view text, bool keep_slash);

// "64M", "1GiB", "4096": bytes, with the binary suffixes K M G T. Code::invalid otherwise.
Result<uint64_t> parse_size(std::string_view text);

}  // namespace r3map::resource
