// Where an object of S3's is: buckets, keys, endpoints and regions. Pure.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/result.hpp"
#include "http/target.hpp"

namespace r3map::backend::s3 {

// What follows "s3://". The key is taken literally, byte for byte: '%', '?' and '#' mean nothing.
struct Place {
  std::string bucket;
  std::string key;
};
Result<Place> parse_place(std::string_view rest);

// Where to ask for it. `endpoint` empty: AWS's own for the region. `style`: path, virtual or auto.
Result<http::Target> locate(const Place& place, std::string_view endpoint, std::string_view region,
                            std::string_view style);

// The same object, signed for another region; at AWS by the other region's host. Nothing: there
// is no other place by that name.
std::optional<http::Target> in_region(const http::Target& target, std::string_view region);

// Of AWS's, or what another store calls its own: fit for a host's name.
bool is_region(std::string_view text);

// Whether AWS has this host's name; it may have a port.
bool is_aws_host(std::string_view host);

// "bucket.s3.eu-west-1.amazonaws.com" → "eu-west-1"; empty for a host that names none.
std::string region_of_host(std::string_view host);

}  // namespace r3map::backend::s3
