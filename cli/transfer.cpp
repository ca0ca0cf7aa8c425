// See transfer.hpp.
#include "transfer.hpp"

#include <algorithm>
#include <array>
#include <cstddef>
#include <vector>

#include "failure.hpp"
#include "signals.hpp"

namespace r3map::cli {
namespace {

constexpr size_t kReads = 8;
constexpr uint64_t kReadSize = 4 << 20;

// The buffers of the reads that are under way. A buffer is borrowed until its completion is
// there, so they are freed only when all have come: after a failure or signal the object is closed,
// which ends them early.
class Reads {
 public:
  Reads(Resource& resource, const Calls& calls) : resource_(resource), calls_(calls) {}

  ~Reads() {
    if (under_way_ == 0) return;
    resource_.reset();
    r3map_completion completion{};
    completion.struct_size = sizeof completion;
    while (under_way_ > 0 && r3map_queue_next(calls_.queue(), &completion, -1) == 1) under_way_--;
  }

  void start(uint64_t number, uint64_t offset, size_t length) {
    Read& read = reads_[number % kReads];
    read.buffer.resize(length);
    read.there = false;
    check(r3map_resource_read_async(resource_.get(), read.buffer.data(), length, offset,
                                    calls_.queue(), number % kReads));
    under_way_++;
  }

  // Takes a completion if one comes soon.
  void poll() {
    r3map_completion completion{};
    try {
      if (!calls_.next(completion)) return;
    } catch (const Failure&) {
      under_way_--;
      throw;
    }
    under_way_--;
    reads_[completion.tag].there = true;
  }

  // The bytes of a read, or nothing while they are not there.
  const std::vector<std::byte>* bytes(uint64_t number) const {
    const Read& read = reads_[number % kReads];
    return read.there ? &read.buffer : nullptr;
  }

 private:
  struct Read {
    std::vector<std::byte> buffer;
    bool there = false;
  };

  Resource& resource_;
  const Calls& calls_;
  std::array<Read, kReads> reads_;
  size_t under_way_ = 0;
};

}  // namespace

Object::Object(const Source& source) {
  Options options = source.make_options(Source::For::resource);
  check(r3map_resource_open_async(source.url.c_str(), options.get(), calls_.queue(), 0));
  // The ABI hands over pointers as numbers.
  resource_.reset(reinterpret_cast<r3map_resource*>(static_cast<uintptr_t>(calls_.wait())));
  check(r3map_resource_size(resource_.get(), &size_));
}

std::string Object::version() const {
  auto length = static_cast<size_t>(check(r3map_resource_version(resource_.get(), nullptr, 0)));
  std::string version(length + 1, '\0');
  check(r3map_resource_version(resource_.get(), version.data(), version.size()));
  version.resize(length);
  return version;
}

void Object::transfer(uint64_t offset, uint64_t length, Output& output, Progress& progress) {
  Reads reads(resource_, calls_);
  uint64_t count = length / kReadSize + (length % kReadSize != 0), started = 0, done = 0;
  for (uint64_t number = 0; number < count; number++) {
    for (; started < count && started < number + kReads; started++) {
      uint64_t at = started * kReadSize;
      reads.start(started, offset + at, static_cast<size_t>(std::min(kReadSize, length - at)));
    }
    while (reads.bytes(number) == nullptr) {
      reads.poll();
      progress.update(done);
    }
    output.write(reads.bytes(number)->data(), reads.bytes(number)->size());
    progress.update(done += reads.bytes(number)->size());
    check_signals();
  }
}

}  // namespace r3map::cli
