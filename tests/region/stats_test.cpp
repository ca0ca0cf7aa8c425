#include "region/stats.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <vector>

namespace r3map::region {
namespace {

using testing::HasSubstr;
using us = Histogram::Duration;

NamedStats some(uint64_t number, const std::string& url) {
  NamedStats named{number, url, {}};
  named.stats.size = 1000;
  named.stats.resident = 500;
  named.stats.faults = 3;
  for (const int took : {10, 100, 2'000'000}) named.stats.fault_times.add(us(took));
  return named;
}

TEST(StatsJson, NamesEveryField) {
  EXPECT_EQ(stats_json(some(7, "s3://b/k")),
            R"({"region":7,"url":"s3://b/k","eager":false,"size":1000,"resident":500,"pinned":0,)"
            R"("in_flight":0,"budget":0,"faults":3,"failed_faults":0,"requests":0,)"
            R"("failed_requests":0,"hedged_requests":0,"retries":0,"fetched":0,"evicted":0,)"
            R"("fault_us":{"count":3,"total":2000110,"p50":111,"p90":2000000,"p99":2000000,)"
            R"("max":2000000}})");
}

TEST(StatsJson, IsAnArrayForSeveral) {
  EXPECT_EQ(stats_json(std::vector<NamedStats>{}), "[]");
  const std::vector<NamedStats> two = {some(1, "a:"), some(2, "b:")};
  EXPECT_EQ(stats_json(two), "[" + stats_json(two[0]) + "," + stats_json(two[1]) + "]");
}

TEST(StatsPrometheus, HasEachMetricOnceAndASampleARegion) {
  const std::string text =
      stats_prometheus(std::vector<NamedStats>{some(1, "s3://b/k"), some(2, "s3://b/k")});
  EXPECT_THAT(text, HasSubstr("# HELP r3map_region_resident_bytes Bytes in memory now.\n"
                              "# TYPE r3map_region_resident_bytes gauge\n"
                              "r3map_region_resident_bytes{region=\"1\",url=\"s3://b/k\"} 500\n"
                              "r3map_region_resident_bytes{region=\"2\",url=\"s3://b/k\"} 500\n"));
  EXPECT_THAT(text, HasSubstr("# TYPE r3map_region_faults_total counter\n"));
  EXPECT_EQ(text.back(), '\n');
  size_t types = 0;
  for (size_t at = 0; (at = text.find("# TYPE ", at)) != text.npos; ++at) {
    const std::string line = text.substr(at, text.find('\n', at) - at + 1);
    EXPECT_EQ(text.find(line, at + 1), text.npos) << line;
    EXPECT_EQ(line.ends_with(" counter\n"), line.find("_total ") != line.npos) << line;
    ++types;
  }
  EXPECT_EQ(types, 15u);
}

TEST(StatsPrometheus, TheHistogramIsCumulativeAndInSeconds) {
  const std::string text = stats_prometheus(std::vector<NamedStats>{some(1, "s3://b/k")});
  const std::string labels = "{region=\"1\",url=\"s3://b/k\"";
  for (const char* row :
       {",le=\"0.000016\"} 1\n", ",le=\"0.000064\"} 1\n", ",le=\"0.000256\"} 2\n",
        ",le=\"1.048576\"} 2\n", ",le=\"4.194304\"} 3\n", ",le=\"67.108864\"} 3\n",
        ",le=\"+Inf\"} 3\n"})
    EXPECT_THAT(text, HasSubstr("r3map_region_fault_seconds_bucket" + labels + row));
  EXPECT_THAT(text, HasSubstr("r3map_region_fault_seconds_sum" + labels + "} 2.000110\n"));
  EXPECT_THAT(text, HasSubstr("r3map_region_fault_seconds_count" + labels + "} 3\n"));
}

TEST(StatsText, EscapesTheUrl) {
  const NamedStats odd = some(1, "/a \"b\" \\c\xe9\xc3\xa9");
  EXPECT_THAT(stats_json(odd), HasSubstr(R"("url":"/a \"b\" \\c%E9%C3%A9")"));
  EXPECT_THAT(stats_prometheus(std::vector<NamedStats>{odd}),
              HasSubstr(R"(url="/a \"b\" \\c%E9%C3%A9"})"));
}

}  // namespace
}  // namespace r3map::region
