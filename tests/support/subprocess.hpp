// Runs a piece of a test in a forked child: for what ends a process, changes its limits, or gives
// up its privileges.
#pragma once

#include <gtest/gtest.h>

#include <chrono>
#include <functional>
#include <string>

namespace r3map::test {

// How the child ended. `said` is what its Child::say and failed checks wrote.
struct Outcome {
  bool hung = false;  // it was killed after the time limit
  bool exited = false;
  int status = 0;  // of exit, or the signal
  std::string said;
};

// What the child's body gets. Its checks end the child: no gtest macro works there.
class Child {
 public:
  explicit Child(int pipe) : pipe_(pipe) {}
  void say(const std::string& text) const;
  [[noreturn]] void fail(const char* file, int line, const std::string& what) const;
  [[noreturn]] void skip(const std::string& why) const;
  // Skips, or fails with R3MAP_REQUIRE_ALL=1: CI is root.
  void need_root() const;
  // Gives up all privileges. The process stays dumpable, as one that never had any is.
  void become_nobody() const;

 private:
  int pipe_;
};

#define CHILD_CHECK(child, condition)                                     \
  do {                                                                    \
    if (!(condition)) (child).fail(__FILE__, __LINE__, #condition); \
  } while (0)

// Forks, runs `body` and leaves by _exit(0). The caller should have no thread but its own, since
// only that one lives on in the child.
Outcome run_in_child(const std::function<void(const Child&)>& body,
                     std::chrono::seconds limit = std::chrono::seconds(30));

// The child must have ended well; if it skipped, so does the calling test.
#define EXPECT_CHILD_PASSES(...)                                                             \
  do {                                                                                       \
    const ::r3map::test::Outcome outcome_ = ::r3map::test::run_in_child(__VA_ARGS__);        \
    if (outcome_.exited && outcome_.status == ::r3map::test::kSkipped)                       \
      GTEST_SKIP() << outcome_.said;                                                         \
    EXPECT_TRUE(outcome_.exited && outcome_.status == 0) << ::r3map::test::describe(outcome_); \
  } while (0)

inline constexpr int kSkipped = 77;
std::string describe(const Outcome& outcome);

// Sanitizers reserve address space of their own and cost time.
#if defined(__SANITIZE_ADDRESS__)
inline constexpr bool kAddressSanitizer = true;
#else
inline constexpr bool kAddressSanitizer = false;
#endif
#if defined(__SANITIZE_THREAD__)
inline constexpr bool kThreadSanitizer = true;
#else
inline constexpr bool kThreadSanitizer = false;
#endif
inline constexpr bool kSanitizer = kAddressSanitizer || kThreadSanitizer;

}  // namespace r3map::test
