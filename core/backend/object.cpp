#include "backend/object.hpp"

#include <algorithm>

#include "backend/status.hpp"
#include "base/limits.hpp"
#include "base/log.hpp"

namespace r3map::backend {

namespace {

using http::Head;

constexpr uint64_t kFirstBytes = 64 << 10;

// What Content-Encoding says; empty for the bytes as they are.
std::string_view encoding_of(const Head& head) {
  const std::string_view encoding = head.field("content-encoding");
  return http::same_name(encoding, "identity") ? std::string_view() : encoding;
}

bool is_error(int status) { return status < 200 || status >= 300; }

std::string range_text(Range range) {
  return "bytes=" + std::to_string(range.offset) + "-" + std::to_string(range.end() - 1);
}

// How many bytes of `range`, from its beginning, `head` announces, of an object of `total`. They may
// be fewer than were asked for (RFC 9110, 15.3.7), but none that were not.
Result<uint64_t> check_range(const Head& head, Range range, uint64_t total) {
  const std::string_view text = head.field("content-range");
  if (text.empty()) return fail(Code::protocol, "the answer to a range has no Content-Range");
  Result<http::ContentRange> got = http::parse_content_range(text);
  if (!got) return fail(std::move(got.error()));
  if (got->total && *got->total != total)
    return fail(Code::stale, "the object changed since it was opened (its size was " +
                                 std::to_string(total) + ", now " + std::to_string(*got->total) +
                                 ")");
  const Range part = got->range.value_or(Range{});
  if (part.empty() || part.offset != range.offset || part.end() > range.end() || !got->total)
    return fail(Code::protocol, "the server answers " + shown(text) + " to " + range_text(range));
  Result<std::optional<uint64_t>> length = http::content_length(head);
  if (!length) return fail(std::move(length.error()));
  if (*length && **length != part.length)
    return fail(Code::protocol, "Content-Length " + std::to_string(**length) +
                                    " contradicts Content-Range " + shown(text));
  return part.length;
}

// An encoding although identity was asked for. It is either the object's own: S3 and others keep one
// as it was stored, and ranges count the bytes of the encoded representation (RFC 9110, 14.1.2), so
// that reading it as stored is right. Or somebody encodes on the way, and then what arrives is not
// what the range says. The two differ: who encodes as he goes knows no length beforehand, or another
// than the range's; and his ETag, of another representation, is a weak one. (Vary tells nothing:
// MinIO sends it always.) An answer of 200 has no range to hold its length against.
Result<> check_encoding(const Head& head) {
  const std::string_view encoding = encoding_of(head);
  if (encoding.empty()) return {};
  const std::string_view etag = head.field("etag");
  if (head.status == 206 && !head.field("content-length").empty() && !etag.empty() &&
      !etag.starts_with("W/"))
    return {};
  return fail(Code::unsupported, "the server encodes the content (" + shown(encoding) +
                                     ") although identity was asked for");
}

}  // namespace

// ---- answers

// Collects what an error answer says, and passes on the body of any other.
class HttpObject::Answer : public http::Receiver {
 public:
  explicit Answer(const Dialect& dialect) : dialect_(dialect) {}

  Result<> head(const Head& head) final {
    head_ = head;
    if (is_error(head.status)) return {};
    if (Result<> plain = check_encoding(head); !plain) return plain;
    if (Result<> fits = dialect_.accept(head); !fits) return fits;
    return accept(head);
  }
  Result<> body(std::span<const std::byte> data) final {
    if (!is_error(head_.status)) return take(data);
    if (data.size() > limits::kErrorBody - text_.size())
      return fail(Code::protocol, "an error's text is too long");
    text_.append(reinterpret_cast<const char*>(data.data()), data.size());
    return {};
  }

  // Another answer is to come: the first, or since the last one was a redirect or a refusal.
  void asked(loop::Clock::time_point at) {
    asked_ = at;
    head_ = {};
    text_.clear();
  }

  virtual uint64_t expected() const { return 0; }  // bytes of the body, as far as known
  const Head& answer() const { return head_; }
  loop::Clock::time_point asked_at() const { return asked_; }
  const std::string& text() const { return text_; }

 protected:
  // An answer with a body of its own; an error ends it.
  virtual Result<> accept(const Head& head) = 0;
  virtual Result<> take(std::span<const std::byte> data) = 0;

