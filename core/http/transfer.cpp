#include "http/transfer.hpp"

#include <netinet/in.h>
#include <sys/socket.h>

#include <cctype>
#include <cerrno>
#include <charconv>
#include <cstdlib>
#include <cstring>
#include <system_error>
#include <utility>

#include "base/limits.hpp"

namespace r3map::http {

namespace {

using loop::Clock;

// "https://host:1/x" → "host:1".
std::string host_of(std::string_view url) {
  const size_t begin = url.find("://");
  if (begin == std::string_view::npos) return std::string(url);
  url.remove_prefix(begin + 3);
  return std::string(url.substr(0, url.find_first_of("/?#")));
}

// Of "https://host:1/x" 1.
uint16_t port_of(std::string_view url) {
  uint16_t port = url.starts_with("https:") ? 443 : 80;
  const std::string host = host_of(url);
  const size_t colon = host.rfind(':');
  if (colon != std::string::npos && host.find(']', colon) == std::string::npos)
    std::from_chars(host.data() + colon + 1, host.data() + host.size(), port);
  return port;
}

uint16_t port_of(const curl_sockaddr& address) {
  sockaddr_in either{};  // IPv6 has the port at the same place
  std::memcpy(&either, &address.addr, sizeof either);
  return ntohs(either.sin_port);
}

std::string lower_first(std::string text) {
  if (!text.empty())
    text[0] = static_cast<char>(std::tolower(static_cast<unsigned char>(text[0])));
  return text;
}

// What to do about what OpenSSL says.
const char* remedy_of(std::string_view detail) {
  const auto says = [&](std::string_view text) {
    return detail.find(text) != std::string_view::npos;
  };
  if (says("wrong version number")) return " (no TLS there: http://?)";
  // Not so where a certificate has expired, or is another host's.
  if (says("self-signed certificate") || says("self signed certificate") ||
      says("issuer certificate") || says("verify the first certificate"))
    return " (ca_bundle= names other authorities)";
  return "";
}

// What libcurl says when it could not open a socket, a file or a pipe, as well as in other cases.
bool may_want_a_descriptor(CURLcode code) {
  return code == CURLE_COULDNT_CONNECT || code == CURLE_COULDNT_RESOLVE_HOST ||
         code == CURLE_COULDNT_RESOLVE_PROXY || code == CURLE_OUT_OF_MEMORY ||
         code == CURLE_SSL_CACERT_BADFILE || code == CURLE_FAILED_INIT;
}

}  // namespace

Transfer::Transfer(Common& shared, Request&& asked, Receiver& taker,
                   std::function<void()> expired)
    : Slot(asked.priority),
      common(shared),
      request(std::move(asked)),
      receiver(taker),
      host(host_of(request.url)),
      timer(shared.loop, std::move(expired)) {}

// ---- what goes out

Result<> Transfer::attach(CURL* handle) {
  easy = handle;
  if (Result<> set = set_headers(); !set) return set;
  set_trust();
  set_method();
  curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, curl_text.data());
  curl_easy_setopt(easy, CURLOPT_PRIVATE, this);
  curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, &Transfer::on_open);
  curl_easy_setopt(easy, CURLOPT_OPENSOCKETDATA, this);
  curl_easy_setopt(easy, CURLOPT_PREREQFUNCTION, &Transfer::on_request);
  curl_easy_setopt(easy, CURLOPT_PREREQDATA, this);
  curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, &Transfer::on_header);
  curl_easy_setopt(easy, CURLOPT_HEADERDATA, this);
  curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, &Transfer::on_body);
  curl_easy_setopt(easy, CURLOPT_WRITEDATA, this);
  curl_easy_setopt(easy, CURLOPT_FRESH_CONNECT, 0L);
  if (curl_easy_setopt(easy, CURLOPT_URL, request.url.c_str()) != CURLE_OK)
    return fail(Code::no_memory, "libcurl: out of memory");
  return {};
}

