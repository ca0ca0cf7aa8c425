// AWS's environment variables, as they were at an open. Pure but for of_process().
#pragma once

#include <map>
#include <string>
#include <string_view>

namespace r3map::backend::s3 {

// Thread: immutable once made. Compares by value: equal settings share their credentials.
class Environment {
 public:
  using Values = std::map<std::string, std::string, std::less<>>;

  Environment() = default;
  explicit Environment(Values values) : values_(std::move(values)) {}

  // All variables that r3map's S3 reads. On the loop's thread at each open, since hosts set them
  // after they have loaded us, as libcurl (proxies), the resolver and OpenSSL read theirs. Before
  // glibc 2.41 a host that calls setenv() in another thread meanwhile races with all of them: a
  // copy of our few names made elsewhere would not end that.
  // A program with more rights than its caller (set-user-ID) sees none: they are the caller's.
  static Environment of_process();

  // Empty if it is not set.
  std::string get(std::string_view name) const;
  bool is_true(std::string_view name) const;  // "true", in any case

  // Its folder for settings, or a file that a variable names instead; "~/" is the home folder.
  // Empty: there is no HOME.
  std::string config_path() const;       // AWS_CONFIG_FILE or ~/.aws/config
  std::string credentials_path() const;  // AWS_SHARED_CREDENTIALS_FILE or ~/.aws/credentials
  std::string sso_cache() const;         // ~/.aws/sso/cache
  std::string places() const;            // "neither in …/config nor …/credentials", for messages
  std::string profile() const;           // AWS_PROFILE, AWS_DEFAULT_PROFILE; or empty

  auto operator<=>(const Environment&) const = default;

 private:
  std::string file(std::string_view variable, std::string_view otherwise) const;

  Values values_;
};

}  // namespace r3map::backend::s3
