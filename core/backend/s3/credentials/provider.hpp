// Keys that are renewed before they expire: one search at a time for all who need them.
#pragma once

#include <functional>
#include <list>
#include <map>
#include <memory>
#include <optional>

#include "backend/s3/credentials/answers.hpp"
#include "backend/s3/credentials/settings.hpp"
#include "backend/s3/credentials/sources.hpp"
#include "loop/event.hpp"
#include "loop/loop.hpp"
#include "resource/resource.hpp"

namespace r3map::backend::s3 {

// Thread: the home loop. Held by those who sign with it, and by the search under way.
class Provider : public std::enable_shared_from_this<Provider> {
 public:
  // Is told whether there have been keys before.
  using Find = std::function<loop::Task<Result<Keys>>(bool before)>;
  Provider(loop::Loop& loop, Find find) : loop_(loop), find_(std::move(find)) {}
  // Of keys that stay as they are.
  Provider(loop::Loop& loop, Credentials given)
      : loop_(loop), keys_(Keys{std::move(given), std::nullopt, "the options"}) {}

  // There are keys, and they have not expired. Begins to look for new ones in the background when
  // their end is near: a quarter of an hour before, or a quarter of a shorter life.
  bool ready();
  // Until there are such. A failure is everybody's who waits; who comes within a second after it is
  // told the same.
  loop::Task<Result<>> wait(resource::Request request);

  // After ready() or wait().
  const Credentials& credentials() const { return keys_->credentials; }
  const std::string& source() const { return keys_->source; }

  // The store says that those of `used_at` have expired, whatever we believe: the next wait()
  // brings others. False: there are no others, or they came a moment ago and are no better.
  bool reject(loop::Clock::time_point used_at);

 private:
  struct Waiter;

  bool valid() const;
  void begin();
  loop::Task<void> search(std::shared_ptr<Provider> self);
  void finish(Result<Keys> found);

  loop::Loop& loop_;
  const Find find_;  // empty: there are no others
  std::optional<Keys> keys_;  // the last that were found
  loop::Clock::time_point found_at_{};
  WallTime renew_from_ = WallTime::max();
  bool rejected_ = false;
  std::optional<loop::Clock::time_point> rejected_at_;
  bool searching_ = false;
  std::optional<Error> failure_;  // of the last search
  loop::Clock::time_point failed_at_{};
  int failures_ = 0;  // of searches one after the other; what brings nothing newer counts
  loop::Clock::time_point next_search_{};  // not earlier, unless somebody waits
  std::list<Waiter*> waiters_;
};

// One provider for all opens with equal settings, so that a second one does not ask again.
// Thread: the home loop.
class Providers {
 public:
  // These outlive it and its providers.
  Providers(loop::Loop& loop, http::Client& client, loop::WorkerPool& workers)
      : loop_(loop), client_(client), workers_(workers) {}

  // `options` and the environment in `settings` are what these were loaded from; files are read
  // again at each search.
  std::shared_ptr<Provider> of(const Settings& settings, const resource::Options& options);

 private:
  loop::Loop& loop_;
  http::Client& client_;
  loop::WorkerPool& workers_;
  std::map<Settings, std::shared_ptr<Provider>> providers_;
};

}  // namespace r3map::backend::s3
