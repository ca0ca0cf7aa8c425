#include "backend/base64.hpp"

#include <openssl/evp.h>

namespace r3map::backend {

std::string base64(std::string_view bytes) {
  std::string out(4 * ((bytes.size() + 2) / 3) + 1, '\0');
  const int length = EVP_EncodeBlock(reinterpret_cast<unsigned char*>(out.data()),
                                     reinterpret_cast<const unsigned char*>(bytes.data()),
                                     static_cast<int>(bytes.size()));
  out.resize(static_cast<size_t>(length));
  return out;
}

std::optional<std::string> from_base64(std::string_view text) {
  std::string out(text.size() / 4 * 3, '\0');
  const int length = EVP_DecodeBlock(reinterpret_cast<unsigned char*>(out.data()),
                                     reinterpret_cast<const unsigned char*>(text.data()),
                                     static_cast<int>(text.size()));
  if (length < 0) return std::nullopt;
  // OpenSSL counts the padding as zeros, and lets blanks around the text pass.
  for (size_t end = text.size(); end > 0 && text[end - 1] == '=' && !out.empty(); --end)
    out.pop_back();
  return base64(out) == text ? std::optional(out) : std::nullopt;
}

}  // namespace r3map::backend
