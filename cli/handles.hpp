// The C ABI's handles, owned.
#pragma once

#include <memory>

#include "r3map.h"

namespace r3map::cli {

struct Free {
  void operator()(r3map_options* options) const { r3map_options_free(options); }
  void operator()(r3map_queue* queue) const { r3map_queue_free(queue); }
  void operator()(r3map_resource* resource) const { r3map_resource_close(resource); }
  void operator()(r3map_region* region) const { r3map_region_close(region); }
};

using Options = std::unique_ptr<r3map_options, Free>;
using Queue = std::unique_ptr<r3map_queue, Free>;
using Region = std::unique_ptr<r3map_region, Free>;
using Resource = std::unique_ptr<r3map_resource, Free>;

}  // namespace r3map::cli
