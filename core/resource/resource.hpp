// What can be read, written and committed: the interface of every store, and of every filter that
// wraps one. Knows nothing of memory, page faults or the C ABI.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <stop_token>
#include <string>
#include <vector>

#include "base/range.hpp"
#include "base/result.hpp"
#include "loop/loop.hpp"
#include "loop/task.hpp"

namespace r3map::resource {

// Who waits. Whatever stands further up overtakes what stands below it.
enum class Urgency : uint8_t {
  demand,     // a thread in a page fault
  require,    // a caller of read, populate, pin
  readahead,  // nobody yet
  prefetch,   // nobody yet, but somebody said they will
  pull,       // nobody, perhaps ever
};

// What goes with every operation.
struct Request {
  Urgency urgency = Urgency::require;
  loop::Deadline deadline = loop::kNever;
  std::stop_token stop;  // requested on the loop's thread
};

// What is known of a resource once it is open. Sizes in bytes.
struct Info {
  uint64_t size = 0;
  std::string version;  // ETag, inode and mtime, …: equal means the same bytes; empty: unknown
  bool read_only = true;
  // The smallest request that is worth its round trip: a lone page fault fetches this much.
  uint64_t granule = kPage;
  // A request of this size runs at full throughput; nothing larger is asked for in one go.
  uint64_t preferred_request = 1 << 20;
  // So many preferred requests at a time bring the most.
  unsigned parallel_requests = 2;
  // Requests take round trips, and a second one may be answered sooner than a late one: by another
  // connection or server.
  bool remote = false;
  // What the first answer took, connecting included; zero where no round trip is.
  loop::Clock::duration latency{};
};

// Takes the bytes of one read as they arrive. Calls never overlap; they may come from any thread,
// and must not wait.
class Sink {
 public:
  virtual ~Sink() = default;

  // The next bytes: contiguous, ascending, never outside the range that was asked for. What was
  // given stays given, even when the read fails later.
  virtual void bytes(uint64_t offset, std::span<const std::byte> data) = 0;

  // An attempt failed before `offset`; after the pause there will be another. On the home loop.
  virtual void retrying(uint64_t offset, const Error& cause, loop::Clock::duration pause) {
    (void)offset, (void)cause, (void)pause;
  }

  // No more bytes for the moment. A sink that collects small pieces passes them on now.
  virtual void drained() {}

  // Memory of the sink's own for the bytes at `offset`, which a store that would need a buffer
  // fills and then passes to bytes(). Empty: it has none.
  virtual std::span<std::byte> buffer(uint64_t offset) {
    (void)offset;
    return {};
  }
};

// What a sink does when it is told of another attempt; `name` is the object's URL without secrets.
void log_retry(std::string_view name, uint64_t offset, const Error& cause,
               loop::Clock::duration pause);

// Thread: the home loop. Tasks of one resource may overlap. The resource outlives its tasks.
class Resource {
 public:
  virtual ~Resource() = default;

  virtual const Info& info() const = 0;

  // All of `range` (inside the size) into `sink`, or an error. Status, range, version and encoding
  // of an answer are checked before its first byte reaches the sink.
  virtual loop::Task<Result<>> read(Range range, Request request, Sink& sink) = 0;

  // All of `data` at `offset`, inside the size. `data` must not be a region's memory, whose page
  // faults the reading thread might have to answer itself. Written means visible to later reads;
  // durable only after flush(). Code::read_only where the store has no random writes.
  virtual loop::Task<Result<>> write(uint64_t offset, std::span<const std::byte> data,
                                     Request request);
  virtual loop::Task<Result<>> flush(Request request);

  // For stores whose version changes as a whole (an S3 object): replaces the `dirty` ranges by what
  // `source` holds there, provided that the store still has `base_version`, and answers the new
  // version, which info() tells and later reads are held to from then on. A retry with the same `token` after a lost answer recognises its own success.
  virtual loop::Task<Result<std::string>> commit(std::span<const Range> dirty, Resource& source,
                                                 std::string base_version, std::string token,
                                                 Request request);
};

// A sink into one buffer that holds the whole range; stores read straight into it.
class BufferSink : public Sink {
 public:
  BufferSink(uint64_t offset, std::span<std::byte> buffer) : offset_(offset), buffer_(buffer) {}
  void bytes(uint64_t offset, std::span<const std::byte> data) override;
  std::span<std::byte> buffer(uint64_t offset) override;
  uint64_t received() const { return received_; }

 private:
  uint64_t offset_;
  std::span<std::byte> buffer_;
  uint64_t received_ = 0;
};

}  // namespace r3map::resource