 private:
  const Dialect& dialect_;
  loop::Clock::time_point asked_;
  Head head_;  // status 0: none has come
  std::string text_;
};

// The first contact: learns size and version, keeps the first bytes.
class HttpObject::OpenAnswer final : public Answer {
 public:
  explicit OpenAnswer(HttpObject& object) : Answer(*object.dialect_), object_(object) {}

  bool adopted() const { return adopted_; }
  uint64_t missing() const { return expected_ - object_.prefix_.size(); }

 private:
  Result<> accept(const Head& head) override {
    if (head.status != 206 && head.status != 200)
      return fail(Code::protocol, "the server answers " + status_text(head) + " to a GET");
    // Before what a page of another server's would be called.
    if (Result<> fits = object_.dialect_->accept_first(head); !fits) return fits;
    Result<> known = head.status == 206 ? accept_range(head) : accept_whole(head);
    adopted_ = known.has_value();
    object_.info_.latency = loop::Clock::now() - asked_at();
    return known;
  }

  Result<> accept_range(const Head& head) {
    Result<http::ContentRange> got = http::parse_content_range(head.field("content-range"));
    if (!got) return fail(std::move(got.error()));
    if (!got->total)
      return fail(Code::unsupported, "the server does not tell the object's size");
    const uint64_t size = *got->total;
    Result<uint64_t> announced = check_range(head, {0, std::min(size, kFirstBytes)}, size);
    if (!announced) return fail(std::move(announced.error()));
    expected_ = *announced;
    object_.keep_prefix_ = false;
    return object_.adopt(head, size);
  }

  // No ranges here. That is bearable when the answer is the whole object; one of exactly the asked
  // length may as well be a range that is called 200.
  Result<> accept_whole(const Head& head) {
    Result<std::optional<uint64_t>> length = http::content_length(head);
    if (!length) return fail(std::move(length.error()));
    if (!*length || **length >= kFirstBytes)
      return fail(Code::unsupported,
                  "the server ignores ranges (200 instead of 206): copy the object first, with "
                  "curl for instance");
    expected_ = **length;
    object_.keep_prefix_ = true;
    return object_.adopt(head, expected_);
  }

  Result<> take(std::span<const std::byte> data) override {
    if (data.size() > missing()) return fail(Code::protocol, "the answer is longer than announced");
    object_.prefix_.insert(object_.prefix_.end(), data.begin(), data.end());
    return {};
  }

  HttpObject& object_;
  uint64_t expected_ = 0;
  bool adopted_ = false;
};

// A range of the version that was opened, into a sink.
class HttpObject::ReadAnswer final : public Answer {
 public:
  ReadAnswer(const HttpObject& object, Range range, resource::Sink& sink)
      : Answer(*object.dialect_), object_(object), range_(range), sink_(sink) {}

  uint64_t expected() const override { return range_.length; }
  uint64_t delivered() const { return delivered_; }
  // All that it announced, which may be less than was asked for.
  bool whole() const { return delivered_ > 0 && delivered_ == announced_; }

 private:
  Result<> accept(const Head& head) override {
    if (head.status != 206 && head.status != 200)
      return fail(Code::protocol, "the server answers " + status_text(head) + " to a GET");
    if (Result<> same = object_.check_version(head); !same) return same;
    if (head.status == 200)
      return fail(Code::unsupported, "the server ignores ranges (200 instead of 206)");
    Result<uint64_t> announced = check_range(head, range_, object_.info_.size);
    if (!announced) return fail(std::move(announced.error()));
    announced_ = *announced;
    return {};
  }

  Result<> take(std::span<const std::byte> data) override {
    if (data.size() > announced_ - delivered_)
      return fail(Code::protocol, "the answer is longer than announced");
    sink_.bytes(range_.offset + delivered_, data);
    delivered_ += data.size();
    return {};
  }
  void drained() override { sink_.drained(); }

