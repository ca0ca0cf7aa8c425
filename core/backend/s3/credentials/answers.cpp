#include "backend/s3/credentials/answers.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <pugixml.hpp>

#include "backend/status.hpp"

namespace r3map::backend::s3 {

// ---- times

namespace {

// Takes `digits` digits off the front of `text`; -1 if they are none.
int take_number(std::string_view& text, size_t digits) {
  int value = 0;
  if (text.size() < digits) return -1;
  for (char c : text.substr(0, digits)) {
    if (c < '0' || c > '9') return -1;
    value = value * 10 + (c - '0');
  }
  text.remove_prefix(digits);
  return value;
}

bool take_char(std::string_view& text, char c) {
  if (!text.starts_with(c)) return false;
  text.remove_prefix(1);
  return true;
}

}  // namespace

std::optional<WallTime> parse_time(std::string_view text) {
  int parts[6];
  static constexpr char kAfter[] = "--T::";
  for (size_t i = 0; i < 6; ++i) {
    parts[i] = take_number(text, i == 0 ? 4 : 2);
    if (parts[i] < 0 || (i < 5 && !take_char(text, kAfter[i]))) return std::nullopt;
  }
  if (take_char(text, '.')) text.remove_prefix(std::min(text.find_first_not_of("0123456789"),
                                                        text.size()));
  if (text != "Z" && text != "UTC" && text != "+00:00" && text != "+0000") return std::nullopt;
  const std::chrono::year_month_day date(std::chrono::year(parts[0]),
                                         std::chrono::month(static_cast<unsigned>(parts[1])),
                                         std::chrono::day(static_cast<unsigned>(parts[2])));
  if (!date.ok() || parts[3] > 23 || parts[4] > 59 || parts[5] > 60) return std::nullopt;
  return std::chrono::sys_days(date) + std::chrono::hours(parts[3]) +
         std::chrono::minutes(parts[4]) + std::chrono::seconds(parts[5]);
}

// ---- JSON

namespace {

using nlohmann::json;

// An object; anything else, and what is no JSON at all, becomes an empty one.
json parse_object(std::string_view text) {
  json value = json::parse(text.begin(), text.end(), nullptr, false);
  return value.is_object() ? value : json::object();
}

std::string text_of(const json& object, const char* name) {
  const auto found = object.find(name);
  return found != object.end() && found->is_string() ? found->get<std::string>() : std::string();
}

// What goes into header fields and signatures must not break out of them.
bool is_printable(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return c > 0x20 && c < 0x7f; });
}

Result<> check(const Credentials& found) {
  if (found.key.empty() || found.secret.empty())
    return fail(Code::protocol, "the answer holds no keys");
  if (!is_printable(found.key) || !is_printable(found.secret) || !is_printable(found.token))
    return fail(Code::protocol, "the answer's keys hold blanks or control characters");
  return {};
}

Result<Keys> checked(Credentials found, std::string_view expiry) {
  if (Result<> right = check(found); !right) return fail(std::move(right.error()));
  Keys keys{std::move(found)};
  if (expiry.empty()) return keys;
  keys.expiry = parse_time(expiry);
  if (!keys.expiry)
    return fail(Code::protocol, "the answer's expiry '" + shown(expiry) + "' is no time");
  return keys;
}

// As instance metadata and programs answer; they differ in the name of the token alone.
Result<Keys> keys_of(const json& answer, const char* token) {
  return checked({text_of(answer, "AccessKeyId"), text_of(answer, "SecretAccessKey"),
                  text_of(answer, token)},
                 text_of(answer, "Expiration"));
}

}  // namespace

Result<Keys> parse_metadata_keys(std::string_view text) {
  const json answer = parse_object(text);
  // Instance metadata answers 200 to everything.
  const std::string code = text_of(answer, "Code");
  if (!code.empty() && code != "Success")
    return fail(Code::denied, refusal_text(text));
  return keys_of(answer, "Token");
}

Result<Keys> parse_program_keys(std::string_view text) {
  const json answer = parse_object(text);
  const auto version = answer.find("Version");
  if (version == answer.end() || *version != 1)
    return fail(Code::protocol, "its output is no JSON object with \"Version\": 1");
  return keys_of(answer, "SessionToken");
}

Result<Keys> parse_sso_keys(std::string_view text) {
  const json answer = parse_object(text);
  const auto found = answer.find("roleCredentials");
  const json keys = found != answer.end() && found->is_object() ? *found : json::object();
  Result<Keys> result = checked({text_of(keys, "accessKeyId"), text_of(keys, "secretAccessKey"),
                                 text_of(keys, "sessionToken")},
                                "");
  const auto expiration = keys.find("expiration");
  if (!result || expiration == keys.end()) return result;
  static constexpr int64_t kYear10000 = 253402300800000;
  const int64_t milliseconds =
      expiration->is_number_integer() ? expiration->get<int64_t>() : int64_t{-1};
  if (milliseconds < 0 || milliseconds > kYear10000)
    return fail(Code::protocol, "the answer's expiry is no time");
  result->expiry = WallTime(std::chrono::milliseconds(milliseconds));
  return result;
}

Result<SsoToken> parse_sso_token(std::string_view text) {
  const json cached = parse_object(text);
  const std::string token = text_of(cached, "accessToken");
  const std::optional<WallTime> expiry = parse_time(text_of(cached, "expiresAt"));
  if (token.empty() || !is_printable(token) || !expiry)
    return fail(Code::protocol, "the cached token can't be read");
  return SsoToken{token, *expiry};
}

// ---- XML

namespace {

// No entities but XML's five.
pugi::xml_document parse_xml(std::string_view text) {
  pugi::xml_document document;
  document.load_buffer(text.data(), text.size(), pugi::parse_minimal | pugi::parse_escapes,
                       pugi::encoding_utf8);
  return document;
}

}  // namespace

Result<Keys> parse_sts_keys(std::string_view text) {
  const pugi::xml_document document = parse_xml(text);
  // <AssumeRoleResponse><AssumeRoleResult><Credentials>, and the same of …WithWebIdentity.
  const pugi::xml_node result = document.document_element().find_child(
      [](const pugi::xml_node& child) { return !child.child("Credentials").empty(); });
  const pugi::xml_node found = result.child("Credentials");
  return checked({found.child_value("AccessKeyId"), found.child_value("SecretAccessKey"),
                  found.child_value("SessionToken")},
                 found.child_value("Expiration"));
}

std::string refusal_text(std::string_view body) {
  const pugi::xml_document document = parse_xml(body);
  const pugi::xml_node error = document.document_element().child("Error");
  std::string code = error.child_value("Code"), message = error.child_value("Message");
  if (code.empty() && message.empty()) {
    const json answer = parse_object(body);
    code = text_of(answer, "code").empty() ? text_of(answer, "Code") : text_of(answer, "code");
    message = text_of(answer, "message").empty() ? text_of(answer, "Message")
                                                 : text_of(answer, "message");
  }
  if (message.empty()) return shown(code);
  return shown(message) + (code.empty() ? "" : " (" + shown(code) + ")");
}

}  // namespace r3map::backend::s3
