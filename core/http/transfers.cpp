#include "http/transfers.hpp"

#include <utility>

#include "base/limits.hpp"
#include "http/multi.hpp"
#include "http/transfer.hpp"

namespace r3map::http {

namespace {

using loop::Clock;

Failure timed_out(const Transfer& transfer) {
  return transfer.failed(Code::timed_out, "no complete answer before the deadline");
}

Failure refused_by_libcurl(const Transfer& transfer) {
  return transfer.failed(Code::no_memory, "libcurl refuses the request");
}

Transfer& transfer_of(Slot& slot) { return static_cast<Transfer&>(slot); }

}  // namespace

struct Transfers::Impl {
  Impl(loop::Loop& loop, Shares shares)
      : common{loop, {}, {}, {}},
        multi(loop, common.connections, shares.all, [this] { curl_has_run(); }),
        queues(shares) {}

  Common common;
  Multi multi;
  Queues queues;
  bool closed = false;

  Result<> open(std::optional<Authorities> authorities);

  void enqueue(Transfer& transfer);
  void end(Transfer& transfer, Result<> result);
  void expired(Transfer& transfer);
  void arm(Transfer& transfer);

  void start_queued();
  void start(Transfer& transfer);
  void detach(Transfer& transfer);

  void curl_has_run();
  void settle();
  bool reap_finished();
  bool reap_ended();
  bool try_again(Transfer& transfer);
};

// ---- life

Transfers::Transfers(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Transfers::~Transfers() = default;

Result<std::unique_ptr<Transfers>> Transfers::open(loop::Loop& loop, Shares shares,
                                                   std::optional<Authorities> authorities) {
  auto impl = std::make_unique<Impl>(loop, shares);
  if (Result<> ready = impl->open(std::move(authorities)); !ready) return fail(std::move(ready.error()));
  return std::unique_ptr<Transfers>(new Transfers(std::move(impl)));
}

// Handles are used again, so each request sets what it trusts; libcurl's own places, which setting
// nothing would leave, are asked for here.
Result<> Transfers::Impl::open(std::optional<Authorities> authorities) {
  if (Result<> ready = multi.open(); !ready) return ready;
  if (authorities) {
    common.authorities = std::move(*authorities);
    return {};
  }
  CURL* easy = multi.take_handle();
  if (!easy) return fail(Code::no_memory, "libcurl");
  const char* file = nullptr;
  const char* folder = nullptr;
  curl_easy_getinfo(easy, CURLINFO_CAINFO, &file);
  curl_easy_getinfo(easy, CURLINFO_CAPATH, &folder);
  common.authorities = find_authorities({file ? file : "", folder ? folder : ""});
  multi.give_back(easy);
  return {};
}

void Transfers::shutdown() {
  impl_->closed = true;
  // Those that wait come first, lest they start.
  for (Slot* slot : impl_->queues.all()) {
    Transfer& transfer = transfer_of(*slot);
    impl_->end(transfer, transfer.failed(Code::canceled, "closed"));
  }
}

const Authorities& Transfers::authorities() const { return impl_->common.authorities; }

loop::Task<Result<>> Transfers::perform(Request request, Receiver& receiver) {
  Impl& impl = *impl_;
  if (impl.closed) co_return fail(Code::canceled, "closed");
  if (impl.queues.waiting() >= limits::kQueuedRequests)
    co_return fail(Code::busy, "too many requests are waiting for a connection");
  Transfer* self = nullptr;
  Transfer transfer(impl.common, std::move(request), receiver,
                    [&impl, &self] { impl.expired(*self); });
  self = &transfer;
  if (transfer.request.stop.stop_requested()) co_return transfer.failed(Code::canceled, "stopped");
  if (Clock::now() >= transfer.request.deadline) co_return timed_out(transfer);

  impl.enqueue(transfer);
  {
    std::stop_callback stopped(transfer.request.stop, [&] {
      impl.end(transfer, transfer.failed(Code::canceled, "stopped"));
    });
    co_await transfer.done;
  }
  co_return std::move(*transfer.result);
}

// ---- one request's way

void Transfers::Impl::enqueue(Transfer& transfer) {
  queues.add(transfer);
  arm(transfer);
  start_queued();
}

void Transfers::Impl::start_queued() {
  while (Slot* slot = queues.start_next()) start(transfer_of(*slot));
}

void Transfers::Impl::start(Transfer& transfer) {
  Result<> ready = fail(Code::no_memory, "libcurl: out of memory");
  if (CURL* easy = multi.take_handle()) {
    ready = transfer.attach(easy);
    if (ready && multi.add(easy)) return arm(transfer);
    if (ready) ready = refused_by_libcurl(transfer);
  }
  transfer.result.emplace(std::move(ready));
  detach(transfer);
}

// The next moment at which something may be too late.
void Transfers::Impl::arm(Transfer& transfer) {
  Clock::time_point at = transfer.request.deadline;
  if (transfer.easy) {
    // Before the request is sent, libcurl's connect timeout watches; look again after it.
    const auto since = transfer.sent ? transfer.last_byte : Clock::now();
    at = std::min(at, since + limits::kStall);
  }
  if (at != loop::kNever) transfer.timer.start(std::max(at - Clock::now(), Clock::duration(0)));
}

void Transfers::Impl::expired(Transfer& transfer) {
  const Clock::time_point now = Clock::now();
  if (now >= transfer.request.deadline) return end(transfer, timed_out(transfer));
  if (transfer.easy && transfer.sent && now - transfer.last_byte >= limits::kStall)
    return end(transfer, transfer.failed(Code::network,
                                         "no byte for " + std::to_string(limits::kStall.count()) +
                                             " s"));
  arm(transfer);
}

// Ends a transfer wherever it stands. From inside a callback of libcurl's its handle stays until
// libcurl can be called again.
void Transfers::Impl::end(Transfer& transfer, Result<> result) {
  if (transfer.result) return;
  transfer.result.emplace(std::move(result));
  transfer.timer.stop();
  if (transfer.queued) {
    queues.remove(transfer);
    transfer.done.set();
  } else if (!multi.inside()) {
    settle();
  }
}

// Takes a transfer that is over away from libcurl and lets its task go on.
void Transfers::Impl::detach(Transfer& transfer) {
  transfer.timer.stop();
  if (transfer.easy) multi.remove(transfer.easy);
  if (CURL* easy = transfer.detach()) multi.give_back(easy);
  std::erase(common.undrained, &transfer);
  queues.remove(transfer);
  transfer.done.set();
}

// ---- after libcurl has run

void Transfers::Impl::curl_has_run() {
  // From the end, one at a time: a receiver may end transfers that are in the list.
  while (!common.undrained.empty()) {
    Transfer* const transfer = common.undrained.back();
    common.undrained.pop_back();
    transfer->undrained = false;
    if (!transfer->result) transfer->receiver.drained();
  }
  settle();
}

// Takes away what is over, starts what has waited for its place.
void Transfers::Impl::settle() {
  while (reap_finished() || reap_ended()) {
  }
  start_queued();
}

bool Transfers::Impl::reap_finished() {
  bool any = false;
  while (const auto finished = multi.next_finished()) {
    any = true;
    Transfer* transfer = nullptr;
    curl_easy_getinfo(finished->easy, CURLINFO_PRIVATE, &transfer);
    if (transfer->needs_another_connection(finished->code) && try_again(*transfer)) continue;
    if (!transfer->result) transfer->result.emplace(transfer->verdict(finished->code));
    detach(*transfer);
  }
  return any;
}

bool Transfers::Impl::try_again(Transfer& transfer) {
  if (transfer.result) return false;
  multi.remove(transfer.easy);
  transfer.begin_anew();
  if (multi.add(transfer.easy)) return true;
  transfer.result.emplace(refused_by_libcurl(transfer));
  return false;
}

bool Transfers::Impl::reap_ended() {
  bool any = false;
  const auto& started = queues.started();
  for (auto next = started.begin(); next != started.end();) {
    Transfer& transfer = transfer_of(**next++);
    if (!transfer.result) continue;
    detach(transfer);
    any = true;
  }
  return any;
}

}  // namespace r3map::http