  const HttpObject& object_;
  Range range_;
  resource::Sink& sink_;
  uint64_t announced_ = 0;
  uint64_t delivered_ = 0;
};

// ---- versions

HttpObject::HttpObject(loop::Loop& loop, http::Client& client, std::unique_ptr<Dialect> dialect,
                       Pin pin)
    : loop_(loop), client_(client), dialect_(std::move(dialect)), target_(dialect_->home()),
      pin_(pin) {
  info_.granule = 64 << 10;
  info_.preferred_request = 32 << 20;
  info_.parallel_requests = 4;
  info_.remote = true;
}

// Takes size and version from the first good answer.
Result<> HttpObject::adopt(const Head& head, uint64_t size) {
  if (size >= uint64_t{1} << 63) return fail(Code::unsupported, "the object is too large");
  // Of another attempt's answer nothing must stay.
  prefix_.clear();
  etag_.reset();
  info_.version.clear();
  info_.size = size;
  if (const std::string_view text = head.field("etag"); !text.empty()) {
    Result<http::Etag> etag = http::parse_etag(text);
    if (!etag) return fail(std::move(etag.error()));
    info_.version = text;
    etag_ = std::move(*etag);
  }
  last_modified_ = head.field("last-modified");
  encoding_ = encoding_of(head);
  if (!etag_) info_.version = last_modified_;
  if (info_.version.empty() && pin_ == Pin::automatic && size > 0 && !keep_prefix_)
    return fail(Code::unsupported,
                "the server names no version (neither ETag nor Last-Modified), so a change of the "
                "object would go unnoticed: pin=none accepts that");
  return {};
}

Result<> HttpObject::check_version(const Head& head) const {
  // Two encodings are two objects, whatever else the server calls them.
  if (encoding_of(head) != encoding_)
    return fail(Code::unsupported, "the server encodes the content once as '" + shown(encoding_) +
                                       "' and once as '" + shown(encoding_of(head)) + "'");
  if (pin_ == Pin::none || info_.version.empty()) return {};
  const auto changed = [](std::string_view was, std::string_view is) {
    return fail(Code::stale, "the object changed since it was opened (it was " + shown(was) +
                                 ", now " + shown(is) + ")");
  };
  const std::string_view date = head.field("last-modified");
  const std::string_view text = head.field("etag");
  if (!etag_ || text.empty()) {
    if (!date.empty() && date != last_modified_) return changed(last_modified_, date);
    if (!etag_ && !date.empty()) return {};
    return fail(Code::protocol, "the answer names no version, the first one did");
  }
  Result<http::Etag> etag = http::parse_etag(text);
  if (!etag) return fail(std::move(etag.error()));
  return *etag == *etag_ ? Result<>() : changed(info_.version, text);
}

std::vector<http::Field> HttpObject::conditions(Range range) const {
  std::vector<http::Field> fields = {{"Range", range_text(range)}};
  if (pin_ == Pin::none) return fields;
  // If-Match compares strongly, so a weak tag would never match; the answer's is compared instead.
  if (etag_ && !etag_->weak) fields.push_back({"If-Match", etag_->text});
  if (!etag_ && !last_modified_.empty()) fields.push_back({"If-Unmodified-Since", last_modified_});
  return fields;
}

// ---- requests

namespace {

http::Priority priority_of(resource::Urgency urgency) {
  switch (urgency) {
    case resource::Urgency::demand: return http::Priority::demand;
    case resource::Urgency::require: return http::Priority::wanted;
    default: return http::Priority::bulk;
  }
}

// Signed URLs, to which stores and hubs redirect, are good for some minutes. Storage of Google's
// says 400 then, others 401 or 403, and some have moved the object by then.
bool may_have_expired(int status) {
  return status == 400 || status == 401 || status == 403 || status == 404 || status == 410;
}

// That a redirect from the last of `visited` to `target` brings us further.
Result<> check_hop(const std::vector<http::Target>& visited, const http::Target& target) {
  if (std::find(visited.begin(), visited.end(), target) != visited.end())
    return fail(Code::unsupported, "the redirects lead in a circle, by " + target.origin());
  if (visited.size() > limits::kRedirects)
    return fail(Code::unsupported, "more than " + std::to_string(limits::kRedirects) +
                                       " redirects, the last one to " + target.origin());
  return {};
}

}  // namespace

// One request to one place.
loop::Task<Result<>> HttpObject::get(const http::Target& target, std::vector<http::Field> fields,
                                     resource::Request request, Answer& answer) {
  // Before the request is signed: OpenSSL may have cleaned up.
  if (client_.closed()) co_return http::Client::refusal();
  http::Request get = dialect_->request(target, std::move(fields));
  get.priority = priority_of(request.urgency);
  get.deadline = request.deadline;
  get.stop = request.stop;
  get.expected_bytes = answer.expected();
  auto performing = client_.perform(std::move(get), answer);
  co_return co_await performing;
}

// One attempt, to its end: through redirects, and where the place to which they have led before
// refuses us, from home once more, and once more with new credentials. An error answer becomes the
// error that it means.
loop::Task<Result<>> HttpObject::perform(std::vector<http::Field> fields,
                                         resource::Request request, Answer& answer) {
  http::Target target = target_;
  std::vector<http::Target> visited;
  bool from_home = target == dialect_->home();
  bool renewed = false;
  for (;;) {
    if (!dialect_->ready()) {
      auto preparing = dialect_->make_ready(request);
      Result<> ready = co_await preparing;
      if (!ready && client_.closed()) co_return http::Client::refusal();
      if (!ready) co_return ready;
    }
    const auto begun = loop::Clock::now();
    answer.asked(begun);
    auto getting = get(target, fields, request, answer);
    Result<> done = co_await getting;
    const Head& head = answer.answer();
    if (head.status == 0) {
      // The place may be gone.
      if (!done && done.error().code != Code::canceled) target_ = dialect_->home();
      co_return done;
    }
    if (!is_error(head.status)) {
      target_ = std::move(target);
      co_return done;
    }
    // Of an error answer even a part says more than how its transfer ended.
    if (!done && done.error().code == Code::canceled) co_return done;
    Result<std::optional<http::Target>> next =
        dialect_->redirect(target, head, answer.text());
    if (!next) co_return fail(std::move(next.error()));
    if (*next) {
      visited.push_back(std::move(target));
      target = std::move(**next);
      if (Result<> new_place = check_hop(visited, target); !new_place) co_return new_place;
      log(LogLevel::debug, "redirected",
          {{"from", visited.back().origin()}, {"to", target.origin()}});
    } else if (!from_home && may_have_expired(head.status)) {
      from_home = true;
      visited.clear();
      target = dialect_->home();
    } else if (!renewed && dialect_->renew(begun, head, answer.text())) {
      renewed = true;
    } else {
      co_return fail(error_of(target, answer));
    }
  }
}

Error HttpObject::error_of(const http::Target& target, const Answer& answer) const {
  const Head& head = answer.answer();
  if (head.status == 416) return {Code::out_of_range, status_text(head)};
  if (head.status == 412)
    return {Code::stale, "the object changed since it was opened (" + status_text(head) + ")"};
  if (head.status == 407) return {Code::denied, "the proxy wants a login (407)"};
  Error error = dialect_->explain(target, head, answer.text());
  if (target.origin() != dialect_->home().origin())
    error.message = "redirected to " + target.origin() + ": " + error.message;
  return error;
}

loop::Task<Result<>> HttpObject::pause(loop::Clock::duration delay,
                                       const resource::Request& request) {
  auto sleeping = loop::sleep_until(loop_, loop::Clock::now() + delay, request.stop);
  co_return co_await sleeping;
}

namespace {

std::optional<std::chrono::seconds> retry_after(const Head& head) {
  const auto now = std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now());
  return http::parse_retry_after(head.field("retry-after"), now);
}

// What an operation ends with after its last attempt's `error`. Where the time was up, what failed
// until then says why.
Failure final_failure(Error error, const std::optional<Error>& before, bool out_of_time) {
  const bool in_mid_attempt = error.code == Code::timed_out;
  if (in_mid_attempt ? !before.has_value() : !out_of_time || !is_transient(error.code))
    return fail(std::move(error));
  return fail(Code::timed_out, "no complete answer before the deadline; last: " +
                                   (in_mid_attempt ? before->message : error.message));
}

Failure no_first_bytes() {
  return fail(Code::protocol, "the server finds no " + range_text({0, kFirstBytes}) +
                                  " in an object that has some");
}

}  // namespace

