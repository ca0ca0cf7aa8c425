// See options.hpp.
#include "options.hpp"

#include <algorithm>
#include <cctype>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <iterator>

#include "calls.hpp"
#include "failure.hpp"

namespace r3map::cli {

std::optional<uint64_t> parse_size(std::string_view text) {
  uint64_t number = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc{}) return std::nullopt;
  std::string unit(text.substr(static_cast<size_t>(end - text.data())));
  for (char& c : unit) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  if (unit.empty()) return number;
  constexpr std::string_view units = "KMGT";
  size_t place = units.find(unit[0]);
  std::string rest = unit.substr(1);
  if (place == units.npos || !(rest.empty() || rest == "IB" || rest == "B")) return std::nullopt;
  unsigned shift = 10 * (static_cast<unsigned>(place) + 1);
  if (number > UINT64_MAX >> shift) return std::nullopt;
  return number << shift;
}

std::string format_size(uint64_t bytes) {
  if (bytes < 1024) return format_count(bytes, "byte");
  double value = static_cast<double>(bytes);
  size_t unit = 0;
  constexpr std::string_view units = "KMGTPE";
  for (value /= 1024; value >= 1023.5 && unit + 1 < units.size(); value /= 1024) unit++;
  char text[32];
  std::snprintf(text, sizeof text, value < 9.95 ? "%.1f %ciB" : "%.0f %ciB", value, units[unit]);
  return text;
}

std::string format_count(uint64_t count, const std::string& what) {
  return std::to_string(count) + " " + what + (count == 1 ? "" : "s");
}

namespace {

[[noreturn]] void wrong_value(const std::string& name, const std::string& value,
                              const std::string& wanted) {
  throw WrongUsage("-o " + name + "=" + value + ": expected " + wanted);
}

uint64_t size_of(const std::string& name, const std::string& value) {
  auto size = parse_size(value);
  if (!size) wrong_value(name, value, "a size (4096, 64K, 1G)");
  return *size;
}

int set_deadline(r3map_options* options, double seconds) {
  // Rounded up, since 0 means for ever.
  return r3map_options_set_deadline(
      options, static_cast<uint64_t>(std::ceil(std::fmin(seconds, 1e12) * 1000)));
}

int set_seconds(r3map_options* options, const std::string& name, const std::string& value) {
  double seconds = 0;
  auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), seconds);
  if (error != std::errc{} || end != value.data() + value.size() || !(seconds >= 0))
    wrong_value(name, value, "seconds");
  return set_deadline(options, seconds);
}

int set_pull(r3map_options* options, const std::string& name, const std::string& value) {
  if (value == "none") return r3map_options_set_pull(options, R3MAP_PULL_NONE);
  if (value == "readahead") return r3map_options_set_pull(options, R3MAP_PULL_READAHEAD);
  if (value == "all") return r3map_options_set_pull(options, R3MAP_PULL_ALL);
  wrong_value(name, value, "none, readahead or all");
}

std::vector<std::string> split(const std::string& text, char separator) {
  std::vector<std::string> parts;
  for (size_t begin = 0, end; begin <= text.size(); begin = end + 1) {
    end = std::min(text.find(separator, begin), text.size());
    parts.push_back(text.substr(begin, end - begin));
  }
  return parts;
}

// "0+64K,1G+4096"
int set_priority(r3map_options* options, const std::string& name, const std::string& value) {
  std::vector<r3map_range> ranges;
  for (const std::string& part : split(value, ',')) {
    std::vector<std::string> range = split(part, '+');
    if (range.size() != 2) wrong_value(name, value, "OFFSET+LENGTH,...");
    ranges.push_back({size_of(name, range[0]), size_of(name, range[1])});
  }
  return r3map_options_set_priority(options, ranges.data(), ranges.size());
}

int set_fetch_limits(r3map_options* options, const std::string& name, const std::string& value) {
  std::vector<std::string> parts = split(value, ',');
  if (parts.size() != 2) wrong_value(name, value, "REQUESTS,BYTES");
  return r3map_options_set_fetch_limits(options, size_of(name, parts[0]), size_of(name, parts[1]));
}

