#include "resource/resource.hpp"

#include "base/log.hpp"

#include <algorithm>

namespace r3map::resource {

void log_retry(std::string_view name, uint64_t offset, const Error& cause,
               loop::Clock::duration pause) {
  const auto ms = std::chrono::ceil<std::chrono::milliseconds>(pause).count();
  log(LogLevel::info, "a request is tried again",
      {{"region", name}, {"offset", offset}, {"pause_ms", ms}, {"cause", cause.message}});
}

loop::Task<Result<>> Resource::write(uint64_t, std::span<const std::byte>, Request) {
  co_return fail(Code::read_only, "this store has no random writes");
}

loop::Task<Result<>> Resource::flush(Request) { co_return Result<>(); }

loop::Task<Result<std::string>> Resource::commit(std::span<const Range>, Resource&, std::string,
                                                 std::string, Request) {
  co_return fail(Code::unsupported, "this store is not committed as a whole");
}

void BufferSink::bytes(uint64_t offset, std::span<const std::byte> data) {
  std::byte* place = buffer_.data() + (offset - offset_);
  if (place != data.data()) std::copy(data.begin(), data.end(), place);
  received_ += data.size();
}

std::span<std::byte> BufferSink::buffer(uint64_t offset) {
  return buffer_.subspan(offset - offset_);
}

}  // namespace r3map::resource
