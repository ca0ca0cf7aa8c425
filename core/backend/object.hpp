// One version of one object behind HTTP: what the http and the s3 backend have in common. Checks
// every answer before its first byte is passed on. Knows neither signatures nor XML.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "backend/http_options.hpp"
#include "http/client.hpp"
#include "http/header.hpp"
#include "http/retry.hpp"
#include "http/target.hpp"
#include "resource/registry.hpp"
#include "resource/resource.hpp"

namespace r3map::backend {

// What differs between servers. Thread: the home loop, but for accept().
class Dialect {
 public:
  virtual ~Dialect() = default;

  // Where the object is asked for first.
  virtual const http::Target& home() const = 0;

  // Whether request() has all that it needs. If not, make_ready() waits for it.
  virtual bool ready() const { return true; }
  virtual loop::Task<Result<>> make_ready(resource::Request) const { co_return Result<>(); }

  // A GET of the object at `target` with these header fields, authenticated as far as that place
  // may know. Made anew for each attempt, as signatures hold the time.
  virtual http::Request request(const http::Target& target,
                                std::vector<http::Field> fields) const = 0;

  // Where an error answer from `target` sends us; nothing: it is no redirect, or one without a
  // place to go. An error: a redirect that must not be followed.
  virtual Result<std::optional<http::Target>> redirect(const http::Target& target,
                                                       const http::Head& head,
                                                       std::string_view body) const = 0;

  // What else a good answer must say. Thread: any, by what is constant.
  virtual Result<> accept(const http::Head& head) const {
    (void)head;
    return {};
  }

  // What else the good answer must say that an object is opened with.
  virtual Result<> accept_first(const http::Head& head) const {
    (void)head;
    return {};
  }

  // Whether the error answer to the request() of that time means that another one would be
  // authenticated better.
  virtual bool renew(loop::Clock::time_point, const http::Head&, std::string_view) const {
    return false;
  }

  // What an answer from `target` means that is none of 200, 206, 412, 416. `body` may be cut off.
  virtual Error explain(const http::Target& target, const http::Head& head,
                        std::string_view body) const = 0;
};

// Thread: the home loop.
class HttpObject : public resource::Resource {
 public:
  // One round trip: the first bytes tell size and version, and serve the reads that follow.
  static loop::Task<Result<std::unique_ptr<resource::Resource>>> open(
      loop::Loop& loop, http::Client& client, std::unique_ptr<Dialect> dialect, Pin pin,
      resource::Request request);

  const resource::Info& info() const override { return info_; }
  loop::Task<Result<>> read(Range range, resource::Request request,
                            resource::Sink& sink) override;

 private:
  class Answer;
  class OpenAnswer;
  class ReadAnswer;

  HttpObject(loop::Loop& loop, http::Client& client, std::unique_ptr<Dialect> dialect, Pin pin);

  loop::Task<Result<>> attempt_open(resource::Request request);
  loop::Task<Result<>> confirm_empty(resource::Request request);
  loop::Task<Result<>> perform(std::vector<http::Field> fields, resource::Request request,
                               Answer& answer);
  loop::Task<Result<>> get(const http::Target& target, std::vector<http::Field> fields,
                           resource::Request request, Answer& answer);
  Error error_of(const http::Target& target, const Answer& answer) const;
  loop::Task<Result<>> pause(loop::Clock::duration delay, const resource::Request& request);
  Result<> adopt(const http::Head& head, uint64_t size);
  Result<> check_version(const http::Head& head) const;  // thread: any, once it is open
  std::vector<http::Field> conditions(Range range) const;
  uint64_t serve_prefix(Range range, resource::Sink& sink);

  loop::Loop& loop_;
  http::Client& client_;
  std::unique_ptr<Dialect> dialect_;
  http::Target target_;  // where redirects have led the last answered request
  Pin pin_;
  http::Retry::Random random_{std::random_device{}()};

  resource::Info info_;
  std::optional<http::Etag> etag_;
  std::string last_modified_;
  std::string encoding_;           // as the object is stored; empty: none
  std::vector<std::byte> prefix_;  // the object's first bytes, until its last one was served
  bool keep_prefix_ = false;       // it is the whole object, and the server has no ranges
};

}  // namespace r3map::backend
