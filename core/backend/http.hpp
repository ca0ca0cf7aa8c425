// http:// and https:// URLs as resources: reading, by ranges.
#pragma once

#include "http/client.hpp"
#include "loop/loop.hpp"
#include "resource/registry.hpp"

namespace r3map::backend {

// Both schemes. The loop and the client outlive the registry.
void register_http(resource::Registry& registry, loop::Loop& loop, http::Client& client);

}  // namespace r3map::backend
