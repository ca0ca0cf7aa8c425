#include "backend/s3/error.hpp"

#include <algorithm>
#include <array>
#include <pugixml.hpp>

#include "backend/object.hpp"
#include "backend/s3/address.hpp"

namespace r3map::backend::s3 {

namespace {

struct Known {
  std::string_view name;
  Code code;
  std::string_view text;
  std::string_view remedy = {};
};

constexpr std::array kKnown = {
    Known{"NoSuchKey", Code::not_found, "no such key"},
    Known{"NoSuchBucket", Code::not_found, "no such bucket"},
    Known{"NoSuchVersion", Code::not_found, "no such version"},
    Known{"AccessDenied", Code::denied, "access denied"},
    Known{"AllAccessDisabled", Code::denied, "access denied"},
    Known{"SignatureDoesNotMatch", Code::denied, "access denied", "check key and secret"},
    Known{"InvalidAccessKeyId", Code::denied, "access denied", "check key and secret"},
    Known{"InvalidToken", Code::denied, "access denied", "check token"},
    Known{"ExpiredToken", Code::denied, "the token has expired", "get new credentials"},
    Known{"RequestTimeTooSkewed", Code::denied, "access denied", "check this machine's clock"},
    Known{"RequestExpired", Code::denied, "access denied", "check this machine's clock"},
    Known{"PermanentRedirect", Code::invalid, "the bucket is in another region", "set region"},
    Known{"TemporaryRedirect", Code::busy, "the bucket is moving"},
    Known{"AuthorizationHeaderMalformed", Code::invalid, "the bucket is in another region",
          "set region"},
    Known{"InvalidObjectState", Code::unsupported, "the object is archived", "restore it first"},
    Known{"PreconditionFailed", Code::stale, "the object changed since it was opened"},
    Known{"InvalidRange", Code::out_of_range, "past the end"},
    Known{"SlowDown", Code::busy, "the store asks for patience"},
    Known{"ServiceUnavailable", Code::busy, "the store asks for patience"},
    Known{"RequestLimitExceeded", Code::busy, "the store asks for patience"},
    Known{"Throttling", Code::busy, "the store asks for patience"},
    Known{"ThrottlingException", Code::busy, "the store asks for patience"},
    Known{"RequestTimeout", Code::network, "the store gave the connection up"},
    Known{"InternalError", Code::io, "the store failed"},
};

}  // namespace

ErrorText parse_error(const http::Head& head, std::string_view body) {
  pugi::xml_document document;
  // No entities but XML's five; a truncated document still gives what stands before the cut.
  document.load_buffer(body.data(), body.size(), pugi::parse_minimal | pugi::parse_escapes,
                       pugi::encoding_utf8);
  const pugi::xml_node error = document.child("Error");
  ErrorText text{error.child_value("Code"), error.child_value("Message"),
                 error.child_value("RequestId"), error.child_value("Region"),
                 error.child_value("Endpoint")};
  if (text.request_id.empty()) text.request_id = head.field("x-amz-request-id");
  if (const std::string_view region = head.field("x-amz-bucket-region"); !region.empty())
    text.region = region;
  if (text.region.empty()) text.region = region_of_host(text.endpoint);
  return text;
}

std::string region_of(const http::Head& head, const ErrorText& error) {
  static constexpr std::array<std::string_view, 4> kElsewhere = {
      "PermanentRedirect", "TemporaryRedirect", "AuthorizationHeaderMalformed",
      "IllegalLocationConstraintException"};
  const bool says_so =
      std::find(kElsewhere.begin(), kElsewhere.end(), error.code) != kElsewhere.end();
  const bool redirects = head.status == 301 || head.status == 307;
  return says_so || redirects ? error.region : std::string();
}

Error explain_error(const http::Head& head, std::string_view body) {
  const ErrorText error = parse_error(head, body);
  const auto* known = std::find_if(kKnown.begin(), kKnown.end(), [&](const Known& candidate) {
    return candidate.name == error.code;
  });
  const bool is_known = known != kKnown.end();
  const Code code = is_known ? known->code : code_of_status(head.status);

  std::string text;
  if (is_known) {
    text = known->text;
  } else if (!error.message.empty()) {
    text = "the store answers: " + shown(error.message);
  } else {
    text = code == Code::not_found ? "not found"
           : code == Code::denied  ? "access denied"
                                   : "the store answers " + shown(head.reason);
  }
  text += " (";
  if (!error.code.empty()) text += shown(error.code) + ", ";
  text += std::to_string(head.status);
  if (!error.request_id.empty() && code != Code::not_found)
    text += ", request id " + shown(error.request_id);
  text += ")";
  if (is_known && !known->remedy.empty()) {
    text += ": " + std::string(known->remedy);
    if (known->remedy == "set region" && !error.region.empty()) text += "=" + shown(error.region);
  }
  return {code, text};
}

}  // namespace r3map::backend::s3
