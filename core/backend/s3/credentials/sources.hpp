// Where keys come from, each source by itself and all of them in the order of AWS's SDKs:
// environment, web identity, profile (static keys, roles, SSO, programs), container, instance.
#pragma once

#include <string>

#include "backend/s3/credentials/answers.hpp"
#include "backend/s3/credentials/settings.hpp"
#include "backend/s3/endpoint.hpp"
#include "http/client.hpp"
#include "http/retry.hpp"
#include "loop/loop.hpp"
#include "loop/task.hpp"
#include "loop/worker_pool.hpp"

namespace r3map::backend::s3 {

// One search. Thread: the home loop; outlives its task.
class Sources {
 public:
  Sources(loop::Loop& loop, http::Client& client, loop::WorkerPool& workers, Settings settings);

  // The keys of the first source that is set up. One that is set up and fails ends the search, lest
  // another identity than the intended one be used. Code::denied, naming what was looked at, if
  // none is; a machine without instance metadata is such unless they were found `before`.
  loop::Task<Result<Keys>> find(bool before);

 private:
  struct Exchange;

  Result<Keys> of_environment() const;
  loop::Task<Result<Keys>> of_plan(Plan plan);
  loop::Task<Result<Keys>> of_base(Plan plan);
  loop::Task<Result<Keys>> of_web_identity(WebIdentity identity);
  loop::Task<Result<Keys>> of_role(Role role, Credentials with);
  loop::Task<Result<Keys>> of_sso(Sso sso);
  loop::Task<Result<Keys>> of_program(std::string command);
  loop::Task<Result<Keys>> of_container();
  loop::Task<Result<Keys>> of_instance();

  loop::Task<Result<Keys>> ask_sts(std::string form, std::optional<Credentials> signer);
  loop::Task<Result<std::string>> ask(http::Request request, int attempts);
  loop::Task<Result<std::string>> ask_once(http::Request request);
  loop::Task<Result<std::string>> file(std::string path);
  Result<Endpoint> service(std::string_view name, std::string_view host,
                           const std::string& region) const;
  http::Request request(std::string url) const;
  http::Request request(const Endpoint& at, const std::string& path) const;

  loop::Loop& loop_;
  http::Client& client_;
  loop::WorkerPool& workers_;
  const Settings settings_;
  bool has_metadata_ = false;  // they have answered
  loop::Deadline deadline_ = loop::kNever;  // of the search under way
  http::Retry::Random random_{std::random_device{}()};
};

// Whether a token may be sent there: to any host over https, else to this machine and to AWS's own
// addresses for containers.
Result<> check_container_url(std::string_view url);

}  // namespace r3map::backend::s3
