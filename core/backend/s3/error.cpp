#include "backend/s3/error.hpp"

#include <algorithm>
#include <array>
#include <pugixml.hpp>

#include "backend/status.hpp"
#include "backend/s3/address.hpp"

namespace r3map::backend::s3 {

namespace {

// What only the answer or the asker can add to a remedy.
enum class Detail { none, asker, url, clock, region, tier };

struct Known {
  std::string_view name;
  Code code;
  std::string_view text;
  std::string_view remedy = {};
  Detail detail = Detail::none;
};

constexpr std::string_view kPatience = "the store asks for patience";
constexpr std::string_view kArchived = "the object is archived";
constexpr std::string_view kElsewhere = "the bucket is in another region";

constexpr std::array kKnown = {
    Known{"NoSuchKey", Code::not_found, "no such key", "", Detail::url},
    Known{"NoSuchBucket", Code::not_found, "no such bucket", "check its name and endpoint_url",
          Detail::url},
    Known{"NoSuchVersion", Code::not_found, "no such version", "check version_id"},
    Known{"AccessDenied", Code::denied, "access denied", "", Detail::asker},
    Known{"AllAccessDisabled", Code::denied, "the bucket's owner has disabled all access",
          "", Detail::asker},
    Known{"AccountProblem", Code::denied, "the store has a problem with the account",
          "", Detail::asker},
    Known{"InvalidPayer", Code::denied, "the store has disabled the account that is to pay",
          "", Detail::asker},
    Known{"SignatureDoesNotMatch", Code::denied, "the signature is wrong",
          "check that the secret is this key's", Detail::asker},
    Known{"InvalidAccessKeyId", Code::denied, "the store does not know the key",
          "check key and endpoint_url", Detail::asker},
    Known{"InvalidToken", Code::denied, "the session token is none of this key's", "check token", Detail::asker},
    Known{"ExpiredToken", Code::denied, "the token has expired", "get new credentials", Detail::asker},
    Known{"TokenRefreshRequired", Code::denied, "the token has expired", "get new credentials", Detail::asker},
    Known{"RequestTimeTooSkewed", Code::denied, "this machine's clock is wrong", "set it",
          Detail::clock},
    Known{"RequestExpired", Code::denied, "this machine's clock is wrong", "set it",
          Detail::clock},
    Known{"PermanentRedirect", Code::invalid, kElsewhere, "set region", Detail::region},
    Known{"AuthorizationHeaderMalformed", Code::invalid, kElsewhere, "set region",
          Detail::region},
    Known{"IllegalLocationConstraintException", Code::invalid, kElsewhere, "set region",
          Detail::region},
    Known{"TemporaryRedirect", Code::busy, "the bucket is moving"},
    Known{"InvalidObjectState", Code::unsupported, kArchived, "restore it first",
          Detail::tier},
    Known{"ObjectNotInActiveTierError", Code::unsupported, kArchived, "restore it first",
          Detail::tier},
    Known{"PreconditionFailed", Code::stale, "the object changed since it was opened"},
    Known{"InvalidRange", Code::out_of_range, "past the end"},
    Known{"SlowDown", Code::busy, kPatience},
    Known{"ServiceUnavailable", Code::busy, kPatience},
    Known{"RequestLimitExceeded", Code::busy, kPatience},
    Known{"BandwidthLimitExceeded", Code::busy, kPatience},
    Known{"Throttling", Code::busy, kPatience},
    Known{"ThrottlingException", Code::busy, kPatience},
    Known{"RequestThrottled", Code::busy, kPatience},
    Known{"RequestTimeout", Code::network, "the store gave the connection up"},
    Known{"InternalError", Code::io, "the store failed"},
    Known{"NotImplemented", Code::unsupported, "the store can't do that"},
};

// Of KMS's there are a dozen, each with the key's name in its message.
constexpr Known kKms{"KMS", Code::denied, "the key that encrypts the object can't be used",
                     "whoever reads needs kms:Decrypt, and the key must be enabled", Detail::asker};
constexpr Known kCustomerKey{"", Code::denied, "the object is encrypted with a customer's key",
                             "set sse_customer_key"};
constexpr Known kDeleteMarker{"MethodNotAllowed", Code::not_found,
                              "this version is the mark of a deletion"};

const Known* find_known(const http::Head& head, const ErrorText& error) {
  if (error.code.starts_with("KMS.")) return &kKms;
  if (head.status == 405 && head.field("x-amz-delete-marker") == "true") return &kDeleteMarker;
  // Neither AWS nor MinIO has a code of its own for it.
  const bool of_encryption = error.message.find("Server Side Encryption") != std::string::npos;
  if (head.status == 400 && of_encryption) return &kCustomerKey;
  const auto* known = std::find_if(kKnown.begin(), kKnown.end(), [&](const Known& candidate) {
    return candidate.name == error.code;
  });
  return known == kKnown.end() ? nullptr : known;
}

// "asked with key …WXYZ of the environment": enough to tell one's keys apart, and no secret. More
// than half of a key is never shown.
std::string asker_text(const Asker& asker) {
  if (asker.key.empty()) return "asked without credentials";
  static constexpr size_t kShown = 4;
  std::string text = "asked with a key";
  const std::string_view key = asker.key;
  if (key.size() >= 2 * kShown)
    text = "asked with key …" + shown(key.substr(key.size() - kShown));
  return asker.source.empty() ? text : text + " of " + asker.source;
}

// Shows a bucket that stands in endpoint_url as well, and a store that is another than was meant.
std::string url_text(const Asker& asker) {
  return asker.url.empty() ? std::string() : "asked for " + shown(asker.url);
}

// "check token", "asked for …" → "check token; asked for …".
std::string joined(std::string remedy, const std::string& detail) {
  if (remedy.empty()) return detail;
  return detail.empty() ? remedy : std::move(remedy) + "; " + detail;
}

// " (17 min behind the store's)", as the answer's Date has it.
std::string clock_text(const http::Head& head, std::chrono::sys_seconds now) {
  const auto theirs = http::parse_http_date(head.field("date"));
  if (!theirs) return {};
  const auto minutes = std::chrono::duration_cast<std::chrono::minutes>(now - *theirs).count();
  return " (" + std::to_string(std::abs(minutes)) + " min " +
         (minutes < 0 ? "behind" : "ahead of") + " the store's)";
}

std::string remedy_text(const Known& known, const http::Head& head, const ErrorText& error,
                        const Asker& asker) {
  const std::string text(known.remedy);
  switch (known.detail) {
    case Detail::none: return text;
    case Detail::asker: return joined(text, asker_text(asker));
    case Detail::url: return joined(text, url_text(asker));
    case Detail::clock: return text + clock_text(head, asker.now);
    case Detail::region: return error.region.empty() ? text : text + "=" + shown(error.region);
    case Detail::tier:
      return error.storage_class.empty() ? text : text + " (" + shown(error.storage_class) + ")";
  }
  return text;
}

}  // namespace

ErrorText parse_error(const http::Head& head, std::string_view body) {
  pugi::xml_document document;
  // No entities but XML's five; a truncated document still gives what stands before the cut.
  document.load_buffer(body.data(), body.size(), pugi::parse_minimal | pugi::parse_escapes,
                       pugi::encoding_utf8);
  const pugi::xml_node error = document.child("Error");
  ErrorText text{error.child_value("Code"), error.child_value("Message"),
                 error.child_value("RequestId"), error.child_value("Region"),
                 error.child_value("StorageClass")};
  if (text.request_id.empty()) text.request_id = head.field("x-amz-request-id");
  if (const std::string_view region = head.field("x-amz-bucket-region"); !region.empty())
    text.region = region;
  if (text.region.empty()) text.region = region_of_host(error.child_value("Endpoint"));
  return text;
}

std::string region_of(const http::Head& head, const ErrorText& error) {
  static constexpr std::array<std::string_view, 4> kCodes = {
      "PermanentRedirect", "TemporaryRedirect", "AuthorizationHeaderMalformed",
      "IllegalLocationConstraintException"};
  const bool says_so = std::find(kCodes.begin(), kCodes.end(), error.code) != kCodes.end();
  const bool redirects = head.status == 301 || head.status == 307;
  return says_so || redirects ? error.region : std::string();
}

bool rejects_keys(const ErrorText& error) {
  static constexpr std::array<std::string_view, 5> kCodes = {
      "ExpiredToken", "TokenRefreshRequired", "InvalidToken", "InvalidTokenId",
      "InvalidAccessKeyId"};
  return std::find(kCodes.begin(), kCodes.end(), error.code) != kCodes.end();
}

Error explain_error(const http::Head& head, std::string_view body, const Asker& asker) {
  const ErrorText error = parse_error(head, body);
  const Known* const known = find_known(head, error);
  const Code code = known ? known->code : code_of_status(head.status);

  std::string text;
  if (known) {
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
  if (!error.request_id.empty()) text += ", request id " + shown(error.request_id);
  text += ")";
  std::string remedy;
  if (known) remedy = remedy_text(*known, head, error, asker);
  else if (code == Code::denied) remedy = asker_text(asker);
  else if (code == Code::not_found) remedy = url_text(asker);
  else if (wants_tls(head, body)) remedy = "TLS there: https://?";
  if (!remedy.empty()) text += ": " + remedy;
  return {code, text};
}

}  // namespace r3map::backend::s3
