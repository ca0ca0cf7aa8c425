#include "http/client.hpp"

#include <arpa/inet.h>
#include <curl/curl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <cstring>
#include <list>
#include <optional>
#include <system_error>
#include <unordered_map>

#include "base/limits.hpp"
#include "http/authorities.hpp"
#include "loop/event.hpp"

namespace r3map::http {

namespace {

using loop::Clock;

constexpr long kBufferSize = 512 << 10;

template <typename Duration>
std::string seconds_text(Duration duration) {
  return std::to_string(std::chrono::duration_cast<std::chrono::seconds>(duration).count()) + " s";
}

// "https://host:1/x" → "host:1".
std::string host_of(std::string_view url) {
  const size_t begin = url.find("://");
  if (begin == std::string_view::npos) return std::string(url);
  url.remove_prefix(begin + 3);
  return std::string(url.substr(0, url.find_first_of("/?#")));
}

// One end of a connection; IPv4 in the first four bytes.
struct Address {
  std::array<uint8_t, 16> ip{};
  uint16_t port = 0;
  bool operator==(const Address&) const = default;
};

Address address_of(const char* ip, int port) {
  Address address;
  address.port = static_cast<uint16_t>(port);
  inet_pton(std::strchr(ip, ':') ? AF_INET6 : AF_INET, ip, address.ip.data());
  return address;
}

Address address_of(int fd, int (*name)(int, sockaddr*, socklen_t*)) {
  sockaddr_storage storage{};
  socklen_t size = sizeof storage;
  Address address;
  if (name(fd, reinterpret_cast<sockaddr*>(&storage), &size) < 0) return address;
  if (storage.ss_family == AF_INET) {
    const auto* v4 = reinterpret_cast<const sockaddr_in*>(&storage);
    std::memcpy(address.ip.data(), &v4->sin_addr, sizeof v4->sin_addr);
    address.port = ntohs(v4->sin_port);
  } else if (storage.ss_family == AF_INET6) {
    const auto* v6 = reinterpret_cast<const sockaddr_in6*>(&storage);
    std::memcpy(address.ip.data(), &v6->sin6_addr, sizeof v6->sin6_addr);
    address.port = ntohs(v6->sin6_port);
  }
  return address;
}

struct Connection {
  Address local, remote;
  bool operator==(const Connection&) const = default;
};

// One local port may lead to several hosts, but rarely does.
struct ConnectionHash {
  size_t operator()(const Connection& connection) const {
    return std::hash<uint32_t>()(uint32_t{connection.local.port} << 16 | connection.remote.port);
  }
};

bool has_unread_bytes(int fd) {
  char byte;
  return recv(fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) > 0;
}

}  // namespace

// One request, from perform() to its end; lives in perform()'s frame.
struct Transfer {
  Transfer(Client::Impl& owner, Request&& asked, Receiver& taker);

  Client::Impl& client;
  Request request;
  Receiver& receiver;
  std::string host;

  CURL* easy = nullptr;  // while under way
  curl_slist* headers = nullptr;
  std::array<char, CURL_ERROR_SIZE> curl_text{};
  bool sent = false;            // a connection was found; from here on silence is a stall
  bool stale_connection = false;
  Clock::time_point last_byte;

  HeadParser parser;
  bool head_given = false;
  bool undrained = false;  // has got bytes in the present call of libcurl
  std::optional<Error> refusal;  // the receiver's or ours, from inside a callback

  std::list<Transfer*>::iterator place;  // in the queue, or among those under way
  bool queued = false;
  std::optional<Result<>> result;  // set: over, though libcurl may not know yet
  loop::Event done;
  loop::Timer timer;

  void clear_answer();
  bool deliver_head();
  Failure timed_out() const;
  Failure failure(CURLcode code) const;
  Result<> verdict(CURLcode code) const;
};

struct Client::Impl {
  explicit Impl(loop::Loop& home)
      : loop(home), timer(home, [this] { socket_action(CURL_SOCKET_TIMEOUT, 0); }) {}

