// What an open is to use: keys, region, endpoint, from options, environment and AWS's files.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "backend/http_options.hpp"
#include "backend/s3/credentials/environment.hpp"
#include "backend/s3/credentials/profiles.hpp"
#include "loop/task.hpp"
#include "loop/worker_pool.hpp"
#include "resource/registry.hpp"

namespace r3map::backend::s3 {

// Thread: immutable. Compares by value.
struct Settings {
  bool anonymous = false;
  std::optional<Credentials> given;  // by options: no others are looked for
  std::string profile;               // whose settings count
  bool profile_chosen = false;       // by an option: the environment's keys don't
  std::string region;
  std::string endpoint;  // of S3; empty: AWS's own for the region
  HttpOptions http;       // of the services that hand out keys, too, but for those of AWS's own
  Environment environment;
  Profiles profiles;

  auto operator<=>(const Settings&) const = default;
};

// Reads the files, on a worker, unless options and environment say all. Code::invalid for options
// that contradict each other, files that can't be parsed, and a profile that was named and is not
// there; the latter two unless the options bring the keys, or want none.
loop::Task<Result<Settings>> load_settings(loop::WorkerPool& workers, resource::Options options,
                                           Environment environment);

// "s3", "sts" or "sso": the endpoint that environment or files set for it; empty if they don't.
std::string service_endpoint(const Settings& settings, std::string_view service);

}  // namespace r3map::backend::s3
