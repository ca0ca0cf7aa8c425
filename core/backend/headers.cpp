#include "backend/headers.hpp"

#include <algorithm>
#include <array>

#include "base/limits.hpp"

namespace r3map::backend {

namespace {

constexpr std::string_view kPrefix = "header.";

// What says which bytes are asked for, how they are sent and what of them may be trusted.
bool is_ours(std::string_view name) {
  static constexpr std::array<std::string_view, 18> kOurs = {
      "range", "if-range", "if-match", "if-none-match", "if-modified-since", "if-unmodified-since",
      "accept-encoding", "host", "content-length", "transfer-encoding", "te", "trailer", "expect",
      "connection", "keep-alive", "upgrade", "proxy-authorization", "proxy-connection"};
  return std::any_of(kOurs.begin(), kOurs.end(),
                     [&](std::string_view ours) { return http::same_name(name, ours); });
}

bool is_value(std::string_view text) {
  return !text.empty() && std::none_of(text.begin(), text.end(), [](char c) {
    return (static_cast<unsigned char>(c) < 0x20 && c != '\t') || c == 0x7f;
  });
}

// RFC 6750's token.
bool is_bearer(std::string_view text) {
  static constexpr std::string_view kMarks = "-._~+/=";
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           kMarks.find(c) != kMarks.npos;
  });
}

Result<http::Field> parse_header(std::string_view name, const std::string& value) {
  const std::string option = std::string(kPrefix) + std::string(name);
  if (!http::is_token(name)) return fail(Code::invalid, "'" + option + "' names no header field");
  if (is_ours(name))
    return fail(Code::invalid, option + ": that field is r3map's own business" +
                                   (http::same_name(name, "proxy-authorization")
                                        ? " (proxy=http://user:password@host)"
                                        : ""));
  if (!is_value(value))
    return fail(Code::invalid, option + " is empty or holds control characters");
  return http::Field{std::string(name), value};
}

}  // namespace

Result<std::vector<http::Field>> parse_headers(const resource::Options& options) {
  std::vector<http::Field> fields;
  if (const auto token = options.find("bearer"); token != options.end()) {
    if (!is_bearer(token->second)) return fail(Code::invalid, "bearer is no token");
    fields.push_back({"Authorization", "Bearer " + token->second});
  }
  size_t bytes = 0;
  for (const auto& [option, value] : options) {
    if (!option.starts_with(kPrefix)) continue;
    const std::string_view name = std::string_view(option).substr(kPrefix.size());
    Result<http::Field> field = parse_header(name, value);
    if (!field) return fail(std::move(field.error()));
    if (std::any_of(fields.begin(), fields.end(), [&](const http::Field& other) {
          return http::same_name(other.name, field->name);
        }))
      return fail(Code::invalid, option + ": that field is given twice");
    bytes += option.size() + value.size();
    if (bytes > limits::kRequestHeaders)
      return fail(Code::invalid, "the header fields are too long");
    fields.push_back(std::move(*field));
  }
  return fields;
}

}  // namespace r3map::backend
