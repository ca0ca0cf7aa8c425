// Base64 (RFC 4648, 4), by OpenSSL. Pure.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace r3map::backend {

std::string base64(std::string_view bytes);
// Nothing for what base64() would not have written.
std::optional<std::string> from_base64(std::string_view text);

}  // namespace r3map::backend
