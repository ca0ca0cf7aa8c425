#include "base/range.hpp"

namespace r3map {

Result<Range> checked_range(uint64_t offset, uint64_t length, uint64_t size) {
  if (offset > size || length > size - offset)
    return fail(Code::out_of_range, std::to_string(length) + " bytes at offset " +
                                        std::to_string(offset) + " are past the end at " +
                                        std::to_string(size));
  return Range{offset, length};
}

}  // namespace r3map