int set_budget(r3map_options* options, const std::string& name, const std::string& value) {
  return r3map_options_set_budget(options, size_of(name, value));
}
int set_chunk_size(r3map_options* options, const std::string& name, const std::string& value) {
  return r3map_options_set_chunk_size(options, size_of(name, value));
}
int set_pull_order(r3map_options* options, const std::string&, const std::string& value) {
  return r3map_options_set_pull_order(options, value.c_str());
}
int set_trace(r3map_options* options, const std::string&, const std::string& value) {
  return r3map_options_set_trace(options, value.c_str());
}

// What has a typed setter in the ABI. Whatever else there is belongs to the store.
struct Own : OwnOption {
  int (*set)(r3map_options*, const std::string& name, const std::string& value);
};
constexpr Own kOwn[] = {
    {{"budget", "SIZE", "how much may be in memory", true}, set_budget},
    {{"chunk_size", "SIZE", "what a lone page fault fetches; a power of two", true},
     set_chunk_size},
    {{"deadline", "SECONDS", "as --deadline", false}, set_seconds},
    {{"fetch_limits", "REQUESTS,BYTES", "how much may be under way at a time; 0: as suits the store",
      true},
     set_fetch_limits},
    {{"priority", "OFFSET+LENGTH,...", "what is pulled first", true}, set_priority},
    {{"pull", "none|readahead|all", "what is fetched without being asked for [all]", true},
     set_pull},
    {{"pull_order", "FILE", "a trace, whose order the pull follows", true}, set_pull_order},
    {{"trace", "FILE", "where to write what was asked for", true}, set_trace},
};

int set(r3map_options* options, const std::string& name, const std::string& value,
        Source::For what) {
  for (const Own& own : kOwn) {
    if (name != own.name) continue;
    if (own.of_regions && what != Source::For::region)
      throw WrongUsage("-o " + name + ": only regions have it, which 'r3map stat' opens");
    return own.set(options, name, value);
  }
  return r3map_options_set(options, name.c_str(), value.c_str());
}

}  // namespace

std::vector<OwnOption> own_options() { return {std::begin(kOwn), std::end(kOwn)}; }

std::string Source::value_of(const std::string& name) const {
  for (auto option = options.rbegin(); option != options.rend(); ++option)
    if (option->starts_with(name + "=")) return option->substr(name.size() + 1);
  return "";
}

constexpr StoreOption kPin{"pin", "none: take what the store has, whatever its version [auto]"};
constexpr StoreOption kCaBundle{"ca_bundle", "a file of certificates to trust, not the system's"};
constexpr StoreOption kVerify{"verify", "false: certificates are not checked [true]"};
constexpr StoreOption kProxy{"proxy", "http://[user:password@]host:port, for this object alone"};

std::vector<StoreOptions> store_options() {
  return {{"s3://",
           {{"key", "the access key's id; found as AWS's SDKs do without it"},
            {"secret", "the secret access key"},
            {"token", "the session token of temporary keys"},
            {"profile", "a profile of AWS's configuration files"},
            {"anon", "true: requests are not signed, for public buckets [false]"},
            {"endpoint_url", "where the store is, as http://localhost:9000 [AWS]"},
            {"region", "the bucket's region [the profile's, else us-east-1]"},
            {"addressing_style", "virtual (bucket.host), path (host/bucket) or auto: virtual at AWS"},
            {"version_id", "this version, and not the newest"},
            {"requester_pays", "true: you agree to pay for the requests [false]"},
            {"sse_customer_key", "the base64 of the key with which the object was encrypted"},
            kPin, kCaBundle, kVerify, kProxy}},
          {"http:// and https://",
           {kPin, kCaBundle, kVerify, kProxy,
            {"bearer", "a token, sent as Authorization: Bearer"},
            {"header.NAME", "a field that is sent with each request"}}}};
}

Options Source::make_options(For what) const {
  r3map_options* made = nullptr;
  check(r3map_options_new(&made));
  Options result(made);
  for (const std::string& option : options) {
    size_t equals = option.find('=');  // there is one: the command line was checked
    check_usage(set(made, option.substr(0, equals), option.substr(equals + 1), what));
  }
  if (deadline >= 0) check(set_deadline(made, deadline));
  return result;
}

}  // namespace r3map::cli
