// From a store's object to an output, with several reads under way at a time.
#pragma once

#include <cstdint>
#include <string>

#include "calls.hpp"
#include "options.hpp"
#include "output.hpp"
#include "progress.hpp"

namespace r3map::cli {

// An opened object. Everything here throws Failure, or Interrupted.
class Object {
 public:
  explicit Object(const Source& source);

  uint64_t size() const { return size_; }
  std::string version() const;

  // `length` bytes from `offset`, in order. Consumes the object: a failure closes it.
  void transfer(uint64_t offset, uint64_t length, Output& output, Progress& progress);

 private:
  Calls calls_;
  Resource resource_;
  uint64_t size_ = 0;
};

}  // namespace r3map::cli
