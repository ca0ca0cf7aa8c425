// How handles come and go, the same for every kind: by a call, through a queue, or when the queue
// that a new one was for is gone.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "guard.hpp"
#include "objects.hpp"

namespace r3map::capi {

// `Kind` has the types Object and Opaque, kName for messages, table(), and two tasks for the loop:
// open(engine, url, options), which answers the handle's number, and close(object).
template <typename Kind>
class Handles {
 public:
  using Object = std::shared_ptr<typename Kind::Object>;
  using Opaque = typename Kind::Opaque;

  static int open(Opaque** handle, const char* url, const r3map_options* options) {
    return guarded([&]() -> Result<> {
      if (!handle) return fail(Code::invalid, std::string(Kind::kName) + ": NULL");
      Result<Opening> opening = prepare_open(url, options);
      if (!opening) return fail(std::move(opening.error()));
      // Read here: it may lie in a region, and the loop must not wait for itself.
      const std::string copy = url;
      const Result<uint64_t> opened = run(*opening->engine, [&] {
        return Kind::open(*opening->engine, copy, opening->options);
      });
      if (!opened) return fail(opened.error());
      *handle = reinterpret_cast<Opaque*>(*opened);
      return {};
    });
  }

  static int open_async(const char* url, const r3map_options* options, r3map_queue* queue,
                        uint64_t tag) {
    return guarded([&]() -> Result<> {
      Result<Opening> opening = prepare_open(url, options);
      if (!opening) return fail(std::move(opening.error()));
      Engine& engine = *opening->engine;
      return run_async(
          engine, queue, tag,
          [&engine, url = std::string(url), given = std::move(opening->options)] {
            return Kind::open(engine, url, given);
          },
          close_unwanted);
    });
  }

  static int close(Opaque* handle) {
    return guarded([&]() -> Result<> {
      Result<Object> object = Kind::table().take(handle);
      if (!object) return fail(std::move(object.error()));
      const Result<uint64_t> closed =
          run(*(*object)->engine, [&] { return Kind::close(*object); });
      if (!closed) return fail(closed.error());
      return {};
    });
  }

 private:
  static void close_unwanted(uint64_t handle) {
    Result<Object> object = Kind::table().take(reinterpret_cast<Opaque*>(handle));
    if (!object) return;
    (*object)->engine->loop().post([object = *object] {
      loop::spawn([](Object closing) -> loop::Task<void> {
        auto task = Kind::close(closing);
        (void)co_await task;
      }(object));
    });
  }
};

}  // namespace r3map::capi
