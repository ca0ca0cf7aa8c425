// A thread that receives: a loop and transfers of its own.
#pragma once

#include <cstddef>
#include <memory>

#include "http/transfers.hpp"

namespace r3map::http {

// Thread: the home loop's, its creation and destruction too. Outlives its tasks.
class Lane {
 public:
  static Result<std::unique_ptr<Lane>> start(loop::Loop& home, const Authorities& authorities);
  ~Lane();
  Lane(const Lane&) = delete;
  Lane& operator=(const Lane&) = delete;

  // As Client's; the receiver is called on the lane's thread. The task is to be awaited.
  loop::Task<Result<>> perform(Request request, Receiver& receiver);
  size_t requests() const { return requests_; }  // under way
  void shutdown();

 private:
  struct Errand;
  Lane(loop::Loop& home, std::unique_ptr<loop::Loop> loop, const Authorities& authorities);
  Result<> have_transfers();
  loop::Task<Result<>> carry(Request request, Receiver& receiver);
  loop::Task<void> run(Request request, Receiver& receiver, Errand& errand);

  loop::Loop& home_;
  const Authorities authorities_;
  std::unique_ptr<loop::Loop> loop_;
  // Made, used and destroyed on loop_, as what follows.
  std::unique_ptr<Transfers> transfers_;
  bool closed_ = false;
  size_t requests_ = 0;
};

}  // namespace r3map::http
