#include "http/multi.hpp"

#include <utility>

#include "base/limits.hpp"

namespace r3map::http {

namespace {

constexpr long kBufferSize = 512 << 10;

}  // namespace

Multi::Multi(loop::Loop& loop, Connections& connections, size_t most, std::function<void()> ran)
    : loop_(loop),
      connections_(connections),
      most_(most),
      ran_(std::move(ran)),
      timer_(loop, [this] { act(CURL_SOCKET_TIMEOUT, 0); }) {}

Multi::~Multi() {
  for (CURL* easy : idle_) curl_easy_cleanup(easy);
  if (multi_) curl_multi_cleanup(multi_);
}

Result<> Multi::open() {
  static const CURLcode initialized = curl_global_init(CURL_GLOBAL_DEFAULT);
  if (initialized != CURLE_OK) return fail(Code::internal, "libcurl");
  multi_ = curl_multi_init();
  if (!multi_) return fail(Code::no_memory, "libcurl");
  curl_multi_setopt(multi_, CURLMOPT_SOCKETFUNCTION, &Multi::on_socket);
  curl_multi_setopt(multi_, CURLMOPT_SOCKETDATA, this);
  curl_multi_setopt(multi_, CURLMOPT_TIMERFUNCTION, &Multi::on_timer);
  curl_multi_setopt(multi_, CURLMOPT_TIMERDATA, this);
  curl_multi_setopt(multi_, CURLMOPT_PIPELINING, CURLPIPE_NOTHING);
  curl_multi_setopt(multi_, CURLMOPT_MAX_TOTAL_CONNECTIONS, static_cast<long>(most_));
  curl_multi_setopt(multi_, CURLMOPT_MAXCONNECTS, static_cast<long>(most_));
  return {};
}

CURL* Multi::take_handle() {
  if (!idle_.empty()) {
    CURL* easy = idle_.back();
    idle_.pop_back();
    return easy;
  }
  CURL* easy = curl_easy_init();
  if (!easy) return nullptr;
  curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
  curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, static_cast<long>(CURL_HTTP_VERSION_1_1));
  curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
  curl_easy_setopt(easy, CURLOPT_HTTP_CONTENT_DECODING, 0L);
  curl_easy_setopt(easy, CURLOPT_PATH_AS_IS, 1L);  // a key may hold "..", and it is signed
  curl_easy_setopt(easy, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
  curl_easy_setopt(easy, CURLOPT_USERAGENT, "r3map");
  curl_easy_setopt(easy, CURLOPT_BUFFERSIZE, kBufferSize);
  curl_easy_setopt(easy, CURLOPT_TCP_NODELAY, 1L);
  curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS,
                   static_cast<long>(std::chrono::milliseconds(limits::kConnectTimeout).count()));
#if LIBCURL_VERSION_NUM >= 0x075700
  // Or else a canceled request waits, and the loop with it, until getaddrinfo returns.
  curl_easy_setopt(easy, CURLOPT_QUICK_EXIT, 1L);
#endif
  curl_easy_setopt(easy, CURLOPT_CLOSESOCKETFUNCTION, &Multi::on_close);
  curl_easy_setopt(easy, CURLOPT_CLOSESOCKETDATA, this);
  return easy;
}

bool Multi::add(CURL* easy) {
  inside_ = true;
  const CURLMcode added = curl_multi_add_handle(multi_, easy);
  inside_ = false;
  return added == CURLM_OK;
}

void Multi::remove(CURL* easy) {
  inside_ = true;
  curl_multi_remove_handle(multi_, easy);
  inside_ = false;
}

std::optional<Multi::Finished> Multi::next_finished() {
  int left;
  while (const CURLMsg* message = curl_multi_info_read(multi_, &left))
    if (message->msg == CURLMSG_DONE) return Finished{message->easy_handle, message->data.result};
  return std::nullopt;
}

void Multi::act(curl_socket_t socket, int events) {
  int running;
  inside_ = true;
  curl_multi_socket_action(multi_, socket, events, &running);
  inside_ = false;
  ran_();
}

int Multi::on_socket(CURL*, curl_socket_t socket, int what, void* self, void*) {
  auto& multi = *static_cast<Multi*>(self);
  if (what == CURL_POLL_REMOVE) {
    multi.watches_.erase(socket);
    return 0;
  }
  std::unique_ptr<loop::FdWatch>& watch = multi.watches_[socket];
  if (!watch) {
    watch = std::make_unique<loop::FdWatch>(multi.loop_, socket, [&multi, socket](int events) {
      int ready = 0;
      if (events & loop::FdWatch::kReadable) ready |= CURL_CSELECT_IN;
      if (events & loop::FdWatch::kWritable) ready |= CURL_CSELECT_OUT;
      multi.act(socket, ready);
    });
  }
  int interest = 0;
  if (what & CURL_POLL_IN) interest |= loop::FdWatch::kReadable;
  if (what & CURL_POLL_OUT) interest |= loop::FdWatch::kWritable;
  return watch->watch(interest) ? 0 : -1;
}

int Multi::on_timer(CURLM*, long timeout_ms, void* self) {
  auto& multi = *static_cast<Multi*>(self);
  if (timeout_ms < 0) {
    multi.timer_.stop();
  } else {
    multi.timer_.start(std::chrono::milliseconds(timeout_ms));
  }
  return 0;
}

int Multi::on_close(void* self, curl_socket_t socket) {
  auto& multi = *static_cast<Multi*>(self);
  multi.watches_.erase(socket);
  return multi.connections_.close(socket);
}

}  // namespace r3map::http
