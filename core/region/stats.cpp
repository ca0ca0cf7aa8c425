#include "region/stats.hpp"

#include <array>
#include <cstdio>

namespace r3map::region {

namespace {

struct Metric {
  const char* json;
  const char* prometheus;
  const char* type;
  const char* help;
  uint64_t RegionStats::* value;
};

constexpr std::array kMetrics = {
    Metric{"size", "size_bytes", "gauge", "Size of the object.", &RegionStats::size},
    Metric{"resident", "resident_bytes", "gauge", "Bytes in memory now.", &RegionStats::resident},
    Metric{"pinned", "pinned_bytes", "gauge", "Bytes that can't be evicted now.",
           &RegionStats::pinned},
    Metric{"in_flight", "in_flight_bytes", "gauge", "Bytes asked for and not here yet.",
           &RegionStats::in_flight},
    Metric{"budget", "budget_bytes", "gauge", "Bytes that may be resident.",
           &RegionStats::budget},
    Metric{"faults", "faults_total", "counter", "Page faults answered.", &RegionStats::faults},
    Metric{"failed_faults", "failed_faults_total", "counter", "Page faults answered by SIGBUS.",
           &RegionStats::failed_faults},
    Metric{"requests", "requests_total", "counter", "Reads sent to the store.",
           &RegionStats::requests},
    Metric{"failed_requests", "failed_requests_total", "counter",
           "Reads that failed for good; tries within one are not counted.",
           &RegionStats::failed_requests},
    Metric{"hedged_requests", "hedged_requests_total", "counter",
           "Reads sent again because the first was late.", &RegionStats::hedged_requests},
    Metric{"retries", "retries_total", "counter",
           "Attempts of a read that failed and were followed by another.", &RegionStats::retries},
    Metric{"fetched", "fetched_bytes_total", "counter", "Bytes that arrived from the store.",
           &RegionStats::fetched},
    Metric{"evicted", "evicted_bytes_total", "counter", "Bytes given back.",
           &RegionStats::evicted},
};

// Buckets of the histogram: shorter than 2^n µs, from 16 µs to 67 s.
constexpr unsigned kFirstPower = 4, kLastPower = 26, kPowerStep = 2;

// A URL inside the quotes of either format, which both want to be UTF-8: whatever else is in it
// (a name in Latin-1, say) is shown as URLs show it.
std::string quoted(const std::string& text) {
  std::string out = "\"";
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (byte < ' ' || byte >= 0x7f) {
      std::array<char, 4> hex;
      std::snprintf(hex.data(), hex.size(), "%%%02X", byte);
      out += hex.data();
    } else {
      out += c;
    }
  }
  return out + '"';
}

std::string seconds(uint64_t us) {
  std::array<char, 32> text;
  std::snprintf(text.data(), text.size(), "%llu.%06llu",
                static_cast<unsigned long long>(us / 1'000'000),
                static_cast<unsigned long long>(us % 1'000'000));
  return text.data();
}

std::string us_of(Histogram::Duration duration) { return std::to_string(duration.count()); }

std::string labels(const NamedStats& region) {
  return "region=\"" + std::to_string(region.number) + "\",url=" + quoted(region.url);
}

void begin_metric(std::string& text, const std::string& name, const char* type, const char* help) {
  text += "# HELP " + name + ' ' + help + "\n# TYPE " + name + ' ' + type + '\n';
}

void append_histogram(std::string& text, const std::string& name, const NamedStats& region) {
  const Histogram& times = region.stats.fault_times;
  const auto bucket = [&](const std::string& end, uint64_t count) {
    text += name + "_bucket{" + labels(region) + ",le=\"" + end + "\"} " + std::to_string(count) +
            '\n';
  };
  for (unsigned power = kFirstPower; power <= kLastPower; power += kPowerStep)
    bucket(seconds(uint64_t{1} << power), times.below_power(power));
  bucket("+Inf", times.count());
  text += name + "_sum{" + labels(region) + "} " +
          seconds(static_cast<uint64_t>(times.sum().count())) + '\n';
  text += name + "_count{" + labels(region) + "} " + std::to_string(times.count()) + '\n';
}

}  // namespace

std::string stats_json(const NamedStats& region) {
  const RegionStats& stats = region.stats;
  const Histogram& times = stats.fault_times;
  std::string text = "{\"region\":" + std::to_string(region.number) + ",\"url\":" +
                     quoted(region.url) + ",\"eager\":" + (stats.eager ? "true" : "false");
  for (const Metric& metric : kMetrics)
    text += std::string(",\"") + metric.json + "\":" + std::to_string(stats.*metric.value);
  text += ",\"fault_us\":{\"count\":" + std::to_string(times.count()) +
          ",\"total\":" + us_of(times.sum()) + ",\"p50\":" + us_of(times.percentile(0.5)) +
          ",\"p90\":" + us_of(times.percentile(0.9)) + ",\"p99\":" + us_of(times.percentile(0.99)) +
          ",\"max\":" + us_of(times.max()) + "}}";
  return text;
}

std::string stats_json(std::span<const NamedStats> regions) {
  std::string text = "[";
  for (const NamedStats& region : regions) {
    if (text.size() > 1) text += ',';
    text += stats_json(region);
  }
  return text + ']';
}

std::string stats_prometheus(std::span<const NamedStats> regions) {
  std::string text;
  for (const Metric& metric : kMetrics) {
    const std::string name = std::string("r3map_region_") + metric.prometheus;
    begin_metric(text, name, metric.type, metric.help);
    for (const NamedStats& region : regions)
      text += name + '{' + labels(region) + "} " + std::to_string(region.stats.*metric.value) +
              '\n';
  }
  const std::string eager = "r3map_region_eager";
  begin_metric(text, eager, "gauge", "1: no userfaultfd here; everything was read at open.");
  for (const NamedStats& region : regions)
    text += eager + '{' + labels(region) + "} " + (region.stats.eager ? "1" : "0") + '\n';
  const std::string times = "r3map_region_fault_seconds";
  begin_metric(text, times, "histogram", "From a page fault to its page; failed ones are left out.");
  for (const NamedStats& region : regions) append_histogram(text, times, region);
  return text;
}

}  // namespace r3map::region
