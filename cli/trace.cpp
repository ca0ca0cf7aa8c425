// See trace.hpp.
#include "trace.hpp"

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <vector>

#include "calls.hpp"
#include "failure.hpp"
#include "json.hpp"
#include "options.hpp"
#include "output.hpp"
#include "picture.hpp"
#include "terminal.hpp"

namespace r3map::cli {
namespace {

constexpr size_t kTextRows = 20;
constexpr size_t kPngColumns = 512, kPngRows = 256;
constexpr size_t kPngWidth = 1024, kPngHeight = 512;

struct Trace {
  uint64_t size = 0;
  std::vector<r3map_trace_entry> entries;

  uint64_t milliseconds() const { return entries.empty() ? 0 : entries.back().milliseconds; }
};

Trace read_trace(const std::string& path) {
  Trace trace;
  // It may be replaced by a longer one meanwhile.
  for (size_t count = 1; count > trace.entries.size();) {
    trace.entries.resize(count);
    count = static_cast<size_t>(check(
        r3map_trace_read(path.c_str(), &trace.size, trace.entries.data(), trace.entries.size())));
    if (count <= trace.entries.size()) trace.entries.resize(count);
  }
  std::stable_sort(trace.entries.begin(), trace.entries.end(), [](const auto& a, const auto& b) {
    return a.milliseconds < b.milliseconds;
  });
  return trace;
}

// Bytes that were asked for at least once.
uint64_t covered(std::vector<r3map_trace_entry> entries) {
  std::sort(entries.begin(), entries.end(),
            [](const auto& a, const auto& b) { return a.offset < b.offset; });
  uint64_t bytes = 0, reached = 0;
  for (const r3map_trace_entry& entry : entries) {
    uint64_t end = entry.offset + entry.length;
    if (end > reached) bytes += end - std::max(entry.offset, reached);
    reached = std::max(reached, end);
  }
  return bytes;
}

// The object from left to right, time from top to bottom.
Picture draw(const Trace& trace, size_t columns, size_t most_rows) {
  uint64_t end = trace.milliseconds() + 1;
  // Sizes of up to 2^46 bytes: no product here overflows.
  columns = std::clamp<size_t>(trace.size, 1, columns);
  Picture picture(columns, static_cast<size_t>(std::min<uint64_t>(most_rows, end)));
  std::vector<uint64_t> bytes(picture.size());
  const auto border = [&](uint64_t column) {
    return trace.size / columns * column + trace.size % columns * column / columns;
  };
  const auto column_of = [&](uint64_t offset) {
    auto column = static_cast<uint64_t>(static_cast<long double>(offset) * columns / trace.size);
    while (column > 0 && border(column) > offset) column--;
    while (border(column + 1) <= offset) column++;
    return column;
  };
  for (const r3map_trace_entry& entry : trace.entries) {
    uint64_t row = entry.milliseconds * picture.rows() / end;
    uint64_t stop = std::min(entry.offset + entry.length, trace.size);
    for (uint64_t at = entry.offset; at < stop;) {
      uint64_t column = column_of(at), next = std::min(border(column + 1), stop);
      uint64_t& cell = bytes[row * columns + column];
      cell = std::min(cell + (next - at), border(column + 1) - border(column));  // asked for twice
      at = next;
    }
  }
  for (size_t i = 0; i < bytes.size(); i++) {
    uint64_t whole = border(i % columns + 1) - border(i % columns);
    if (bytes[i] > 0)
      picture.data()[i] = static_cast<uint8_t>(std::max<uint64_t>(bytes[i] * 255 / whole, 1));
  }
  return picture;
}

void write(Output output, const std::string& bytes) {
  output.write(reinterpret_cast<const std::byte*>(bytes.data()), bytes.size());
  output.finish();
}

std::string summary(const Trace& trace) {
  uint64_t bytes = covered(trace.entries);
  return "size:     " + format_size(trace.size) + "\nranges:   " +
         std::to_string(trace.entries.size()) + "\ntouched:  " + format_size(bytes) +
         format_share(bytes, trace.size) + "\ntime:     " + format_seconds(trace.milliseconds()) +
         "\n";
}

std::string picture_text(const Trace& trace) {
  std::string text = draw(trace, terminal_width() - 2, kTextRows).text();
  return "\nthe object from left to right, time from top to bottom:\n" + text;
}

// Also by another name, or through a link: what was recorded can't be had again.
void check_keeps_trace(const TraceArguments& arguments) {
  std::error_code error;  // a picture that is not there yet
  if (std::filesystem::equivalent(arguments.trace, arguments.png, error))
    throw Failure("write " + arguments.png + ": it is the trace, which the picture would replace");
}

}  // namespace

void show_trace(const TraceArguments& arguments) {
  check_keeps_trace(arguments);
  Trace trace = read_trace(arguments.trace);
  if (!arguments.png.empty()) {
    std::string png = draw(trace, kPngColumns, kPngRows).png(kPngWidth, kPngHeight);
    if (arguments.png == "-") return write(Output::standard_output(), png);
    write(Output::file(arguments.png, "", png.size()), png);
  }
  std::string text;
  if (arguments.json) {
    text = Json().add("size", trace.size)
               .add("ranges", trace.entries.size())
               .add("touched", covered(trace.entries))
               .add("milliseconds", trace.milliseconds())
               .text();
  } else {
    text = summary(trace);
    if (arguments.png.empty()) text += picture_text(trace);
  }
  write(Output::standard_output(), text);
}

}  // namespace r3map::cli
