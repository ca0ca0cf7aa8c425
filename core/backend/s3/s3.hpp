// s3://bucket/key URLs as resources: reading, by ranges.
#pragma once

#include <string>
#include <string_view>

#include "base/result.hpp"
#include "http/client.hpp"
#include "loop/loop.hpp"
#include "resource/registry.hpp"

namespace r3map::backend::s3 {

// The object's address, as it is sent and signed.
struct Location {
  std::string scheme;  // http or https
  std::string host;    // with a port that is not the scheme's own
  std::string path;    // encoded
};

// What follows "s3://". The key is taken literally, byte for byte: '%', '?' and '#' mean nothing.
struct Place {
  std::string bucket;
  std::string key;
};
Result<Place> parse_place(std::string_view rest);

// `endpoint` empty: AWS's own for the region. `style`: path, virtual or auto.
Result<Location> locate(const Place& place, std::string_view endpoint, std::string_view region,
                        std::string_view style);

// The loop and the client outlive the registry.
void register_s3(resource::Registry& registry, loop::Loop& loop, http::Client& client);

}  // namespace r3map::backend::s3
