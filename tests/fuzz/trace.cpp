// Trace files: what a region is told to pull first.
#include "region/trace.hpp"

#include "base/limits.hpp"
#include "fuzz.hpp"

using namespace r3map;

int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const Result<region::Trace> trace = region::parse_trace(fuzz::text_of(data, size));
  if (!trace) {
    FUZZ_CHECK(trace.error().code == Code::invalid && fuzz::is_one_line(trace.error().message));
    return 0;
  }
  FUZZ_CHECK(trace->entries.size() <= limits::kTraceEntries);
  for (const region::TraceEntry& entry : trace->entries)
    FUZZ_CHECK(!entry.range.empty() && entry.range.offset <= limits::kRegionSize &&
               entry.range.length <= limits::kRegionSize);
  return 0;
}