Result<> Transfer::set_headers() {
  headers_ = curl_slist_append(nullptr, "Accept-Encoding: identity");
  // No waiting for a "100 Continue" before a small body.
  if (!request.body.empty()) request.headers.push_back("Expect:");
  for (const std::string& header : request.headers) {
    // A line break would begin a header of its own.
    if (header.find_first_of("\r\n") != std::string::npos)
      return fail(Code::invalid, "a header may not hold line breaks");
    curl_slist* longer = curl_slist_append(headers_, header.c_str());
    if (!longer) return fail(Code::no_memory, "libcurl: out of memory");
    headers_ = longer;
  }
  curl_easy_setopt(easy, CURLOPT_HTTPHEADER, headers_);
  return {};
}

// Whom to believe, and by whom to go.
void Transfer::set_trust() {
  // A bundle of the request's own replaces all of the system's.
  const bool own = !request.ca_bundle.empty();
  const Authorities trusted = own ? Authorities{request.ca_bundle, ""} : common.authorities;
  const char* const bundle = trusted.bundle.empty() ? nullptr : trusted.bundle.c_str();
  const char* const folder = trusted.folder.empty() ? nullptr : trusted.folder.c_str();
  curl_easy_setopt(easy, CURLOPT_CAINFO, bundle);
  curl_easy_setopt(easy, CURLOPT_CAPATH, folder);
  curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, request.verify ? 1L : 0L);
  curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, request.verify ? 2L : 0L);
  // Without one of the request's own, libcurl asks the environment, no_proxy included.
  const std::string& proxy = request.proxy;
  curl_easy_setopt(easy, CURLOPT_PROXY, proxy.empty() ? nullptr : proxy.c_str());
  curl_easy_setopt(easy, CURLOPT_NOPROXY, request.direct ? "*" : proxy.empty() ? nullptr : "");
  curl_easy_setopt(easy, CURLOPT_PROXY_CAINFO, bundle);
  curl_easy_setopt(easy, CURLOPT_PROXY_CAPATH, folder);
}

// Handles are used again, so a GET must undo what a POST has set. The body stays where it is.
void Transfer::set_method() {
  if (request.method == "GET") {
    curl_easy_setopt(easy, CURLOPT_HTTPGET, 1L);
    curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, nullptr);
    return;
  }
  curl_easy_setopt(easy, CURLOPT_POSTFIELDS, request.body.data());
  curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE, static_cast<long>(request.body.size()));
  curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, request.method.c_str());
}

CURL* Transfer::detach() {
  if (easy) {
    curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, nullptr);
    curl_easy_setopt(easy, CURLOPT_HTTPHEADER, nullptr);
  }
  curl_slist_free_all(std::exchange(headers_, nullptr));
  return std::exchange(easy, nullptr);
}

// One that held bytes which nobody had asked for, or an old one that the server has closed while the
// request was on its way there: nothing of an answer has come (RFC 9112, section 9.3.1).
bool Transfer::needs_another_connection(CURLcode code) const {
  if (stale_connection) return true;
  const bool broke =
      code == CURLE_RECV_ERROR || code == CURLE_SEND_ERROR || code == CURLE_GOT_NOTHING;
  if (!broke || request.method != "GET" || refusal_) return false;
  long connects = 0, header_bytes = 0;
  curl_easy_getinfo(easy, CURLINFO_NUM_CONNECTS, &connects);
  curl_easy_getinfo(easy, CURLINFO_HEADER_SIZE, &header_bytes);
  return connects == 0 && header_bytes == 0;
}

void Transfer::begin_anew() {
  parser_ = {};
  head_given_ = sent = stale_connection = false;
  curl_text[0] = 0;
  curl_easy_setopt(easy, CURLOPT_FRESH_CONNECT, 1L);
}

curl_socket_t Transfer::on_open(void* self, curlsocktype, curl_sockaddr* address) {
  auto& transfer = *static_cast<Transfer*>(self);
  transfer.asked_port_ = port_of(*address);
  const int fd =
      transfer.common.connections.open(address->family, address->socktype, address->protocol);
  transfer.no_descriptor_ = fd < 0 && (errno == EMFILE || errno == ENFILE);
  return fd < 0 ? CURL_SOCKET_BAD : fd;
}

