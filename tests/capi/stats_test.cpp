// What a region tells about itself: as a struct, as text, as a picture.

#include <algorithm>

#include "capi/support.hpp"
#include "support/sigbus.hpp"

namespace r3map::test {
namespace {

constexpr uint64_t kMiB = 1 << 20;
constexpr uint64_t kPage = 4096;

// The whole of a text that grows from call to call.
template <typename Call>
std::string text_of(Call call) {
  std::string text;
  for (size_t room = 64;; room *= 2) {
    text.resize(room);
    const int length = call(text.data(), text.size());
    EXPECT_GE(length, 0) << message();
    if (length < 0 || static_cast<size_t>(length) < room) {
      text.resize(static_cast<size_t>(std::max(length, 0)));
      return text;
    }
  }
}
std::string stats_text(const Region& region, int format) {
  return text_of([&](char* buffer, size_t length) {
    return r3map_region_stats_text(region.get(), format, buffer, length);
  });
}
std::string all_stats_text(int format) {
  return text_of([&](char* buffer, size_t length) {
    return r3map_stats_text(format, buffer, length);
  });
}
bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != text.npos;
}

class StatsTest : public testing::Test {
 protected:
  TempFile file_{2 * kMiB};
};

TEST_F(StatsTest, TellHowLongFaultsTook) {
  const Region region = open_region(file_.url());
  EXPECT_EQ(stats_of(region).fault_count, 0u);
  for (uint64_t at = 0; at < 2 * kMiB; at += kMiB / 2)
    EXPECT_EQ(touch(data_of(region) + at), content_at(at));
  const r3map_stats stats = stats_of(region);
  EXPECT_GE(stats.fault_count, 1u);
  EXPECT_LE(stats.fault_count, stats.faults);
  EXPECT_LE(stats.fault_us_p50, stats.fault_us_p99);
  EXPECT_LE(stats.fault_us_p99, stats.fault_us_max);
  EXPECT_LE(stats.fault_us_max, stats.fault_us_total);
}

TEST_F(StatsTest, AreTextOfOneRegion) {
  const Region region = open_region(file_.url());
  const std::string json = stats_text(region, R3MAP_STATS_JSON);
  EXPECT_EQ(json.front(), '{') << json;
  EXPECT_TRUE(contains(json, "\"url\":\"" + file_.url() + "\"")) << json;
  EXPECT_TRUE(contains(json, "\"size\":2097152,")) << json;
  const std::string prometheus = stats_text(region, R3MAP_STATS_PROMETHEUS);
  EXPECT_TRUE(contains(prometheus, "# TYPE r3map_region_size_bytes gauge\n")) << prometheus;
  EXPECT_TRUE(contains(prometheus, ",url=\"" + file_.url() + "\"} 2097152\n")) << prometheus;
}

TEST_F(StatsTest, AreTextOfAllRegions) {
  const auto regions = [](const std::string& text) {
    const std::string begin = "{\"region\":";
    size_t count = 0;
    for (size_t at = 0; (at = text.find(begin, at)) != text.npos; ++at) ++count;
    return count;
  };
  const size_t before = regions(all_stats_text(R3MAP_STATS_JSON));  // of other tests
  const Region one = open_region(file_.url()), other = open_region(file_.url());
  const std::string json = all_stats_text(R3MAP_STATS_JSON);
  EXPECT_EQ(json.front(), '[');
  EXPECT_EQ(json.back(), ']');
  EXPECT_EQ(regions(json), before + 2) << json;
  const std::string text = all_stats_text(R3MAP_STATS_PROMETHEUS);
  const std::string type = "# TYPE r3map_region_faults_total counter\n";
  EXPECT_EQ(text.find(type), text.rfind(type)) << text;
  // Of one URL, and still two series.
  const std::string sample = "\nr3map_region_size_bytes{";
  const size_t second = text.rfind(sample), first = text.rfind(sample, second - 1);
  ASSERT_NE(first, text.npos) << text;
  EXPECT_NE(text.substr(first, text.find('\n', first + 1) - first),
            text.substr(second, text.find('\n', second + 1) - second));
}

TEST_F(StatsTest, RefuseAFormatThatIsNone) {
  const Region region = open_region(file_.url());
  for (const int format : {-1, 2}) {
    EXPECT_FAILS(R3MAP_EINVAL, "no format",
                 r3map_region_stats_text(region.get(), format, nullptr, 0));
    EXPECT_FAILS(R3MAP_EINVAL, "no format", r3map_stats_text(format, nullptr, 0));
  }
}

TEST_F(StatsTest, TextIsCutToItsBuffer) {
  const Region region = open_region(file_.url());
  char text[8] = "xxxxxxx";
  EXPECT_GT(r3map_region_stats_text(region.get(), R3MAP_STATS_JSON, text, sizeof text), 100);
  EXPECT_STREQ(text, "{\"regio");
  EXPECT_GT(r3map_region_stats_text(region.get(), R3MAP_STATS_JSON, nullptr, 0), 100);
}

std::vector<int> residency(const Region& region, uint64_t offset, uint64_t length, size_t cells) {
  std::vector<unsigned char> map(cells, 99);
  EXPECT_EQ(r3map_region_residency(region.get(), offset, length, map.data(), cells), R3MAP_OK)
      << message();
  return {map.begin(), map.end()};
}

TEST_F(StatsTest, ResidencyIsAPicture) {
  const Options options = new_options();
  ASSERT_EQ(r3map_options_set_pull(options.get(), R3MAP_PULL_NONE), R3MAP_OK);
  const Region region = open_region(file_.url(), options);
  EXPECT_EQ(residency(region, 0, 2 * kMiB, 4), (std::vector<int>{0, 0, 0, 0}));
  ASSERT_EQ(r3map_region_populate(region.get(), kMiB / 2, kMiB / 2), R3MAP_OK);
  ASSERT_EQ(r3map_region_populate(region.get(), kMiB, kPage), R3MAP_OK);
  // A populate of a page brings no more than that.
  EXPECT_EQ(residency(region, 0, 2 * kMiB, 4), (std::vector<int>{0, 255, 1, 0}));
  EXPECT_EQ(residency(region, 0, kMiB, 1), (std::vector<int>{127}));
  EXPECT_EQ(residency(region, kMiB / 2, kMiB / 2, 3), (std::vector<int>{255, 255, 255}));
  // Cells smaller than a page, and a range of none.
  EXPECT_EQ(residency(region, kMiB, 2 * kPage, 4), (std::vector<int>{255, 255, 0, 0}));
  EXPECT_EQ(residency(region, kMiB, 2, 4), (std::vector<int>{255, 255, 255, 255}));
  EXPECT_EQ(residency(region, kMiB, 0, 2), (std::vector<int>{0, 0}));
}

TEST_F(StatsTest, ResidencyRefusesWhatIsNoPicture) {
  const Region region = open_region(file_.url());
  unsigned char cell;
  EXPECT_FAILS(R3MAP_EINVAL, "no cells",
               r3map_region_residency(region.get(), 0, 1, nullptr, 1));
  EXPECT_FAILS(R3MAP_EINVAL, "no cells", r3map_region_residency(region.get(), 0, 1, &cell, 0));
  EXPECT_FAILS(R3MAP_EINVAL, "too many",
               r3map_region_residency(region.get(), 0, 1, &cell, (1 << 20) + 1));
  EXPECT_FAILS(R3MAP_ERANGE, "end",
               r3map_region_residency(region.get(), 2 * kMiB, 1, &cell, 1));
}

TEST_F(StatsTest, ManyCellsOfALargeRegion) {
  const Region region = open_region("memory:64G");
  touch(data_of(region) + (uint64_t{32} << 30));
  const std::vector<int> cells = residency(region, 0, uint64_t{64} << 30, 1 << 20);
  EXPECT_EQ(cells[1 << 19], 255 / 16);  // a page of the 16 in this cell
  EXPECT_EQ(std::count(cells.begin(), cells.end(), 0), (1 << 20) - 1);
}

}  // namespace
}  // namespace r3map::test
