#include "backend/file.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <linux/loop.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <fstream>
#include <future>
#include <string>

#include "resource/contract.hpp"
#include "support/subprocess.hpp"

namespace r3map::test {
namespace {

using backend::FileResource;
namespace fs = std::filesystem;

// A directory that goes with the test, and that everybody may enter.
class Directory {
 public:
  Directory() {
    std::string pattern = fs::temp_directory_path() / "r3map-file-XXXXXX";
    path_ = mkdtemp(pattern.data());
    chmod(path_.c_str(), 0755);
  }
  ~Directory() { fs::remove_all(path_); }
  Directory(const Directory&) = delete;
  std::string operator/(const std::string& name) const { return path_ / name; }

 private:
  fs::path path_;
};

void put(const std::string& path, std::span<const std::byte> content) {
  std::ofstream file(path, std::ios::binary | std::ios::trunc);
  file.write(reinterpret_cast<const char*>(content.data()),
             static_cast<std::streamsize>(content.size()));
  ASSERT_TRUE(file.flush().good()) << path;
}

Bytes get(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  const std::string text(std::istreambuf_iterator<char>(file), {});
  const auto* begin = reinterpret_cast<const std::byte*>(text.data());
  return Bytes(begin, begin + text.size());
}

// As if the file had been written at another time; clocks of file systems are coarse.
void age(const std::string& path) {
  const timespec times[2] = {{1'000'000'000, 0}, {1'000'000'000, 0}};
  ASSERT_EQ(utimensat(AT_FDCWD, path.c_str(), times, 0), 0);
}

struct FileStore {
  static constexpr bool kNeedsBuffer = true;
  std::unique_ptr<resource::Resource> make(loop::WorkerPool& workers,
                                           std::span<const std::byte> content) {
    put(directory / "content", content);
    auto file = FileResource::open(workers, workers, directory / "content");
    if (!file) return nullptr;
    return std::move(*file);
  }
  Directory directory;
};
INSTANTIATE_TYPED_TEST_SUITE_P(File, ResourceContract, FileStore);

class FileTest : public LoopTest {
 protected:
  // Small enough for the way past the workers, and too large for it.
  static constexpr Range kSmall{0, 4096}, kLarge{0, 300'000};

  void SetUp() override {
    path_ = directory_ / "content";
    content_ = random_.bytes(400'000);
    put(path_, content_);
  }
  std::unique_ptr<FileResource> open() {
    auto file = FileResource::open(workers_, workers_, path_);
    EXPECT_TRUE(file) << file.error().message;
    return file ? std::move(*file) : nullptr;
  }
  Code open_code(const std::string& path) {
    const auto file = FileResource::open(workers_, workers_, path);
    return file ? Code::ok : file.error().code;
  }
  // Opens by URL and reads all.
  Result<Bytes> read_url(const std::string& url) {
    resource::Registry registry;
    backend::register_file(registry, workers_, workers_);
    auto file =
        run<std::unique_ptr<resource::Resource>>([&] { return registry.open(url, {}, {}); });
    if (!file) return fail(file.error());
    const Range all{0, (*file)->info().size};
    StrictSink sink(all);
    const Result<> done = run<void>([&] { return (*file)->read(all, {}, sink); });
    if (!done) return fail(done.error());
    return sink.taken();
  }
  Code write_code(FileResource& file, uint64_t offset, const Bytes& data) {
    const Result<> done = run<void>([&] { return file.write(offset, data, {}); });
    return done ? Code::ok : done.error().code;
  }
  void expect_stale(FileResource& file) {
    for (const Range range : {kSmall, kLarge}) {
      StrictSink sink(range);
      const Result<> done = run<void>([&] { return file.read(range, {}, sink); });
      ASSERT_FALSE(done) << range.length;
      EXPECT_EQ(done.error().code, Code::stale) << done.error().message;
      EXPECT_EQ(sink.received(), 0u) << "bytes of another version";
    }
  }
  void expect_content(FileResource& file) {
    for (const Range range : {kSmall, kLarge}) {
      StrictSink sink(range);
      const Result<> done = run<void>([&] { return file.read(range, {}, sink); });
      ASSERT_TRUE(done) << done.error().message;
      EXPECT_TRUE(std::equal(sink.taken().begin(), sink.taken().end(), content_.begin()));
    }
  }

  Random random_;
  Directory directory_;
  std::string path_;
  Bytes content_;
};

TEST_F(FileTest, WhatIsNoFileIsRefused) {
  const auto descriptors = [] {
    return std::distance(fs::directory_iterator("/proc/self/fd"), fs::directory_iterator());
  };
  const auto before = descriptors();
  EXPECT_EQ(open_code(directory_ / "missing"), Code::not_found);
  EXPECT_EQ(open_code(path_ + "/below a file"), Code::not_found);
  EXPECT_EQ(open_code(""), Code::not_found);
  EXPECT_EQ(open_code(directory_ / ""), Code::unsupported) << "a directory";
  EXPECT_EQ(open_code("/dev/null"), Code::unsupported) << "a character device";
  EXPECT_EQ(open_code(directory_ / std::string(300, 'x')), Code::invalid) << "too long a name";
  fs::create_symlink("loop", directory_ / "loop");
  EXPECT_EQ(open_code(directory_ / "loop"), Code::invalid);
  fs::create_symlink("nowhere", directory_ / "dangling");
  EXPECT_EQ(open_code(directory_ / "dangling"), Code::not_found);
  EXPECT_EQ(descriptors(), before) << "leaked";
}

// As empty ones they would be copied, with success.
TEST_F(FileTest, OneThatOnlyClaimsToBeEmptyIsRefused) {
  ASSERT_EQ(fs::file_size("/proc/self/status"), 0u);
  const auto file = FileResource::open(workers_, workers_, "/proc/self/status");
  ASSERT_FALSE(file);
  EXPECT_EQ(file.error().code, Code::unsupported);
  EXPECT_NE(file.error().message.find("size can't be told"), std::string::npos)
      << file.error().message;
}

TEST_F(FileTest, AnEmptyOneHasNoBytes) {
  put(path_, {});
  EXPECT_EQ(open()->info().size, 0u);
}

TEST_F(FileTest, AFifoIsRefusedAndNotWaitedFor) {
  ASSERT_EQ(mkfifo((directory_ / "fifo").c_str(), 0600), 0);
  EXPECT_EQ(open_code(directory_ / "fifo"), Code::unsupported);
}

TEST_F(FileTest, AProgramThatRunsCanBeReadAndNotWritten) {
  const auto file = FileResource::open(workers_, workers_, fs::read_symlink("/proc/self/exe"));
  ASSERT_TRUE(file) << file.error().message;
  EXPECT_EQ(write_code(**file, 0, Bytes(1)), Code::read_only);
}

TEST_F(FileTest, WhoOnlyReadsIsNoWriter) {
  const auto file = open();
  expect_content(*file);
  // A read lease is refused while anybody has the file open for writing.
  const int own = ::open(path_.c_str(), O_RDONLY);
  EXPECT_EQ(fcntl(own, F_SETLEASE, F_RDLCK), 0) << std::strerror(errno);
  close(own);
}

TEST_F(FileTest, AnOrdinaryOneIsWritable) { EXPECT_FALSE(open()->info().read_only); }

TEST_F(FileTest, VersionsDifferWhenTheContentDoes) {
  const std::string version = open()->info().version;
  EXPECT_NE(version, "");
  EXPECT_EQ(open()->info().version, version);
  age(path_);
  EXPECT_NE(open()->info().version, version);
}

TEST_F(FileTest, OneThatShrankIsStale) {
  const auto file = open();
  expect_content(*file);
  ASSERT_EQ(truncate(path_.c_str(), 399'999), 0);
  expect_stale(*file);
  ASSERT_EQ(truncate(path_.c_str(), 0), 0);
  expect_stale(*file);
}

TEST_F(FileTest, OneThatGrewIsStale) {
  const auto file = open();
  ASSERT_EQ(truncate(path_.c_str(), 400'001), 0);
  expect_stale(*file);
}

TEST_F(FileTest, OneThatWasRewrittenIsStale) {
  const auto file = open();
  put(path_, random_.bytes(content_.size()));
  age(path_);
  expect_stale(*file);
}

// The name is another file's now. Ours lives on under no name, with the bytes it had.
TEST_F(FileTest, OneThatWasReplacedKeepsItsBytes) {
  const auto file = open();
  put(directory_ / "new", random_.bytes(content_.size()));
  fs::rename(directory_ / "new", path_);
  expect_content(*file);
  fs::remove(path_);
  expect_content(*file);
}

TEST_F(FileTest, OneThatChangedIsNotWrittenOver) {
  const auto file = open();
  const Bytes other = random_.bytes(content_.size());
  put(path_, other);
  age(path_);
  EXPECT_EQ(write_code(*file, 0, Bytes(10)), Code::stale);
  EXPECT_TRUE(get(path_) == other);
}

TEST_F(FileTest, OneThatShrankIsNotWrittenLongerAgain) {
  const auto file = open();
  ASSERT_EQ(truncate(path_.c_str(), 10), 0);
  EXPECT_EQ(write_code(*file, 100'000, Bytes(10)), Code::stale);
  EXPECT_EQ(fs::file_size(path_), 10u);
}

TEST_F(FileTest, OurOwnWritesAreNoChange) {
  const auto file = open();
  EXPECT_EQ(write_code(*file, 0, Bytes(10, std::byte{1})), Code::ok);
  std::fill_n(content_.begin(), 10, std::byte{1});
  expect_content(*file);
  EXPECT_EQ(write_code(*file, 0, Bytes(10, std::byte{1})), Code::ok);
  EXPECT_TRUE(get(path_) == content_);
  age(path_);  // somebody else's
  expect_stale(*file);
}

TEST_F(FileTest, AForeignWriteAfterOurOwnIsNoticed) {
  const auto file = open();
  EXPECT_EQ(write_code(*file, 0, Bytes(10, std::byte{1})), Code::ok);
  std::fill_n(content_.begin(), 10, std::byte{1});
  expect_content(*file);
  age(path_);
  expect_stale(*file);
  EXPECT_EQ(write_code(*file, 0, Bytes(10)), Code::stale);
}

// What may take long must not hold up what answers page faults.
TEST_F(FileTest, WritesThatWaitHoldUpNoReads) {
  loop::WorkerPool writers(*loop_, "writers", 1);
  auto file = FileResource::open(workers_, writers, path_);
  ASSERT_TRUE(file) << file.error().message;
  std::promise<void> gate;
  writers.post(loop::Priority::bulk, [&] { gate.get_future().wait(); });
  std::vector<std::future<bool>> waiting;
  for (int i = 0; i < 4; ++i) {
    waiting.push_back(std::async(
        std::launch::async, [&] { return write_code(**file, 0, Bytes(10)) == Code::ok; }));
    waiting.push_back(std::async(std::launch::async, [&] {
      return run<void>([&] { return (*file)->flush({}); }).has_value();
    }));
  }
  for (int i = 0; i < 100; ++i) expect_content(**file);
  gate.set_value();
  for (auto& one : waiting) EXPECT_TRUE(one.get());
}

TEST_F(FileTest, ManyWritesAtOnceAreAllOurOwn) {
  const auto file = open();
  std::vector<std::future<Code>> writes;
  const Bytes part(100'000, std::byte{7});
  for (int i = 0; i < 40; ++i)
    writes.push_back(std::async(
        std::launch::async, [&, i] { return write_code(*file, uint64_t(i) % 4 * 100'000, part); }));
  for (auto& write : writes) EXPECT_EQ(write.get(), Code::ok);
  content_.assign(400'000, std::byte{7});
  expect_content(*file);
  age(path_);
  expect_stale(*file);
}

TEST_F(FileTest, OpensByUrl) {
  const std::string odd = directory_ / "100% \xc3\xa4?b#c+d&e";
  put(odd, content_);
  const std::string bare = directory_ / "";
  for (const std::string& url :
       {"file://" + path_, "file:" + path_, "FILE://" + path_, path_, odd,
        "file://" + bare + "100%25%20%C3%A4?b#c+d&e",
        "file://" + bare + "100%25%20%c3%a4%3Fb%23c%2Bd%26e"}) {
    const Result<Bytes> got = read_url(url);
    ASSERT_TRUE(got) << url << ": " << got.error().message;
    EXPECT_TRUE(*got == content_) << url;
  }
}

TEST_F(FileTest, OpensARelativePath) {
  const fs::path before = fs::current_path();
  fs::current_path(directory_ / "");
  for (const char* url : {"./content", "file:content", "file:./content"}) {
    const Result<Bytes> got = read_url(url);
    EXPECT_TRUE(got) << url << ": " << got.error().message;
  }
  fs::current_path(before);
}

TEST_F(FileTest, AMalformedUrlIsRefused) {
  for (const char* url :
       {"file:", "file://", "file://host/path", "file:///a%zz", "file:///a%00b"}) {
    const Result<Bytes> got = read_url(url);
    ASSERT_FALSE(got) << url;
    EXPECT_EQ(got.error().code, Code::invalid) << url;
  }
}

// As a user who is not root: in a child, which has a loop of its own.
Code code_as_nobody(const Child& child, const std::string& path, bool& read_only) {
  auto loop = loop::Loop::start("loop");
  CHILD_CHECK(child, loop.has_value());
  loop::WorkerPool workers(**loop, "worker", 1);
  const auto file = FileResource::open(workers, workers, path);
  if (!file) return file.error().code;
  read_only = (*file)->info().read_only;
  StrictSink sink({0, 4});
  const Result<> done =
      (*loop)->wait<void>([&] { return (*file)->read({0, 4}, {}, sink); });
  CHILD_CHECK(child, done.has_value());
  const Result<> written = (*loop)->wait<void>([&] { return (*file)->write(0, sink.taken(), {}); });
  return written ? Code::ok : written.error().code;
}

TEST(FileAsNobody, NoPermissionIsDenied) {
  const Directory directory;
  put(directory / "content", Bytes(4));
  ASSERT_EQ(chmod((directory / "content").c_str(), 0600), 0);
  EXPECT_CHILD_PASSES([&](const Child& child) {
    child.need_root();  // for a file of another user
    child.become_nobody();
    bool read_only = false;
    CHILD_CHECK(child, code_as_nobody(child, directory / "content", read_only) == Code::denied);
  });
}

TEST(FileAsNobody, WithoutWritePermissionItIsReadOnly) {
  const Directory directory;
  put(directory / "content", Bytes(4));
  ASSERT_EQ(chmod((directory / "content").c_str(), 0644), 0);
  EXPECT_CHILD_PASSES([&](const Child& child) {
    child.need_root();  // for a file of another user
    child.become_nobody();
    bool read_only = false;
    CHILD_CHECK(child, code_as_nobody(child, directory / "content", read_only) == Code::read_only);
    CHILD_CHECK(child, read_only);
  });
}

// A loop device over a file, for as long as this lives.
class LoopDevice {
 public:
  explicit LoopDevice(const std::string& path) {
    const int control = open("/dev/loop-control", O_RDWR | O_CLOEXEC);
    const int number = control < 0 ? -1 : ioctl(control, LOOP_CTL_GET_FREE);
    if (control >= 0) close(control);
    if (number < 0) return;
    name_ = "/dev/loop" + std::to_string(number);
    descriptor_ = open(name_.c_str(), O_RDWR | O_CLOEXEC);
    const int file = open(path.c_str(), O_RDWR | O_CLOEXEC);
    attached_ = descriptor_ >= 0 && file >= 0 && ioctl(descriptor_, LOOP_SET_FD, file) == 0;
    if (file >= 0) close(file);
  }
  ~LoopDevice() {
    if (attached_) ioctl(descriptor_, LOOP_CLR_FD);
    if (descriptor_ >= 0) close(descriptor_);
  }
  LoopDevice(const LoopDevice&) = delete;
  bool attached() const { return attached_; }
  const std::string& name() const { return name_; }

 private:
  std::string name_;
  int descriptor_ = -1;
  bool attached_ = false;
};

TEST_F(FileTest, ABlockDevice) {
  content_.resize(400'384);  // whole sectors
  put(path_, content_);
  const LoopDevice device(path_);
  if (!device.attached()) GTEST_SKIP() << "no loop device can be had here";
  const auto file = FileResource::open(workers_, workers_, device.name());
  ASSERT_TRUE(file) << file.error().message;
  EXPECT_EQ((*file)->info().size, content_.size());
  EXPECT_FALSE((*file)->info().read_only);
  expect_content(**file);
  EXPECT_EQ(write_code(**file, 1001, Bytes(10, std::byte{1})), Code::ok);
  EXPECT_EQ(write_code(**file, content_.size() - 9, Bytes(10)), Code::out_of_range);
  ASSERT_TRUE(run<void>([&] { return (*file)->flush({}); }));
  std::fill_n(content_.begin() + 1001, 10, std::byte{1});
  expect_content(**file);
}

}  // namespace
}  // namespace r3map::test
