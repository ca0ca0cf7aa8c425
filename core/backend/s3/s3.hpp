// s3://bucket/key URLs as resources: reading, by ranges.
#pragma once

#include "http/client.hpp"
#include "loop/loop.hpp"
#include "loop/worker_pool.hpp"
#include "resource/registry.hpp"

namespace r3map::backend::s3 {

// The loop, the client and the workers, which read AWS's files, outlive the registry.
void register_s3(resource::Registry& registry, loop::Loop& loop, http::Client& client,
                 loop::WorkerPool& workers);

}  // namespace r3map::backend::s3
