#include "capi/support.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <filesystem>

namespace r3map::test {

TempFile::TempFile(uint64_t size) : path_(testing::TempDir() + "r3map-capi-XXXXXX") {
  const int fd = mkstemp(path_.data());
  EXPECT_GE(fd, 0);
  const std::vector<std::byte> bytes = content(0, size);
  EXPECT_EQ(::write(fd, bytes.data(), bytes.size()), static_cast<ssize_t>(size));
  ::close(fd);
}

TempFile::~TempFile() { ::unlink(path_.c_str()); }

void TempFile::truncate(uint64_t size) const {
  EXPECT_EQ(::truncate(path_.c_str(), static_cast<off_t>(size)), 0);
}

size_t open_descriptors(const std::string& name) {
  size_t count = 0;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fd", error)) {
    const std::string target = std::filesystem::read_symlink(entry.path(), error).string();
    count += target.find(name) != std::string::npos;
  }
  return count;
}

}  // namespace r3map::test