  loop::Loop& loop;
  CURLM* multi = nullptr;
  loop::Timer timer;
  Authorities authorities;  // for requests without a bundle of their own
  std::unordered_map<curl_socket_t, std::unique_ptr<loop::FdWatch>> watches;
  // Open sockets; what they connect is known from their first request on.
  std::unordered_map<curl_socket_t, std::optional<Connection>> sockets;
  std::unordered_map<Connection, curl_socket_t, ConnectionHash> connections;  // that carried one
  std::vector<CURL*> idle_handles;  // with their buffers, which are worth keeping
  std::array<std::list<Transfer*>, kPriorities> queues;
  std::list<Transfer*> active;
  std::array<size_t, kPriorities> active_counts{};  // by priority
  std::vector<Transfer*> undrained;  // see Transfer; emptied before any of them can end
  bool inside_curl = false;
  bool closed = false;

  Result<> init();
  Result<> find_authorities();
  void release();

  void enqueue(Transfer& transfer);
  void end(Transfer& transfer, Result<> result);
  void expired(Transfer& transfer);
  void arm(Transfer& transfer);

  void socket_action(curl_socket_t socket, int events);
  void tell_drained();
  void settle();
  bool reap_ended();
  bool reap_finished();
  std::list<Transfer*>& queue_of(const Transfer& transfer);
  size_t& active_count(const Transfer& transfer);
  bool may_start(Priority priority) const;
  bool start_next();
  void start_queued();
  void start(std::list<Transfer*>& queue);
  Result<> prepare(Transfer& transfer);
  static void prepare_method(CURL* easy, const Request& request);
  void detach(Transfer& transfer);
  CURL* new_handle();
  void remember(const Connection& connection);

