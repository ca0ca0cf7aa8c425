// What blocks and therefore runs on a worker: reading a small file, running a program.
#pragma once

#include <cstddef>
#include <string>

#include "base/result.hpp"
#include "loop/loop.hpp"

namespace r3map::backend::s3 {

// All of a file of at most `limit` bytes. Code::not_found if there is none.
Result<std::string> read_small_file(const std::string& path, size_t limit);

// What `command` (a line for /bin/sh) prints, at most `limit` bytes. Its input is empty; what it
// says on stderr becomes part of the error. It is killed, and all that it has started in its process
// group, when the time is up.
Result<std::string> run_program(const std::string& command, size_t limit, loop::Deadline deadline);

}  // namespace r3map::backend::s3