// A connection is chosen, the request not yet sent.
int Transfer::on_request(void* self, char* remote_ip, char* local_ip, int remote_port,
                         int local_port) {
  auto& transfer = *static_cast<Transfer*>(self);
  transfer.sent = true;
  transfer.last_byte = Clock::now();
  transfer.stale_connection = !transfer.common.connections.may_send(
      {address_of(local_ip, local_port), address_of(remote_ip, remote_port)});
  return transfer.stale_connection ? CURL_PREREQFUNC_ABORT : CURL_PREREQFUNC_OK;
}

// ---- what comes in

// The head to the receiver once it is complete. False: the request is to end.
bool Transfer::deliver_head() {
  if (!parser_.complete() || head_given_) return true;
  head_given_ = true;
  if (Result<> taken = receiver.head(parser_.head()); !taken) {
    refusal_ = std::move(taken.error());
    return false;
  }
  return true;
}

size_t Transfer::on_header(char* data, size_t size, size_t count, void* self) {
  auto& transfer = *static_cast<Transfer*>(self);
  if (transfer.result) return 0;
  transfer.last_byte = Clock::now();
  const size_t length = size * count;
  if (Result<> taken = transfer.parser_.line({data, length}); !taken) {
    transfer.refusal_ = Error{taken.error().code, transfer.host + ": " + taken.error().message};
    return 0;
  }
  return transfer.deliver_head() ? length : 0;
}

size_t Transfer::on_body(char* data, size_t size, size_t count, void* self) {
  auto& transfer = *static_cast<Transfer*>(self);
  const size_t length = size * count;
  if (transfer.result || !transfer.head_given_) return 0;
  transfer.last_byte = Clock::now();
  Result<> taken = transfer.receiver.body(std::as_bytes(std::span(data, length)));
  if (!taken) transfer.refusal_ = std::move(taken.error());
  if (!std::exchange(transfer.undrained, true)) transfer.common.undrained.push_back(&transfer);
  // The receiver may have had this transfer stopped.
  return taken && !transfer.result ? length : 0;
}

// ---- how it ends

Failure Transfer::failed(Code code, const std::string& what) const {
  return fail(code, host + ": " + what);
}

Result<> Transfer::verdict(CURLcode code) const {
  if (refusal_) return fail(*refusal_);
  if (code != CURLE_OK) return failure(code);
  if (!head_given_) return failed(Code::protocol, "malformed answer: no header");
  return {};
}

// A proxy that was asked to connect and has not.
std::optional<Failure> Transfer::proxy_failure() const {
  long status = 0;
  curl_easy_getinfo(easy, CURLINFO_HTTP_CONNECTCODE, &status);
  if (status < 300) return std::nullopt;
  const std::string number = " (" + std::to_string(status) + ")";
  if (status == 401 || status == 407)
    return failed(Code::denied, "the proxy wants a login" + number);
  return failed(Code::network, "the proxy does not connect" + number);
}

// The one that this request may go by.
std::optional<Proxy> Transfer::proxy() const {
  if (request.direct) return std::nullopt;
  if (!request.proxy.empty()) return parse_proxy(request.proxy);
  // Where libcurl has looked just before.
  return proxy_of_environment(request.url.substr(0, request.url.find(':')),
                              [](const char* name) { return std::getenv(name); });
}