  static int on_socket(CURL*, curl_socket_t socket, int what, void* self, void*);
  static int on_timer(CURLM*, long timeout_ms, void* self);
  static curl_socket_t on_open(void* self, curlsocktype, curl_sockaddr* address);
  static int on_close(void* self, curl_socket_t socket);
  static int on_request(void* transfer, char* remote_ip, char* local_ip, int remote_port,
                        int local_port);
  static size_t on_header(char* data, size_t size, size_t count, void* transfer);
  static size_t on_body(char* data, size_t size, size_t count, void* transfer);
};

// ---- one transfer

Transfer::Transfer(Client::Impl& owner, Request&& asked, Receiver& taker)
    : client(owner),
      request(std::move(asked)),
      receiver(taker),
      host(host_of(request.url)),
      timer(owner.loop, [this] { client.expired(*this); }) {}

void Transfer::clear_answer() {
  parser = {};
  head_given = sent = stale_connection = false;
  curl_text[0] = 0;
}

// The head to the receiver once it is complete. False: the request is to end.
bool Transfer::deliver_head() {
  if (!parser.complete() || head_given) return true;
  head_given = true;
  const Head& head = parser.head();
  if (Result<> taken = receiver.head(head); !taken) {
    refusal = std::move(taken.error());
    return false;
  }
  return true;
}

Failure Transfer::timed_out() const {
  return fail(Code::timed_out, host + ": no complete answer before the deadline");
}

// libcurl's verdict in our words.
Failure Transfer::failure(CURLcode code) const {
  const auto because = [&](Code ours, const std::string& what) {
    return fail(ours, host + ": " + what);
  };
  const char* const detail = curl_text[0] ? curl_text.data() : curl_easy_strerror(code);
  long os_error = 0, connect_status = 0;
  if (easy) curl_easy_getinfo(easy, CURLINFO_HTTP_CONNECTCODE, &connect_status);
  const std::string number = " (" + std::to_string(connect_status) + ")";
  if (connect_status == 401 || connect_status == 407)
    return because(Code::denied, "the proxy wants a login" + number);
  if (connect_status >= 300) return because(Code::network, "the proxy does not connect" + number);
  if (easy) curl_easy_getinfo(easy, CURLINFO_OS_ERRNO, &os_error);
  std::string os_text = detail;
  if (os_error) os_text = std::generic_category().message(static_cast<int>(os_error));
  os_text[0] = static_cast<char>(std::tolower(static_cast<unsigned char>(os_text[0])));
  switch (code) {
    case CURLE_URL_MALFORMAT: return because(Code::invalid, "malformed URL");
    case CURLE_COULDNT_RESOLVE_HOST: return because(Code::not_found, "no such host");
    case CURLE_COULDNT_RESOLVE_PROXY: return because(Code::network, "no such proxy");
    case CURLE_COULDNT_CONNECT: return because(Code::network, "can't connect: " + os_text);
    case CURLE_OPERATION_TIMEDOUT:
      return because(Code::network,
                     "no connection within " + seconds_text(limits::kConnectTimeout));
    case CURLE_PEER_FAILED_VERIFICATION:
      return because(Code::denied, std::string("the server's certificate is refused: ") + detail);
    case CURLE_SSL_CACERT_BADFILE:
      return because(Code::invalid, std::string("unusable CA bundle: ") + detail);
    case CURLE_SSL_CONNECT_ERROR: return because(Code::network, std::string("TLS: ") + detail);
    case CURLE_GOT_NOTHING:
      return because(Code::network, "the server closed the connection without an answer");
    case CURLE_PARTIAL_FILE:
      return because(Code::network, "the server closed the connection in the middle of an answer");
    case CURLE_RECV_ERROR:
    case CURLE_SEND_ERROR:
      return because(Code::network, std::string("the connection broke: ") + detail);
    case CURLE_OUT_OF_MEMORY:  // also what libcurl calls a header line beyond its own limit
      return because(Code::protocol, "malformed answer: its header is too long");
    case CURLE_UNSUPPORTED_PROTOCOL:
    case CURLE_WEIRD_SERVER_REPLY:
    case CURLE_HTTP2: return because(Code::protocol, std::string("malformed answer: ") + detail);
    default: return because(Code::network, detail);
  }
}

Failure refused_by_libcurl(const Transfer& transfer) {
  return fail(Code::no_memory, transfer.host + ": libcurl refuses the request");
}

Result<> Transfer::verdict(CURLcode code) const {
  if (refusal) return fail(*refusal);
  if (code != CURLE_OK) return failure(code);
  if (!head_given) return fail(Code::protocol, host + ": malformed answer: no header");
  return {};
}

// ---- life

Client::Client(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

Result<std::unique_ptr<Client>> Client::open(loop::Loop& loop) {
  auto impl = std::make_unique<Impl>(loop);
  if (Result<> ready = impl->init(); !ready) return fail(std::move(ready.error()));
  return std::unique_ptr<Client>(new Client(std::move(impl)));
}

Client::~Client() { impl_->release(); }

Result<> Client::Impl::init() {
  if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) return fail(Code::internal, "libcurl");
  multi = curl_multi_init();
  if (!multi) return fail(Code::no_memory, "libcurl");
  curl_multi_setopt(multi, CURLMOPT_SOCKETFUNCTION, &Impl::on_socket);
  curl_multi_setopt(multi, CURLMOPT_SOCKETDATA, this);
  curl_multi_setopt(multi, CURLMOPT_TIMERFUNCTION, &Impl::on_timer);
  curl_multi_setopt(multi, CURLMOPT_TIMERDATA, this);
  curl_multi_setopt(multi, CURLMOPT_PIPELINING, CURLPIPE_NOTHING);
  curl_multi_setopt(multi, CURLMOPT_MAX_TOTAL_CONNECTIONS, static_cast<long>(limits::kConnections));
  curl_multi_setopt(multi, CURLMOPT_MAXCONNECTS, static_cast<long>(limits::kConnections));
  return find_authorities();
}

// Handles are used again, so each request sets what it trusts; libcurl's own places, which setting
// nothing would leave, are asked for here.
Result<> Client::Impl::find_authorities() {
  CURL* easy = new_handle();
  if (!easy) return fail(Code::no_memory, "libcurl");
  idle_handles.push_back(easy);
  const char* file = nullptr;
  const char* folder = nullptr;
  curl_easy_getinfo(easy, CURLINFO_CAINFO, &file);
  curl_easy_getinfo(easy, CURLINFO_CAPATH, &folder);
  authorities = http::find_authorities({file ? file : "", folder ? folder : ""});
  return {};
}

void Client::Impl::release() {
  for (CURL* easy : idle_handles) curl_easy_cleanup(easy);
  if (multi) curl_multi_cleanup(multi);
}

void Client::shutdown() {
  Impl& impl = *impl_;
  impl.closed = true;
  std::vector<Transfer*> all;  // end() takes them off; those that wait first, lest they start
  for (const std::list<Transfer*>& queue : impl.queues)
    all.insert(all.end(), queue.begin(), queue.end());
  all.insert(all.end(), impl.active.begin(), impl.active.end());
  for (Transfer* transfer : all)
    impl.end(*transfer, fail(Code::canceled, transfer->host + ": closed"));
}

bool Client::closed() const { return impl_->closed; }

Failure Client::refusal() { return fail(Code::unsupported, "the process is exiting"); }

// ---- queues

loop::Task<Result<>> Client::perform(Request request, Receiver& receiver) {
  Impl& impl = *impl_;
  if (impl.closed) co_return refusal();
  size_t queued = 0;
  for (const std::list<Transfer*>& queue : impl.queues) queued += queue.size();
  if (queued >= limits::kQueuedRequests)
    co_return fail(Code::busy, "too many requests are waiting for a connection");
  Transfer transfer(impl, std::move(request), receiver);
  if (transfer.request.stop.stop_requested())
    co_return fail(Code::canceled, transfer.host + ": stopped");
  if (Clock::now() >= transfer.request.deadline) co_return transfer.timed_out();

  impl.enqueue(transfer);
  {
    std::stop_callback stopped(transfer.request.stop, [&] {
      impl.end(transfer, fail(Code::canceled, transfer.host + ": stopped"));
    });
    co_await transfer.done;
  }
  co_return std::move(*transfer.result);
}

std::list<Transfer*>& Client::Impl::queue_of(const Transfer& transfer) {
  return queues[static_cast<size_t>(transfer.request.priority)];
}

size_t& Client::Impl::active_count(const Transfer& transfer) {
  return active_counts[static_cast<size_t>(transfer.request.priority)];
}

void Client::Impl::enqueue(Transfer& transfer) {
  std::list<Transfer*>& queue = queue_of(transfer);
  transfer.place = queue.insert(queue.end(), &transfer);
  transfer.queued = true;
  arm(transfer);
  start_queued();
}

// Ends a transfer wherever it stands. From inside a callback of libcurl's its handle stays until
// libcurl can be called again.
void Client::Impl::end(Transfer& transfer, Result<> result) {
  if (transfer.result) return;
  transfer.result.emplace(std::move(result));
  transfer.timer.stop();
  if (transfer.queued) {
    queue_of(transfer).erase(transfer.place);
    transfer.queued = false;
    transfer.done.set();
  } else if (!inside_curl) {
    settle();
  }
}

// The next moment at which something may be too late.
void Client::Impl::arm(Transfer& transfer) {
  Clock::time_point at = transfer.request.deadline;
  if (transfer.easy) {
    // Before the request is sent, libcurl's connect timeout watches; look again after it.
    const auto since = transfer.sent ? transfer.last_byte : Clock::now();
    at = std::min(at, since + limits::kStall);
  }
  if (at != loop::kNever) transfer.timer.start(std::max(at - Clock::now(), Clock::duration(0)));
}

void Client::Impl::expired(Transfer& transfer) {
  const Clock::time_point now = Clock::now();
  if (now >= transfer.request.deadline) return end(transfer, transfer.timed_out());
  if (transfer.easy && transfer.sent && now - transfer.last_byte >= limits::kStall)
    return end(transfer, fail(Code::network, transfer.host + ": no byte for " +
                                                 seconds_text(limits::kStall)));
  arm(transfer);
}

// Whoever waits less has a smaller share: so a page fault finds a connection, or one that comes
// free soon.
bool Client::Impl::may_start(Priority priority) const {
  if (active.size() >= limits::kConnections) return false;
  if (priority == Priority::demand) return true;
  const size_t wanted = active_counts[static_cast<size_t>(Priority::wanted)];
  const size_t bulk = active_counts[static_cast<size_t>(Priority::bulk)];
  if (wanted + bulk >= limits::kConnections - limits::kDemandConnections) return false;
  return priority == Priority::wanted || bulk < limits::kBulkConnections;
}

bool Client::Impl::start_next() {
  for (const Priority priority : {Priority::demand, Priority::wanted, Priority::bulk}) {
    std::list<Transfer*>& queue = queues[static_cast<size_t>(priority)];
    if (queue.empty() || !may_start(priority)) continue;
    start(queue);
    return true;
  }
  return false;
}

void Client::Impl::start_queued() {
  while (start_next()) {
  }
}

void Client::Impl::start(std::list<Transfer*>& queue) {
  Transfer& transfer = *queue.front();
  active.splice(active.end(), queue, queue.begin());
  transfer.queued = false;
  ++active_count(transfer);
  Result<> ready = prepare(transfer);
  if (ready && curl_multi_add_handle(multi, transfer.easy) == CURLM_OK) return arm(transfer);
  if (ready) ready = refused_by_libcurl(transfer);
  transfer.result.emplace(std::move(ready));
  transfer.timer.stop();
  detach(transfer);
}

// ---- libcurl

CURL* Client::Impl::new_handle() {
  if (!idle_handles.empty()) {
    CURL* easy = idle_handles.back();
    idle_handles.pop_back();
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
  curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, &Impl::on_open);
  curl_easy_setopt(easy, CURLOPT_OPENSOCKETDATA, this);
  curl_easy_setopt(easy, CURLOPT_CLOSESOCKETFUNCTION, &Impl::on_close);
  curl_easy_setopt(easy, CURLOPT_CLOSESOCKETDATA, this);
  curl_easy_setopt(easy, CURLOPT_PREREQFUNCTION, &Impl::on_request);
  curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, &Impl::on_header);
  curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, &Impl::on_body);
  return easy;
}

