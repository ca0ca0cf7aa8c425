#include "backend/s3/sigv4.hpp"

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <algorithm>
#include <cstdio>
#include <map>

#include "resource/url.hpp"

namespace r3map::backend::s3 {

namespace {

using resource::percent_encode;

constexpr std::string_view kAlgorithm = "AWS4-HMAC-SHA256";

std::string hex(std::string_view bytes) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string out;
  for (char c : bytes) {
    const auto byte = static_cast<unsigned char>(c);
    out.push_back(kDigits[byte >> 4]);
    out.push_back(kDigits[byte & 15]);
  }
  return out;
}

std::string sha256(std::string_view text) {
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned length = 0;
  EVP_Digest(text.data(), text.size(), digest, &length, EVP_sha256(), nullptr);
  return {reinterpret_cast<char*>(digest), length};
}

std::string hmac(std::string_view key, std::string_view text) {
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned length = 0;
  HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()),
       reinterpret_cast<const unsigned char*>(text.data()), text.size(), digest, &length);
  return {reinterpret_cast<char*>(digest), length};
}

// Without blanks at the ends, runs of blanks as one.
std::string condensed(std::string_view value) {
  std::string out;
  for (char c : value) {
    if (c == '\t') c = ' ';
    if (c == ' ' && (out.empty() || out.back() == ' ')) continue;
    out.push_back(c);
  }
  if (out.ends_with(' ')) out.pop_back();
  return out;
}

// By lower-case name; fields of one name keep their order, joined by commas.
std::map<std::string, std::string> canonical_fields(const Signable& request) {
  std::map<std::string, std::string> fields;
  for (const http::Field& field : request.fields) {
    std::string name = field.name;
    std::transform(name.begin(), name.end(), name.begin(), [](char c) {
      return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    });
    const auto [at, added] = fields.emplace(std::move(name), condensed(field.value));
    if (!added) at->second += "," + condensed(field.value);
  }
  return fields;
}

std::string signed_names(const Signable& request) {
  std::string names;
  for (const auto& [name, value] : canonical_fields(request)) names += name + ";";
  if (!names.empty()) names.pop_back();
  return names;
}

// Sorted by the encoded names, then values.
std::string canonical_query(const Signable& request) {
  std::vector<std::pair<std::string, std::string>> encoded;
  for (const auto& [name, value] : request.query)
    encoded.emplace_back(percent_encode(name, false), percent_encode(value, false));
  std::sort(encoded.begin(), encoded.end());
  std::string out;
  for (const auto& [name, value] : encoded) {
    if (!out.empty()) out += '&';
    out.append(name).append("=").append(value);
  }
  return out;
}

std::string scope_text(const Scope& scope) {
  return amz_date(scope.time).substr(0, 8) + "/" + scope.region + "/" + scope.service +
         "/aws4_request";
}

}  // namespace

std::string payload_hash(std::string_view body) { return hex(sha256(body)); }

std::string amz_date(std::chrono::sys_seconds time) {
  const auto day = std::chrono::floor<std::chrono::days>(time);
  const std::chrono::year_month_day date(day);
  const std::chrono::hh_mm_ss clock(time - day);
  char text[40];
  std::snprintf(text, sizeof text, "%04d%02u%02uT%02d%02d%02dZ", static_cast<int>(date.year()),
                static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()),
                static_cast<int>(clock.hours().count()), static_cast<int>(clock.minutes().count()),
                static_cast<int>(clock.seconds().count()));
  return text;
}

std::string canonical_request(const Signable& request) {
  std::string out = request.method + "\n" + request.path + "\n" + canonical_query(request) + "\n";
  for (const auto& [name, value] : canonical_fields(request)) out += name + ":" + value + "\n";
  return out + "\n" + signed_names(request) + "\n" + request.payload_hash;
}

std::string string_to_sign(const Signable& request, const Scope& scope) {
  return std::string(kAlgorithm) + "\n" + amz_date(scope.time) + "\n" + scope_text(scope) + "\n" +
         hex(sha256(canonical_request(request)));
}

std::string authorization(const Signable& request, const Scope& scope,
                          const Credentials& credentials) {
  std::string key = hmac("AWS4" + credentials.secret, amz_date(scope.time).substr(0, 8));
  for (std::string_view step : {std::string_view(scope.region), std::string_view(scope.service),
                                std::string_view("aws4_request")})
    key = hmac(key, step);
  return std::string(kAlgorithm) + " Credential=" + credentials.key + "/" + scope_text(scope) +
         ", SignedHeaders=" + signed_names(request) +
         ", Signature=" + hex(hmac(key, string_to_sign(request, scope)));
}

}  // namespace r3map::backend::s3