loop::Task<Result<std::unique_ptr<resource::Resource>>> HttpObject::open(
    loop::Loop& loop, http::Client& client, std::unique_ptr<Dialect> dialect, Pin pin,
    resource::Request request) {
  std::unique_ptr<HttpObject> object(new HttpObject(loop, client, std::move(dialect), pin));
  auto opening = object->attempt_open(request);
  Result<> opened = co_await opening;
  if (!opened) co_return fail(std::move(opened.error()));
  co_return std::unique_ptr<resource::Resource>(std::move(object));
}

loop::Task<Result<>> HttpObject::attempt_open(resource::Request request) {
  http::Retry retry(request.deadline, limits::kOpenAttempts, random_);
  std::optional<Error> before;  // why the attempt under way is not the first
  for (;;) {
    OpenAnswer answer(*this);
    std::vector<http::Field> fields = {{"Range", range_text({0, kFirstBytes})}};
    auto performing = perform(std::move(fields), request, answer);
    Result<> done = co_await performing;
    // An answer that broke off in its body has told what matters; reads fetch the rest.
    const bool broke_off = !done && done.error().code == Code::network;
    if (answer.adopted() && (done || broke_off) && (!keep_prefix_ || answer.missing() == 0))
      co_return Result<>();
    if (done) done = fail(Code::network, "the answer ended early");

    if (done.error().code == Code::out_of_range) {
      const auto range = http::parse_content_range(answer.answer().field("content-range"));
      if (range && range->total == 0u) co_return adopt(answer.answer(), 0);
      if (range && range->total) co_return no_first_bytes();
      auto confirming = confirm_empty(request);
      done = co_await confirming;
      if (done) co_return done;
    }
    Error& error = done.error();
    const auto now = loop::Clock::now();
    const auto delay = retry.next(error.code, retry_after(answer.answer()), now);
    if (!delay) co_return final_failure(std::move(error), before, retry.out_of_time(now));
    log(LogLevel::info, "open is tried again",
        {{"cause", error.message},
         {"pause_ms", std::chrono::ceil<std::chrono::milliseconds>(*delay).count()}});
    before = std::move(error);
    auto pausing = pause(*delay, request);
    if (Result<> awake = co_await pausing; !awake) co_return awake;
  }
}

