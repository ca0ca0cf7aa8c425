#include "backend/s3/address.hpp"

#include <arpa/inet.h>

#include <algorithm>

#include "backend/status.hpp"
#include "backend/s3/endpoint.hpp"
#include "base/limits.hpp"
#include "resource/url.hpp"

namespace r3map::backend::s3 {

namespace {

constexpr std::string_view kAws = ".amazonaws.com";
constexpr std::string_view kAwsChina = ".amazonaws.com.cn";

bool is_lower_or_digit(char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); }

bool is_bucket_char(char c) {
  return is_lower_or_digit(c) || (c >= 'A' && c <= 'Z') || c == '.' || c == '-' || c == '_';
}

bool is_chinese(std::string_view region) { return region.starts_with("cn-"); }

// Fit for one label of a host name; with dots, no certificate would cover it.
bool fits_host_name(std::string_view bucket) {
  return bucket.size() >= 3 && bucket.size() <= 63 && is_lower_or_digit(bucket.front()) &&
         is_lower_or_digit(bucket.back()) &&
         std::all_of(bucket.begin(), bucket.end(),
                     [](char c) { return is_lower_or_digit(c) || c == '-'; });
}

// "127.0.0.1:9000", "[::1]": an address has no names below it.
bool is_address(std::string_view host) {
  const std::string name(host.substr(0, host.find(':')));
  in_addr address{};
  return host.starts_with('[') || inet_pton(AF_INET, name.c_str(), &address) == 1;
}

// What would only fail later, with a message that leads astray.
Result<> check_aws_host(std::string_view host, const Place& place, bool is_virtual) {
  if (host.starts_with(place.bucket + "."))
    return fail(Code::invalid, "endpoint_url names the bucket, too: leave '" + place.bucket +
                                   ".' away there");
  if (host.find("s3-accelerate.") != host.npos && !is_virtual)
    return fail(Code::invalid, "accelerated endpoints take buckets as a part of their name only, "
                               "which '" + shown(place.bucket) + "' can't be");
  return {};
}

}  // namespace

bool is_region(std::string_view text) {
  return text.size() <= limits::kRegionName &&
         std::all_of(text.begin(), text.end(),
                     [](char c) { return is_bucket_char(c) && c != '.'; });
}

bool is_aws_host(std::string_view host) {
  std::string name(host.substr(0, host.find(':')));
  for (char& c : name)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  return name.ends_with(kAws) || name.ends_with(kAwsChina);
}

Result<Place> parse_place(std::string_view rest) {
  const size_t slash = std::min(rest.find('/'), rest.size());
  Place place{std::string(rest.substr(0, slash)),
              std::string(slash < rest.size() ? rest.substr(slash + 1) : std::string_view())};
  const std::string& bucket = place.bucket;
  if (bucket.empty()) return fail(Code::invalid, "the URL names no bucket: s3://bucket/key");
  if (bucket.size() > limits::kBucketLength || bucket == "." || bucket == ".." ||
      !std::all_of(bucket.begin(), bucket.end(), is_bucket_char))
    return fail(Code::invalid, "'" + shown(bucket) + "' is no bucket's name");
  if (place.key.empty()) return fail(Code::invalid, "the URL names no key: s3://bucket/key");
  if (place.key.size() > limits::kKeyLength)
    return fail(Code::invalid,
                "the key is longer than " + std::to_string(limits::kKeyLength) + " bytes");
  return place;
}

Result<http::Target> locate(const Place& place, std::string_view endpoint, std::string_view region,
                        std::string_view style) {
  if (style != "auto" && style != "path" && style != "virtual")
    return fail(Code::invalid,
                "addressing_style is auto, path or virtual, not '" + shown(style) + "'");
  if (!is_region(region))
    return fail(Code::invalid, "'" + shown(region) + "' is no region");
  const std::string_view domain = is_chinese(region) ? kAwsChina : kAws;
  const std::string of_region = "s3." + std::string(region) + std::string(domain);
  Result<Endpoint> at =
      endpoint.empty() ? Endpoint{"https", of_region, ""} : parse_endpoint(endpoint);
  if (!at) return fail(std::move(at.error()));

  const bool of_aws = is_aws_host(at->host);
  const bool can_be_virtual = fits_host_name(place.bucket);
  if (style == "virtual" && !can_be_virtual)
    return fail(Code::invalid, "'" + shown(place.bucket) +
                                   "' can't be part of a host name: addressing_style=path");
  if (style == "virtual" && is_address(at->host))
    return fail(Code::invalid, "addressing_style=virtual: " + shown(at->host) +
                                   " is an address and takes no bucket before it: give "
                                   "endpoint_url a host's name, or addressing_style=path");
  if (of_aws)
    if (Result<> fits = check_aws_host(at->host, place, can_be_virtual && style != "path"); !fits)
      return fail(std::move(fits.error()));
  const std::string key = resource::percent_encode(place.key, true);
  if (style == "virtual" || (style == "auto" && of_aws && can_be_virtual))
    return http::Target{at->scheme, place.bucket + "." + at->host, at->prefix + "/" + key,
                        std::string(region)};
  return http::Target{at->scheme, at->host, at->prefix + "/" + place.bucket + "/" + key,
                      std::string(region)};
}

namespace {

// "bucket.s3.us-east-1" → "us-east-1", and what stands before its dot remains.
std::string_view cut_label(std::string_view& name) {
  const size_t dot = name.rfind('.');
  const std::string_view label = dot == name.npos ? name : name.substr(dot + 1);
  name.remove_suffix(std::min(name.size(), label.size() + 1));
  return label;
}

std::string_view last_label(std::string_view name) { return cut_label(name); }

// `name`: a host of AWS's without its domain. Those that belong to no region, or are no S3's own
// (an interface endpoint in somebody's network), stay as they are.
std::string name_in_region(std::string_view name, std::string_view region) {
  std::string_view front = name;
  const std::string_view last = cut_label(front);
  if (last == "s3") return std::string(name) + "." + std::string(region);
  if (last.starts_with("s3-") && !last.starts_with("s3-accelerate"))
    return std::string(name.substr(0, name.size() - last.size())) + "s3." + std::string(region);
  std::string_view service = last_label(front);
  if (service == "dualstack") {
    cut_label(front);
    service = last_label(front);
  }
  if (service != "s3" && service != "s3-fips") return std::string(name);
  return std::string(name.substr(0, name.size() - last.size())) + std::string(region);
}

}  // namespace

std::optional<http::Target> in_region(const http::Target& target, std::string_view region) {
  if (region.empty() || !is_region(region)) return std::nullopt;
  http::Target moved = target;
  moved.region = region;
  for (const std::string_view domain : {kAws, kAwsChina}) {
    if (!target.host.ends_with(domain)) continue;
    // China's regions know no other's keys.
    if (is_chinese(region) != (domain == kAwsChina)) return std::nullopt;
    const std::string_view host = target.host;
    moved.host = name_in_region(host.substr(0, host.size() - domain.size()), region);
    moved.host += domain;
  }
  if (moved == target) return std::nullopt;
  return moved;
}

std::string region_of_host(std::string_view host) {
  for (const std::string_view domain : {kAws, kAwsChina}) {
    if (!host.ends_with(domain)) continue;
    host.remove_suffix(domain.size());
    const std::string_view last = last_label(host);
    if (last == "s3" || last.starts_with("s3-accelerate")) return {};
    return std::string(last.starts_with("s3-") ? last.substr(3) : last);
  }
  return {};
}

}  // namespace r3map::backend::s3
