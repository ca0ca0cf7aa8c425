// r3map trace: what a region was asked for, and when.
#pragma once

#include <string>

namespace r3map::cli {

struct TraceArguments {
  std::string trace;
  std::string png;  // "": none
  bool json = false;
};

// Throws Failure.
void show_trace(const TraceArguments& arguments);

}  // namespace r3map::cli