// S3 servers answer 416 to any range of an empty object, without saying that it is empty: a GET
// without range tells.
loop::Task<Result<>> HttpObject::confirm_empty(resource::Request request) {
  OpenAnswer answer(*this);
  auto performing = perform({}, request, answer);
  Result<> done = co_await performing;
  if (done && answer.adopted() && info_.size == 0) co_return Result<>();
  const int status = answer.answer().status;  // 0: none came
  if (!done && (status == 0 || is_error(status)) && status != 416) co_return done;
  co_return no_first_bytes();
}

// What of `range` the kept first bytes hold; they go once the last one was asked for.
uint64_t HttpObject::serve_prefix(Range range, resource::Sink& sink) {
  const Range held = intersect(range, {0, prefix_.size()});
  if (held.empty()) return 0;
  sink.bytes(held.offset, std::span(prefix_).subspan(held.offset, held.length));
  if (held.end() == prefix_.size() && !keep_prefix_)
    std::vector<std::byte>().swap(prefix_);
  return held.length;
}

loop::Task<Result<>> HttpObject::read(Range range, resource::Request request,
                                      resource::Sink& sink) {
  http::Retry retry(request.deadline, 0, random_);
  std::optional<Error> before;  // why the attempt under way is not the first
  uint64_t at = range.offset + serve_prefix(range, sink);
  // What is here need not wait for the round trip that brings the rest.
  if (at > range.offset && at < range.end()) sink.drained();
  while (at < range.end()) {
    const Range rest = range_between(at, range.end());
    ReadAnswer answer(*this, rest, sink);
    auto performing = perform(conditions(rest), request, answer);
    Result<> done = co_await performing;
    at += answer.delivered();
    // All is here, even if the connection broke before the answer's formal end.
    if (at == range.end() && (done || done.error().code == Code::network)) break;
    if (done && answer.whole()) {  // the server prefers smaller pieces
      retry.progress();
      continue;
    }
    if (done) done = fail(Code::network, "the answer ended early");

    Error& error = done.error();
    const int status = answer.answer().status;
    if (status == 404 || status == 410)
      co_return fail(Code::stale, "the object was deleted since it was opened");
    if (status == 416)
      co_return fail(Code::stale, "the object changed since it was opened (it is shorter now)");
    // A host that was there has lost its name for a while, no more.
    if (status == 0 && error.code == Code::not_found) error.code = Code::network;
    if (at == range.end()) co_return done;  // too many bytes: all here, but not to be trusted
    if (answer.delivered() > 0) retry.progress();
    const auto now = loop::Clock::now();
    const auto delay = retry.next(error.code, retry_after(answer.answer()), now);
    if (!delay) co_return final_failure(std::move(error), before, retry.out_of_time(now));
    sink.retrying(at, error, *delay);
    before = std::move(error);
    auto pausing = pause(*delay, request);
    if (Result<> awake = co_await pausing; !awake) co_return awake;
    // It began before the process did end: not refused, but given up with those under way.
    if (client_.closed()) co_return http::Client::refusal();
  }
  co_return Result<>();
}

}  // namespace r3map::backend
