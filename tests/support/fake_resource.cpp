#include "support/fake_resource.hpp"

#include <algorithm>
#include <cstring>

namespace r3map::test {

// ---- computed -----------------------------------------------------------------------------------

ComputedResource::ComputedResource(uint64_t size, uint64_t seed) : seed_(seed) {
  info_.size = size;
  info_.version = "computed";
}

namespace {

// splitmix64: eight bytes of the object at a time.
uint64_t word_at(uint64_t index, uint64_t seed) {
  uint64_t z = (index + seed) * 0x9e3779b97f4a7c15;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
  z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
  return z ^ (z >> 31);
}

}  // namespace

std::byte ComputedResource::byte_at(uint64_t offset, uint64_t seed) {
  return static_cast<std::byte>(word_at(offset / 8, seed) >> (offset % 8 * 8));
}

void ComputedResource::fill(uint64_t offset, std::span<std::byte> out, uint64_t seed) {
  size_t done = 0;
  while (done < out.size()) {
    const uint64_t word = word_at((offset + done) / 8, seed);
    const size_t skip = (offset + done) % 8;
    const size_t count = std::min(out.size() - done, 8 - skip);
    std::memcpy(out.data() + done, reinterpret_cast<const char*>(&word) + skip, count);
    done += count;
  }
}

loop::Task<Result<>> ComputedResource::read(Range range, resource::Request,
                                            resource::Sink& sink) {
  std::vector<std::byte> piece(64 << 10);
  while (!range.empty()) {
    const std::span<std::byte> part =
        std::span(piece).first(std::min<uint64_t>(piece.size(), range.length));
    fill(range.offset, part, seed_);
    sink.bytes(range.offset, part);
    range = range_between(range.offset + part.size(), range.end());
  }
  co_return Result<>();
}

// ---- fault injecting ----------------------------------------------------------------------------

namespace {

// Passes bytes on in small pieces.
class SlicingSink : public resource::Sink {
 public:
  SlicingSink(resource::Sink& sink, size_t slice) : sink_(sink), slice_(slice) {}
  void bytes(uint64_t offset, std::span<const std::byte> data) override {
    while (!data.empty()) {
      const auto piece = data.first(std::min(slice_, data.size()));
      sink_.bytes(offset, piece);
      offset += piece.size();
      data = data.subspan(piece.size());
    }
  }
  void drained() override { sink_.drained(); }

 private:
  resource::Sink& sink_;
  size_t slice_;
};

}  // namespace

void FaultInjectingResource::Control::add(Misbehaviour misbehaviour) {
  std::lock_guard lock(mutex_);
  misbehaviours_.push_back(misbehaviour);
}

void FaultInjectingResource::Control::clear() {
  std::lock_guard lock(mutex_);
  misbehaviours_.clear();
}

void FaultInjectingResource::Control::unblock() {
  {
    std::lock_guard lock(mutex_);
    ++unblocks_;
    for (Misbehaviour& misbehaviour : misbehaviours_) misbehaviour.block = false;
  }
  loop_.post([self = shared_from_this()] {
    for (loop::Event* event : self->waiting_) event->set();
  });
}

size_t FaultInjectingResource::Control::blocked() const {
  std::lock_guard lock(mutex_);
  return blocked_;
}

uint64_t FaultInjectingResource::Control::unblocks() const {
  std::lock_guard lock(mutex_);
  return unblocks_;
}

std::vector<FaultInjectingResource::Seen> FaultInjectingResource::Control::seen() const {
  std::lock_guard lock(mutex_);
  return seen_;
}

Misbehaviour FaultInjectingResource::Control::behaviour_for(Range range,
                                                            resource::Urgency urgency) {
  std::lock_guard lock(mutex_);
  seen_.push_back({range, urgency});
  for (Misbehaviour& misbehaviour : misbehaviours_) {
    if (misbehaviour.times == 0 || intersect(misbehaviour.where, range).empty()) continue;
    if (misbehaviour.urgency && *misbehaviour.urgency != urgency) continue;
    if (misbehaviour.times > 0) --misbehaviour.times;
    return misbehaviour;
  }
  return {};
}

FaultInjectingResource::FaultInjectingResource(loop::Loop& loop,
                                               std::unique_ptr<resource::Resource> wrapped,
                                               std::shared_ptr<Control> control)
    : loop_(loop), wrapped_(std::move(wrapped)), control_(std::move(control)) {}

loop::Task<Result<>> FaultInjectingResource::read(Range range, resource::Request request,
                                                  resource::Sink& sink) {
  const uint64_t unblocks = control_->unblocks();
  const Misbehaviour how = control_->behaviour_for(range, request.urgency);
  const Range first{range.offset, std::min(how.bytes_before, range.length)};
  if (!first.empty()) {
    auto delivering = deliver(first, request, how.slice, sink);
    if (Result<> delivered = co_await delivering; !delivered) co_return delivered;
    sink.drained();
  }
  if (how.delay > loop::Clock::duration::zero()) {
    auto sleeping = loop::sleep_until(loop_, loop::Clock::now() + how.delay, request.stop);
    if (Result<> slept = co_await sleeping; !slept) co_return slept;
  }
  if (how.block) {
    auto blocking = block(how, unblocks, request);
    if (Result<> passed = co_await blocking; !passed) co_return passed;
  }
  if (how.error != Code::ok) co_return fail(how.error, "an injected failure");
  auto delivering = deliver(range_between(first.end(), range.end()), request, how.slice, sink);
  co_return co_await delivering;
}

loop::Task<Result<>> FaultInjectingResource::deliver(Range range, resource::Request request,
                                                     size_t slice, resource::Sink& sink) {
  SlicingSink slicing(sink, std::max<size_t>(slice, 1));
  auto reading = wrapped_->read(range, request, slice > 0 ? slicing : sink);
  co_return co_await reading;
}

loop::Task<Result<>> FaultInjectingResource::block(const Misbehaviour& how, uint64_t unblocks,
                                                   const resource::Request& request) {
  const auto count = [&](int by) {
    std::lock_guard lock(control_->mutex_);
    control_->blocked_ += static_cast<size_t>(by);
  };
  loop::Event event;
  const auto waiting = control_->waiting_.insert(control_->waiting_.end(), &event);
  count(1);
  if (control_->unblocks() != unblocks) event.set();
  bool late = false;
  loop::Timer timer(loop_, [&] {
    late = true;
    event.set();
  });
  if (request.deadline != loop::kNever) timer.start(request.deadline - loop::Clock::now());
  {
    std::stop_callback stopped(request.stop, [&] { event.set(); });
    co_await event;
  }
  control_->waiting_.erase(waiting);
  count(-1);
  if (request.stop.stop_requested()) {
    if (how.deaf_to_stop > loop::Clock::duration::zero()) {
      auto sleeping = loop::sleep_until(loop_, loop::Clock::now() + how.deaf_to_stop, {});
      (void)co_await sleeping;
    }
    co_return fail(Code::canceled, "stopped");
  }
  if (late) co_return fail(Code::timed_out, "the request's deadline passed");
  co_return Result<>();
}

}  // namespace r3map::test