Result<> Client::Impl::prepare(Transfer& transfer) {
  const auto out_of_memory = [] { return fail(Code::no_memory, "libcurl: out of memory"); };
  CURL* easy = transfer.easy = new_handle();
  if (!easy) return out_of_memory();
  transfer.headers = curl_slist_append(nullptr, "Accept-Encoding: identity");
  // No waiting for a "100 Continue" before a small body.
  if (!transfer.request.body.empty()) transfer.request.headers.push_back("Expect:");
  for (const std::string& header : transfer.request.headers) {
    // A line break would begin a header of its own.
    if (header.find_first_of("\r\n") != std::string::npos)
      return fail(Code::invalid, "a header may not hold line breaks");
    curl_slist* longer = curl_slist_append(transfer.headers, header.c_str());
    if (!longer) return out_of_memory();
    transfer.headers = longer;
  }
  // A bundle of the request's own replaces all of the system's.
  const bool own = !transfer.request.ca_bundle.empty();
  const Authorities trusted = own ? Authorities{transfer.request.ca_bundle, ""} : authorities;
  const char* const bundle = trusted.bundle.empty() ? nullptr : trusted.bundle.c_str();
  const char* const folder = trusted.folder.empty() ? nullptr : trusted.folder.c_str();
  curl_easy_setopt(easy, CURLOPT_CAINFO, bundle);
  curl_easy_setopt(easy, CURLOPT_CAPATH, folder);
  curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, transfer.request.verify ? 1L : 0L);
  curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, transfer.request.verify ? 2L : 0L);
  // Without one of the request's own, libcurl asks the environment, no_proxy included.
  const std::string& proxy = transfer.request.proxy;
  curl_easy_setopt(easy, CURLOPT_PROXY, proxy.empty() ? nullptr : proxy.c_str());
  curl_easy_setopt(easy, CURLOPT_NOPROXY,
                   transfer.request.direct ? "*" : proxy.empty() ? nullptr : "");
  curl_easy_setopt(easy, CURLOPT_PROXY_CAINFO, bundle);
  curl_easy_setopt(easy, CURLOPT_PROXY_CAPATH, folder);
  curl_easy_setopt(easy, CURLOPT_HTTPHEADER, transfer.headers);
  curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, transfer.curl_text.data());
  curl_easy_setopt(easy, CURLOPT_PRIVATE, &transfer);
  curl_easy_setopt(easy, CURLOPT_PREREQDATA, &transfer);
  curl_easy_setopt(easy, CURLOPT_HEADERDATA, &transfer);
  curl_easy_setopt(easy, CURLOPT_WRITEDATA, &transfer);
  curl_easy_setopt(easy, CURLOPT_FRESH_CONNECT, 0L);
  prepare_method(easy, transfer.request);
  if (curl_easy_setopt(easy, CURLOPT_URL, transfer.request.url.c_str()) != CURLE_OK)
    return out_of_memory();
  return {};
}

