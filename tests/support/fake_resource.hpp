// Resources for tests: one that computes its bytes, however large it is, and one that wraps another
// and misbehaves as it is told.
#pragma once

#include <list>
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

#include "loop/event.hpp"
#include "loop/loop.hpp"
#include "resource/resource.hpp"

namespace r3map::test {

// Each byte follows from its offset and the seed. Thread: as Resource; byte_at any.
class ComputedResource : public resource::Resource {
 public:
  explicit ComputedResource(uint64_t size, uint64_t seed = 1);

  static std::byte byte_at(uint64_t offset, uint64_t seed = 1);
  static void fill(uint64_t offset, std::span<std::byte> out, uint64_t seed = 1);

  resource::Info& settings() { return info_; }  // before anybody uses it
  const resource::Info& info() const override { return info_; }
  loop::Task<Result<>> read(Range range, resource::Request request,
                            resource::Sink& sink) override;

 private:
  resource::Info info_;
  uint64_t seed_;
};

// What happens to the requests that it fits. First bytes, then the delay, then the block, then the
// error or the rest.
struct Misbehaviour {
  Range where{0, UINT64_MAX};  // requests that overlap it
  std::optional<resource::Urgency> urgency{};
  int times = -1;             // so many requests; negative: all
  uint64_t bytes_before = 0;  // what is delivered before the trouble
  loop::Clock::duration delay{};
  bool block = false;                        // until unblock(), or until it is stopped
  loop::Clock::duration deaf_to_stop{};      // how long it takes no notice of a stop
  Code error = Code::ok;                     // ok: the rest is delivered
  size_t slice = 0;                          // 0: as the wrapped resource delivers
};

// Thread: as Resource; its control any.
class FaultInjectingResource : public resource::Resource {
 public:
  struct Seen {
    Range range;
    resource::Urgency urgency;
  };
  // Outlives the resource, which a region owns: what tests hold on to.
  class Control : public std::enable_shared_from_this<Control> {
   public:
    explicit Control(loop::Loop& loop) : loop_(loop) {}
    void add(Misbehaviour misbehaviour);
    void clear();
    // Blocked requests go on, in their order, and later ones don't block.
    void unblock();
    size_t blocked() const;
    std::vector<Seen> seen() const;

   private:
    friend class FaultInjectingResource;
    uint64_t unblocks() const;
    Misbehaviour behaviour_for(Range range, resource::Urgency urgency);

    loop::Loop& loop_;
    mutable std::mutex mutex_;
    std::vector<Misbehaviour> misbehaviours_;
    std::vector<Seen> seen_;
    size_t blocked_ = 0;
    uint64_t unblocks_ = 0;
    std::list<loop::Event*> waiting_;  // touched on the loop only
  };

  FaultInjectingResource(loop::Loop& loop, std::unique_ptr<resource::Resource> wrapped,
                         std::shared_ptr<Control> control);

  const resource::Info& info() const override { return wrapped_->info(); }
  loop::Task<Result<>> read(Range range, resource::Request request,
                            resource::Sink& sink) override;

 private:
  loop::Task<Result<>> deliver(Range range, resource::Request request, size_t slice,
                               resource::Sink& sink);
  loop::Task<Result<>> block(const Misbehaviour& how, uint64_t unblocks,
                             const resource::Request& request);

  loop::Loop& loop_;
  std::unique_ptr<resource::Resource> wrapped_;
  std::shared_ptr<Control> control_;
};

}  // namespace r3map::test
