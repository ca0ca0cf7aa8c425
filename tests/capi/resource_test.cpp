// Resources: a store's object, without memory.

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "capi/stalling_server.hpp"
#include "capi/support.hpp"

namespace r3map::test {
namespace {

TEST(ResourceOpen, RefusesWhatCanNotBeAUrl) {
  r3map_resource* resource = nullptr;
  r3map_region* region = nullptr;
  struct {
    std::string url;
    const char* text;
  } const bad[] = {
      {"", "empty"},
      {"nothing", "malformed URL"},
      {"://x", "malformed URL"},
      {"1http://x", "malformed URL"},
      {"fille:///x", "unknown scheme 'fille'; did you mean 'file'?"},
      {"memroy:1M", "did you mean 'memory'?"},
      {"gopher://x", "unknown scheme 'gopher'; there are: "},
      {"memory:", "malformed URL"},
      {"memory:12Q", "not a size"},
      {"memory:-1", "not a size"},
      {"memory:99999999999999999999", "not a size"},
      {"memory://1M", "expected memory:SIZE"},
      {"file://host/path", "malformed URL"},
      {"file:///%zz", "malformed URL"},
      {"file:///%00", "malformed URL"},
      {"memory:1M\n", "control characters"},
      {"file:///" + std::string(9000, 'a'), "longer than"},
      {"http://", "host"},
  };
  for (const auto& one : bad) {
    EXPECT_FAILS(R3MAP_EINVAL, one.text, r3map_resource_open(&resource, one.url.c_str(), nullptr));
    EXPECT_FAILS(R3MAP_EINVAL, one.text, r3map_region_open(&region, one.url.c_str(), nullptr));
  }
  EXPECT_EQ(resource, nullptr);
  EXPECT_EQ(region, nullptr);
}

TEST(ResourceOpen, RefusesNull) {
  r3map_resource* resource = nullptr;
  EXPECT_FAILS(R3MAP_EINVAL, "NULL", r3map_resource_open(nullptr, "memory:1M", nullptr));
  EXPECT_FAILS(R3MAP_EINVAL, "NULL", r3map_resource_open(&resource, nullptr, nullptr));
}

TEST(ResourceOpen, TellsWhichFileAndWhy) {
  r3map_resource* resource = nullptr;
  EXPECT_FAILS(R3MAP_ENOENT, "open file:///no/such/file: ",
               r3map_resource_open(&resource, "file:///no/such/file", nullptr));
  EXPECT_FAILS(R3MAP_ENOENT, "/no/such/file: ",
               r3map_resource_open(&resource, "/no/such/file", nullptr));
  EXPECT_FAILS(R3MAP_ENOTSUP, "neither a regular file",
               r3map_resource_open(&resource, "file:///tmp", nullptr));
  EXPECT_FAILS(R3MAP_ENOMEM, "address space",
               r3map_resource_open(&resource, "memory:100T", nullptr));
}

TEST(ResourceOpen, ADeadlineEndsIt) {
  StallingServer server(1 << 20);
  server.stall_opens();
  r3map_resource* resource = nullptr;
  EXPECT_FAILS(R3MAP_ETIMEDOUT, "open " + server.url(),
               r3map_resource_open(&resource, server.url().c_str(), with_deadline(50).get()));
}

TEST(ResourceOpen, NobodyListens) {
  std::string url;
  {
    const StallingServer gone(1);
    url = gone.url();
  }
  r3map_resource* resource = nullptr;
  const int code = r3map_resource_open(&resource, url.c_str(), with_deadline(5000).get());
  EXPECT_TRUE(code == R3MAP_ENETWORK) << code << ": " << message();
}

class ResourceTest : public testing::Test {
 protected:
  static constexpr uint64_t kSize = 300'001;
  TempFile file_{kSize};
};

TEST_F(ResourceTest, ReadsWhatIsThere) {
  const Resource resource = open_resource(file_.url());
  uint64_t size = 0;
  EXPECT_EQ(r3map_resource_size(resource.get(), &size), R3MAP_OK);
  EXPECT_EQ(size, kSize);
  for (const auto& [offset, length] : {std::pair<uint64_t, uint64_t>{0, kSize},
                                       {1, 10},
                                       {kSize - 1, 1},
                                       {kSize, 0},
                                       {5000, 200'000}}) {
    std::vector<std::byte> bytes(length);
    EXPECT_EQ(r3map_resource_read(resource.get(), bytes.data(), length, offset), R3MAP_OK);
    EXPECT_EQ(bytes, content(offset, length));
  }
}

TEST_F(ResourceTest, AVersionIsCutToTheBuffer) {
  const Resource resource = open_resource(file_.url());
  char whole[300] = "x", cut[4] = "xyz";
  const int length = r3map_resource_version(resource.get(), whole, sizeof whole);
  ASSERT_GT(length, 4);
  EXPECT_EQ(std::string(whole).size(), static_cast<size_t>(length));
  EXPECT_EQ(r3map_resource_version(resource.get(), cut, sizeof cut), length);
  EXPECT_EQ(std::string(cut), std::string(whole).substr(0, 3));
  EXPECT_EQ(r3map_resource_version(resource.get(), nullptr, 0), length);
  const Resource memory = open_resource("memory:1M");
  EXPECT_EQ(r3map_resource_version(memory.get(), whole, sizeof whole), 0);
  EXPECT_STREQ(whole, "");
}

TEST_F(ResourceTest, WritesAreReadAgain) {
  for (const std::string& url : {file_.url(), std::string("memory:300001")}) {
    const Resource resource = open_resource(url);
    const std::vector<std::byte> bytes = content(77, 10'000);
    EXPECT_EQ(r3map_resource_write(resource.get(), bytes.data(), 10'000, 4099), R3MAP_OK);
    EXPECT_EQ(r3map_resource_flush(resource.get()), R3MAP_OK);
    std::vector<std::byte> back(10'000);
    EXPECT_EQ(r3map_resource_read(resource.get(), back.data(), 10'000, 4099), R3MAP_OK);
    EXPECT_EQ(back, bytes);
  }
}

// r3map's own threads answer the page faults on the memory that is written from: were one of them to
// touch it, it would wait for itself. Several at once, so that no number of threads is enough.
TEST_F(ResourceTest, WritesComeFromRegionsThatAreNotFetched) {
  constexpr uint64_t kLarge = 24 << 20, kPart = 3 << 20;
  const TempFile source_file(kLarge);
  for (const std::string& source_url : {source_file.url(), std::string("memory:24M")}) {
    for (const bool to_file : {false, true}) {
      const TempFile target_file(kLarge);
      const Region source = open_region(source_url);
      const Resource target = open_resource(to_file ? target_file.url() : "memory:24M");
      std::vector<std::future<int>> writes;
      for (uint64_t at = 0; at < kLarge; at += kPart)
        writes.push_back(std::async(std::launch::async, [&, at] {
          return r3map_resource_write(target.get(), data_of(source) + at, kPart, at);
        }));
      for (auto& write : writes) EXPECT_EQ(get(write), R3MAP_OK);
      std::vector<std::byte> back(kLarge);
      EXPECT_EQ(r3map_resource_read(target.get(), back.data(), kLarge, 0), R3MAP_OK) << message();
      EXPECT_TRUE(std::equal(back.begin(), back.end(), data_of(source)));
    }
  }
}

// So is the text of a URL, which a file of them may hold.
TEST(ResourceOpen, TheUrlMayBeInARegionThatIsNotFetched) {
  const std::string text = "memory:12345";
  std::string path = testing::TempDir() + "r3map-urls-XXXXXX";
  const int fd = mkstemp(path.data());
  ASSERT_GE(fd, 0);
  EXPECT_EQ(pwrite(fd, text.c_str(), text.size() + 1, 1 << 20), ssize_t(text.size() + 1));
  close(fd);
  for (const bool asynchronous : {false, true}) {
    // Not what a fault of the other round has brought.
    const Region urls = open_region(path), more = open_region(path);
    const char* const url = reinterpret_cast<const char*>(data_of(urls) + (1 << 20));
    const char* const other = reinterpret_cast<const char*>(data_of(more) + (1 << 20));
    auto opening = std::async(std::launch::async, [&] {
      if (asynchronous) {
        const Queue queue = new_queue();
        EXPECT_EQ(r3map_region_open_async(url, nullptr, queue.get(), 0), R3MAP_OK);
        const Region region(opened<r3map_region>(next(queue)));
        EXPECT_EQ(r3map_resource_open_async(other, nullptr, queue.get(), 0), R3MAP_OK);
        const Resource resource(opened<r3map_resource>(next(queue)));
        return stats_of(region).size;
      }
      r3map_region* region = nullptr;
      r3map_resource* resource = nullptr;
      EXPECT_EQ(r3map_region_open(&region, url, nullptr), R3MAP_OK) << message();
      EXPECT_EQ(r3map_resource_open(&resource, other, nullptr), R3MAP_OK) << message();
      const Resource closes(resource);
      return stats_of(Region(region)).size;
    });
    EXPECT_EQ(get(opening), 12345u);
  }
  unlink(path.c_str());
}

TEST_F(ResourceTest, WhatCanNotBeWrittenSaysSo) {
  // The running program's own file can't be written, whoever asks.
  const Resource program = open_resource("file:///proc/self/exe");
  EXPECT_FAILS(R3MAP_EROFS, "", r3map_resource_write(program.get(), "x", 1, 0));
}

TEST_F(ResourceTest, RangesAreChecked) {
  const Resource resource = open_resource(file_.url());
  std::byte buffer[16];
  for (const auto& [offset, length] : {std::pair<uint64_t, uint64_t>{kSize, 1},
                                       {kSize + 1, 0},
                                       {0, kSize + 1},
                                       {1, UINT64_MAX},
                                       {UINT64_MAX, 1},
                                       {UINT64_MAX, UINT64_MAX}}) {
    EXPECT_FAILS(R3MAP_ERANGE, "past the end",
                 r3map_resource_read(resource.get(), buffer, length, offset));
    EXPECT_FAILS(R3MAP_ERANGE, "past the end",
                 r3map_resource_write(resource.get(), buffer, length, offset));
    const Queue queue = new_queue();
    EXPECT_FAILS(R3MAP_ERANGE, "past the end",
                 r3map_resource_read_async(resource.get(), buffer, length, offset, queue.get(), 0));
  }
  EXPECT_FAILS(R3MAP_EINVAL, "NULL", r3map_resource_read(resource.get(), nullptr, 1, 0));
  EXPECT_FAILS(R3MAP_EINVAL, "NULL", r3map_resource_write(resource.get(), nullptr, 1, 0));
  EXPECT_FAILS(R3MAP_EINVAL, "NULL", r3map_resource_size(resource.get(), nullptr));
  EXPECT_EQ(r3map_resource_read(resource.get(), nullptr, 0, 0), R3MAP_OK);
}

TEST_F(ResourceTest, AFileThatChangedIsStale) {
  const Resource resource = open_resource(file_.url());
  file_.truncate(kSize + 5);
  std::byte buffer[16];
  EXPECT_FAILS(R3MAP_ESTALE, file_.url(), r3map_resource_read(resource.get(), buffer, 16, 0));
}

TEST_F(ResourceTest, AnEmptyOneIsLegal) {
  for (const char* url : {"memory:0", "file:///dev/null/.."}) {
    if (std::string(url) != "memory:0") continue;
    const Resource resource = open_resource(url);
    uint64_t size = 1;
    EXPECT_EQ(r3map_resource_size(resource.get(), &size), R3MAP_OK);
    EXPECT_EQ(size, 0u);
    EXPECT_EQ(r3map_resource_read(resource.get(), nullptr, 0, 0), R3MAP_OK);
    EXPECT_EQ(r3map_resource_read(resource.get(), &size, 1, 0), R3MAP_ERANGE);
  }
}

TEST_F(ResourceTest, Asynchronously) {
  const Queue queue = new_queue();
  EXPECT_EQ(r3map_resource_open_async(file_.url().c_str(), nullptr, queue.get(), 11), R3MAP_OK);
  const r3map_completion opening = next(queue);
  EXPECT_EQ(opening.tag, 11u);
  const Resource resource(opened<r3map_resource>(opening));
  std::vector<std::byte> bytes(5000);
  EXPECT_EQ(r3map_resource_read_async(resource.get(), bytes.data(), 5000, 9, queue.get(), 12),
            R3MAP_OK);
  const r3map_completion reading = next(queue);
  EXPECT_EQ(reading.tag, 12u);
  EXPECT_EQ(reading.code, R3MAP_OK);
  EXPECT_EQ(reading.value, 5000u);
  EXPECT_STREQ(reading.message, "");
  EXPECT_EQ(bytes, content(9, 5000));

  EXPECT_EQ(r3map_resource_open_async("file:///no/such/file", nullptr, queue.get(), 13), R3MAP_OK);
  const r3map_completion failing = next(queue);
  EXPECT_EQ(failing.tag, 13u);
  EXPECT_EQ(failing.code, R3MAP_ENOENT);
  EXPECT_EQ(failing.value, 0u);
  EXPECT_NE(std::string(failing.message).find("/no/such/file"), std::string::npos);
}

TEST_F(ResourceTest, CloseCancelsWhatIsUnderWay) {
  StallingServer server(8 << 20);
  Resource resource = open_resource(server.url(), with_deadline(0));
  const Queue queue = new_queue();
  std::vector<std::byte> bytes(1000), more(1000);
  EXPECT_EQ(r3map_resource_read_async(resource.get(), bytes.data(), 1000, 1 << 20, queue.get(), 5),
            R3MAP_OK);
  auto reading = std::async(std::launch::async, [&] {
    return r3map_resource_read(resource.get(), more.data(), 1000, 2 << 20);
  });
  ASSERT_TRUE(eventually([&] { return server.stalled() >= 2; }));
  EXPECT_EQ(r3map_resource_close(resource.get()), R3MAP_OK);
  EXPECT_EQ(get(reading), R3MAP_ECANCELED);
  EXPECT_EQ(next(queue).code, R3MAP_ECANCELED);
  EXPECT_EQ(r3map_resource_close(resource.release()), R3MAP_EBADF);
}

}  // namespace
}  // namespace r3map::test
