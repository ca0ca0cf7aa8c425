// Where a command writes to. A file appears under its name when it is complete, or not at all.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

namespace r3map::cli {

// Thread: one. All but the destructor throw Failure, or Interrupted in a blocked write.
class Output {
 public:
  static Output standard_output();
  // As cp does it: into a folder under the URL's last name, over a file that is there (keeping
  // its permissions), through symbolic links; devices and pipes are written to directly.
  // `size` bytes are set aside, so that a full disk is noticed first.
  static Output file(const std::string& path, const std::string& url, uint64_t size);

  Output(Output&& other) noexcept;
  Output& operator=(Output&&) = delete;
  ~Output();  // without finish(): removes what was written

  void write(const std::byte* data, size_t length);
  // All is written, and a file gets its name.
  void finish();

  // For people: a path, or "standard output".
  const std::string& name() const { return name_; }

 private:
  Output(int descriptor, std::string name) : descriptor_(descriptor), name_(std::move(name)) {}

  int descriptor_;
  std::string name_;
  std::string temporary_;  // "" where what is written is at its place already
};

}  // namespace r3map::cli