// Handles are used again, so a GET must undo what a POST has set. The body stays where it is.
void Client::Impl::prepare_method(CURL* easy, const Request& request) {
  if (request.method == "GET") {
    curl_easy_setopt(easy, CURLOPT_HTTPGET, 1L);
    curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, nullptr);
    return;
  }
  curl_easy_setopt(easy, CURLOPT_POSTFIELDS, request.body.data());
  curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE, static_cast<long>(request.body.size()));
  curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, request.method.c_str());
}

// Takes a transfer that is over away from libcurl and lets its task go on.
void Client::Impl::detach(Transfer& transfer) {
  if (transfer.easy) {
    inside_curl = true;
    curl_multi_remove_handle(multi, transfer.easy);
    inside_curl = false;
    curl_easy_setopt(transfer.easy, CURLOPT_ERRORBUFFER, nullptr);
    curl_easy_setopt(transfer.easy, CURLOPT_HTTPHEADER, nullptr);
    idle_handles.push_back(std::exchange(transfer.easy, nullptr));
  }
  curl_slist_free_all(std::exchange(transfer.headers, nullptr));
  std::erase(undrained, &transfer);
  active.erase(transfer.place);
  --active_count(transfer);
  transfer.done.set();
}

void Client::Impl::socket_action(curl_socket_t socket, int events) {
  int running;
  inside_curl = true;
  curl_multi_socket_action(multi, socket, events, &running);
  inside_curl = false;
  tell_drained();
  settle();
}

