// What the tests of the C ABI share. They see r3map.h and nothing else of r3map.
#pragma once

#include <gtest/gtest.h>

#include <chrono>
#include <cstddef>
#include <future>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "capi/content.hpp"
#include "r3map.h"
#include "support/eventually.hpp"

namespace r3map::test {

struct Closer {
  void operator()(r3map_region* handle) const { r3map_region_close(handle); }
  void operator()(r3map_resource* handle) const { r3map_resource_close(handle); }
  void operator()(r3map_queue* handle) const { r3map_queue_free(handle); }
  void operator()(r3map_options* handle) const { r3map_options_free(handle); }
};
using Region = std::unique_ptr<r3map_region, Closer>;
using Resource = std::unique_ptr<r3map_resource, Closer>;
using Queue = std::unique_ptr<r3map_queue, Closer>;
using Options = std::unique_ptr<r3map_options, Closer>;

inline std::string message() { return r3map_last_error_message(); }

// A call that must fail with this code, and with this text in its message.
#define EXPECT_FAILS(code, text, call)                                    \
  do {                                                                    \
    EXPECT_EQ(call, code) << #call;                                       \
    EXPECT_NE(::r3map::test::message().find(text), std::string::npos)     \
        << #call << ": " << ::r3map::test::message();                     \
    EXPECT_EQ(::r3map::test::message().find('\n'), std::string::npos);    \
  } while (0)

inline Region open_region(const std::string& url, const Options& options = nullptr) {
  r3map_region* region = nullptr;
  EXPECT_EQ(r3map_region_open(&region, url.c_str(), options.get()), R3MAP_OK) << message();
  return Region(region);
}
inline Resource open_resource(const std::string& url, const Options& options = nullptr) {
  r3map_resource* resource = nullptr;
  EXPECT_EQ(r3map_resource_open(&resource, url.c_str(), options.get()), R3MAP_OK) << message();
  return Resource(resource);
}
inline Queue new_queue() {
  r3map_queue* queue = nullptr;
  EXPECT_EQ(r3map_queue_new(&queue), R3MAP_OK) << message();
  return Queue(queue);
}
inline Options new_options() {
  r3map_options* options = nullptr;
  EXPECT_EQ(r3map_options_new(&options), R3MAP_OK) << message();
  return Options(options);
}
inline Options with_deadline(uint64_t deadline_ms) {
  Options options = new_options();
  EXPECT_EQ(r3map_options_set_deadline(options.get(), deadline_ms), R3MAP_OK);
  return options;
}
inline r3map_stats stats_of(const Region& region) {
  r3map_stats stats{};
  stats.struct_size = sizeof stats;
  EXPECT_EQ(r3map_region_stats(region.get(), &stats), R3MAP_OK) << message();
  return stats;
}
inline const std::byte* data_of(const Region& region) {
  return static_cast<const std::byte*>(r3map_region_data(region.get()));
}

// The next completion, or one with the tag UINT64_MAX after half a minute.
inline r3map_completion next(const Queue& queue) {
  r3map_completion completion{};
  completion.struct_size = sizeof completion;
  completion.tag = UINT64_MAX;
  EXPECT_EQ(r3map_queue_next(queue.get(), &completion, 30'000), 1) << message();
  return completion;
}
template <typename Handle>
Handle* opened(const r3map_completion& completion) {
  EXPECT_EQ(completion.code, R3MAP_OK) << completion.message;
  return reinterpret_cast<Handle*>(completion.value);
}

// A file with such content, for file:// URLs; it is gone with this object.
class TempFile {
 public:
  explicit TempFile(uint64_t size);
  ~TempFile();
  TempFile(const TempFile&) = delete;
  TempFile& operator=(const TempFile&) = delete;
  std::string url() const { return "file://" + path_; }
  const std::string& path() const { return path_; }
  void truncate(uint64_t size) const;

 private:
  std::string path_;
};

// Descriptors of this process that lead to something of this name ("userfaultfd").
size_t open_descriptors(const std::string& name);

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
inline constexpr bool kSanitizer = true;
#else
inline constexpr bool kSanitizer = false;
#endif

}  // namespace r3map::test
