// See stat.hpp.
#include "stat.hpp"

#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <string>

#include "calls.hpp"
#include "failure.hpp"
#include "output.hpp"
#include "picture.hpp"
#include "terminal.hpp"

namespace r3map::cli {
namespace {

using Clock = std::chrono::steady_clock;

constexpr size_t kMostRows = 8;
constexpr uint64_t kPage = 4096;

class Pulled {
 public:
  explicit Pulled(const Source& source) : url_(shown_url(source.url)) {
    Options options = source.make_options(Source::For::region);
    check(r3map_region_open_async(source.url.c_str(), options.get(), calls_.queue(), 0));
    region_.reset(reinterpret_cast<r3map_region*>(static_cast<uintptr_t>(calls_.wait())));
    warn_of_pull_order(source);
    check(r3map_region_wait_async(region_.get(), calls_.queue(), 0));
  }

  // Whether all has come. Waits a while for it; throws what it failed with.
  bool done() {
    r3map_completion completion{};
    if (!calls_.next(completion)) return false;
    time_ = Clock::now() - begin_;
    return true;
  }

  // What is here, and in how much time: for people.
  std::string text() const {
    r3map_stats stats = this->stats();
    double seconds = std::chrono::duration<double>(time_).count();
    auto rate = static_cast<uint64_t>(static_cast<double>(stats.fetched) / std::max(seconds, 1e-3));
    return "url:      " + url_ + "\nsize:     " + format_size(stats.size) + "\nresident: " +
           format_size(stats.resident) + "\nfetched:  " + format_size(stats.fetched) + " in " +
           format_count(stats.requests, "request") + ", " +
           format_seconds(static_cast<uint64_t>(seconds * 1000)) + ", " + format_size(rate) +
           "/s\nbudget:   " + format_size(stats.budget) + "\n" +
           (stats.eager ? "eager:    userfaultfd is forbidden here\n" : "") + picture().text();
  }

  // One line of what changes, under the picture; and how many lines that are.
  std::string live(size_t& lines) const {
    Picture now = picture();
    r3map_stats stats = this->stats();
    double seconds = std::chrono::duration<double>(Clock::now() - begin_).count();
    auto rate = static_cast<uint64_t>(static_cast<double>(stats.fetched) / std::max(seconds, 1e-3));
    std::string line = format_size(stats.resident) + " of " + format_size(stats.size) +
                       format_share(std::min(stats.resident, stats.size), stats.size) + "  " +
                       format_size(stats.in_flight) + " in flight  " +
                       format_count(stats.requests, "request") + "  " + format_size(rate) + "/s";
    lines = now.rows() + 1;
    return now.text() + "\033[K" + line.substr(0, terminal_width() - 1) + "\n";
  }

  // R3MAP_STATS_…
  std::string stats_text(int format) const {
    // Numbers may grow between the calls.
    for (size_t room = 4096;; room *= 2) {
      std::string text(room, '\0');
      auto length = static_cast<size_t>(
          check(r3map_region_stats_text(region_.get(), format, text.data(), text.size())));
      if (length >= room) continue;
      text.resize(length);
      return text;
    }
  }

 private:
  // A trace is of some object; to the library it is only ranges.
  void warn_of_pull_order(const Source& source) const {
    std::string trace = source.value_of("pull_order");
    uint64_t traced = 0, size = 0;
    check(r3map_region_size(region_.get(), &size));
    if (trace.empty() || r3map_trace_read(trace.c_str(), &traced, nullptr, 0) < 0 || traced == size)
      return;
    std::fprintf(stderr,
                 "r3map: warning: -o pull_order=%s: a trace of an object of %s, this object has %s\n",
                 trace.c_str(), format_count(traced, "byte").c_str(), std::to_string(size).c_str());
  }

  r3map_stats stats() const {
    r3map_stats stats{};
    stats.struct_size = sizeof stats;
    check(r3map_region_stats(region_.get(), &stats));
    return stats;
  }

  // As many cells as the terminal has room for, but none smaller than a page.
  Picture picture() const {
    uint64_t size = 0;
    check(r3map_region_size(region_.get(), &size));
    uint64_t pages = std::max<uint64_t>((size + kPage - 1) / kPage, 1);
    size_t columns = std::min<uint64_t>(terminal_width() - 2, pages);
    size_t rows = std::clamp<uint64_t>(pages / columns, 1, kMostRows);
    Picture picture(columns, rows);
    check(r3map_region_residency(region_.get(), 0, size, picture.data(), picture.size()));
    return picture;
  }

  std::string url_;
  Clock::time_point begin_ = Clock::now();
  Clock::duration time_{};
  Calls calls_;
  Region region_;
};

// A picture that is drawn again at its place.
class Live {
 public:
  explicit Live(bool wanted) : shown_(wanted && isatty(STDOUT_FILENO)) {}
  ~Live() { clear(); }

  void update(const Pulled& pulled) {
    if (!shown_) return;
    size_t lines = 0;
    std::string text = pulled.live(lines);
    clear();
    lines_ = lines;
    (void)!write(STDOUT_FILENO, text.data(), text.size());
  }

 private:
  void clear() {
    if (lines_ == 0) return;
    std::string up = "\033[" + std::to_string(lines_) + "A\033[J";
    (void)!write(STDOUT_FILENO, up.data(), up.size());
    lines_ = 0;
  }

  bool shown_;
  size_t lines_ = 0;
};

}  // namespace

void stat(const StatArguments& arguments) {
  // A region pulls nothing by itself.
  StatArguments all = arguments;
  all.source.options.insert(all.source.options.begin(), "pull=all");
  Pulled pulled(all.source);
  {
    Live live(arguments.watch);
    live.update(pulled);
    while (!pulled.done()) live.update(pulled);
  }
  std::string text = arguments.json         ? pulled.stats_text(R3MAP_STATS_JSON) + "\n"
                     : arguments.prometheus ? pulled.stats_text(R3MAP_STATS_PROMETHEUS)
                                            : pulled.text();
  Output output = Output::standard_output();
  output.write(reinterpret_cast<const std::byte*>(text.data()), text.size());
  output.finish();
}

}  // namespace r3map::cli