// Whether it is the way to the proxy that failed. libcurl tells so in 8.7 and later only.
bool Transfer::failed_at(const Proxy& proxy, CURLcode code) const {
  if (code == CURLE_COULDNT_RESOLVE_PROXY) return true;
  curl_off_t connected = 0;  // microseconds
  long tunnel = 0;
  curl_easy_getinfo(easy, CURLINFO_CONNECT_TIME_T, &connected);
  curl_easy_getinfo(easy, CURLINFO_HTTP_CONNECTCODE, &tunnel);
  switch (code) {
    case CURLE_COULDNT_CONNECT: break;
    case CURLE_OPERATION_TIMEDOUT:
      if (connected > 0) return false;
      break;
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_PEER_FAILED_VERIFICATION:
      if (!proxy.secure || tunnel > 0) return false;
      break;
    default: return false;
  }
  if (!request.proxy.empty()) return true;
  // no_proxy may have excepted the host from what the environment names.
  if (asked_port_ != proxy.port) return false;
  // libcurl's text has no brackets around an IPv6 address.
  std::string_view named = proxy.host;
  if (named.starts_with('[') && named.ends_with(']')) named = named.substr(1, named.size() - 2);
  const std::string_view text = curl_text.data();
  return port_of(request.url) != proxy.port || text.find(named) != std::string_view::npos;
}

// libcurl's words, but for those that quote a proxy's URL, which may hold a password.
std::string Transfer::detail(CURLcode code) const {
  const std::string_view text = curl_text.data();
  if (text.starts_with("Unsupported proxy")) return "unsupported kind of proxy";
  return text.empty() ? curl_easy_strerror(code) : std::string(text);
}

// libcurl's verdict in our words.
Failure Transfer::failure(CURLcode code) const {
  if (std::optional<Failure> by_proxy = proxy_failure()) return std::move(*by_proxy);
  if (no_descriptor_ || (may_want_a_descriptor(code) && out_of_descriptors()))
    return failed(Code::network, "too many open files: raise the limit (ulimit -n)");
  const std::string detail = this->detail(code);
  const std::optional<Proxy> proxy = this->proxy();
  const bool blamed = proxy && failed_at(*proxy, code);
  const auto failed = [&](Code reason, const std::string& what) {
    return fail(reason, (blamed ? "proxy " + proxy->name() : host) + ": " + what);
  };
  switch (code) {
    case CURLE_URL_MALFORMAT: return failed(Code::invalid, "malformed URL");
    case CURLE_COULDNT_RESOLVE_HOST: return failed(Code::not_found, "no such host");
    case CURLE_COULDNT_RESOLVE_PROXY:
      return failed(Code::network, blamed ? "no such host" : "no such proxy");
    case CURLE_COULDNT_CONNECT: {
      long error = 0;
      curl_easy_getinfo(easy, CURLINFO_OS_ERRNO, &error);
      const std::string why =
          error ? std::generic_category().message(static_cast<int>(error)) : detail;
      return failed(Code::network, "can't connect: " + lower_first(why));
    }
    case CURLE_OPERATION_TIMEDOUT:
      return failed(Code::network, "no connection within " +
                                       std::to_string(limits::kConnectTimeout.count()) + " s");
    case CURLE_PEER_FAILED_VERIFICATION:
      return failed(Code::denied,
                    (blamed ? "its" : "the server's") +
                        (" certificate is refused: " + detail) + remedy_of(detail));
    case CURLE_SSL_CACERT_BADFILE: return failed(Code::invalid, "unusable CA bundle: " + detail);
    case CURLE_SSL_CONNECT_ERROR:
      return failed(Code::network, "TLS: " + detail + remedy_of(detail));
    case CURLE_GOT_NOTHING:
      return failed(Code::network, "the server closed the connection without an answer");
    case CURLE_PARTIAL_FILE:
      return failed(Code::network, "the server closed the connection in the middle of an answer");
    case CURLE_RECV_ERROR:
    case CURLE_SEND_ERROR: return failed(Code::network, "the connection broke: " + detail);
    case CURLE_OUT_OF_MEMORY:  // also what libcurl calls a header line beyond its own limit
      return failed(Code::protocol, "malformed answer: its header is too long");
    case CURLE_UNSUPPORTED_PROTOCOL:
    case CURLE_WEIRD_SERVER_REPLY:
    case CURLE_HTTP2: return failed(Code::protocol, "malformed answer: " + detail);
    default: return failed(Code::network, detail);
  }
}

}  // namespace r3map::http