void Client::Impl::tell_drained() {
  for (Transfer* transfer : undrained) {
    transfer->undrained = false;
    if (!transfer->result) transfer->receiver.drained();
  }
  undrained.clear();
}

// After libcurl has run: takes away what is over, starts what has waited for its place.
void Client::Impl::settle() {
  while (reap_finished() || reap_ended()) {
  }
  start_queued();
}

bool Client::Impl::reap_finished() {
  bool any = false;
  int left;
  while (const CURLMsg* message = curl_multi_info_read(multi, &left)) {
    if (message->msg != CURLMSG_DONE) continue;
    const CURLcode code = message->data.result;
    Transfer* transfer = nullptr;
    curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &transfer);
    any = true;
    if (transfer->stale_connection && !transfer->result) {
      // The connection held bytes that nobody had asked for; it is closed now.
      inside_curl = true;
      curl_multi_remove_handle(multi, transfer->easy);
      transfer->clear_answer();
      curl_easy_setopt(transfer->easy, CURLOPT_FRESH_CONNECT, 1L);
      const CURLMcode added = curl_multi_add_handle(multi, transfer->easy);
      inside_curl = false;
      if (added == CURLM_OK) continue;
      transfer->result.emplace(refused_by_libcurl(*transfer));
    }
    if (!transfer->result) transfer->result.emplace(transfer->verdict(code));
    transfer->timer.stop();
    detach(*transfer);
  }
  return any;
}

bool Client::Impl::reap_ended() {
  bool any = false;
  for (auto next = active.begin(); next != active.end();) {
    Transfer& transfer = **next++;
    if (!transfer.result) continue;
    detach(transfer);
    any = true;
  }
  return any;
}

