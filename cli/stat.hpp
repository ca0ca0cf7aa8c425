// r3map stat: an object is pulled into a region of this process, which tells how that goes.
#pragma once

#include "options.hpp"

namespace r3map::cli {

struct StatArguments {
  Source source;
  bool watch = false, json = false, prometheus = false;
};

// Throws Failure, WrongUsage, Interrupted.
void stat(const StatArguments& arguments);

}  // namespace r3map::cli