int Client::Impl::on_socket(CURL*, curl_socket_t socket, int what, void* self, void*) {
  auto& impl = *static_cast<Impl*>(self);
  if (what == CURL_POLL_REMOVE) {
    impl.watches.erase(socket);
    return 0;
  }
  std::unique_ptr<loop::FdWatch>& watch = impl.watches[socket];
  if (!watch) {
    watch = std::make_unique<loop::FdWatch>(impl.loop, socket, [&impl, socket](int events) {
      int ready = 0;
      if (events & loop::FdWatch::kReadable) ready |= CURL_CSELECT_IN;
      if (events & loop::FdWatch::kWritable) ready |= CURL_CSELECT_OUT;
      impl.socket_action(socket, ready);
    });
  }
  int interest = 0;
  if (what & CURL_POLL_IN) interest |= loop::FdWatch::kReadable;
  if (what & CURL_POLL_OUT) interest |= loop::FdWatch::kWritable;
  return watch->watch(interest) ? 0 : -1;
}

int Client::Impl::on_timer(CURLM*, long timeout_ms, void* self) {
  auto& impl = *static_cast<Impl*>(self);
  if (timeout_ms < 0) {
    impl.timer.stop();
  } else {
    impl.timer.start(std::chrono::milliseconds(timeout_ms));
  }
  return 0;
}

curl_socket_t Client::Impl::on_open(void* self, curlsocktype, curl_sockaddr* address) {
  // The host's children must not inherit it.
  const int fd = socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
  if (fd < 0) return CURL_SOCKET_BAD;
  static_cast<Impl*>(self)->sockets[fd] = std::nullopt;
  return fd;
}

int Client::Impl::on_close(void* self, curl_socket_t socket) {
  auto& impl = *static_cast<Impl*>(self);
  impl.watches.erase(socket);
  if (const auto found = impl.sockets.find(socket); found != impl.sockets.end()) {
    if (found->second) impl.connections.erase(*found->second);
    impl.sockets.erase(found);
  }
  return close(socket);
}

// Finds the socket of a connection that carries its first request; not on a page fault's path
// again as long as it lives.
void Client::Impl::remember(const Connection& connection) {
  for (auto& [fd, known] : sockets) {
    if (known || address_of(fd, getsockname) != connection.local ||
        address_of(fd, getpeername) != connection.remote)
      continue;
    known = connection;
    connections[connection] = fd;
  }
}

// A connection is chosen, the request not yet sent. One that already holds bytes would give them
// as the answer to this request, whoever they were meant for: libcurl 7.88 does not look. (A first
// request is let pass: TLS 1.3 sends its tickets unasked.)
int Client::Impl::on_request(void* data, char* remote_ip, char* local_ip, int remote_port,
                             int local_port) {
  auto& transfer = *static_cast<Transfer*>(data);
  Impl& impl = transfer.client;
  const Connection connection{address_of(local_ip, local_port), address_of(remote_ip, remote_port)};
  transfer.sent = true;
  transfer.last_byte = Clock::now();
  const auto known = impl.connections.find(connection);
  if (known == impl.connections.end()) {
    impl.remember(connection);
  } else if (has_unread_bytes(known->second)) {
    transfer.stale_connection = true;
    return CURL_PREREQFUNC_ABORT;
  }
  return CURL_PREREQFUNC_OK;
}

size_t Client::Impl::on_header(char* data, size_t size, size_t count, void* self) {
  auto& transfer = *static_cast<Transfer*>(self);
  if (transfer.result) return 0;
  transfer.last_byte = Clock::now();
  const size_t length = size * count;
  if (Result<> taken = transfer.parser.line({data, length}); !taken) {
    transfer.refusal = Error{taken.error().code, transfer.host + ": " + taken.error().message};
    return 0;
  }
  return transfer.deliver_head() ? length : 0;
}

size_t Client::Impl::on_body(char* data, size_t size, size_t count, void* self) {
  auto& transfer = *static_cast<Transfer*>(self);
  const size_t length = size * count;
  if (transfer.result || !transfer.head_given) return 0;
  transfer.last_byte = Clock::now();
  Result<> taken = transfer.receiver.body(std::as_bytes(std::span(data, length)));
  if (!taken) transfer.refusal = std::move(taken.error());
  if (!std::exchange(transfer.undrained, true)) transfer.client.undrained.push_back(&transfer);
  // The receiver may have had this transfer stopped.
  return taken && !transfer.result ? length : 0;
}

}  // namespace r3map::http
