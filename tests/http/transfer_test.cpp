// How libcurl's errors read; what a transfer does on the wire is tested by transfers_test.cpp.
#include "http/transfer.hpp"

#include <gtest/gtest.h>

#include "support/loop_fixture.hpp"
#include "support/no_descriptors.hpp"

namespace r3map::http {
namespace {

class NoReceiver : public Receiver {
 public:
  Result<> head(const Head&) override { return {}; }
  Result<> body(std::span<const std::byte>) override { return {}; }
};

class TransferTest : public test::LoopTest {
 protected:
  // What a request ends with after libcurl's `code` and `text`.
  std::string said(CURLcode code, std::vector<std::string> headers = {},
                   const std::string& text = "", const std::string& proxy = "") {
    Request request;
    request.url = "https://host:1/x?secret";
    request.headers = std::move(headers);
    request.proxy = proxy;
    std::string message;
    on_loop([&] {
      Common common{*loop_, {}, {}, {}};
      NoReceiver receiver;
      Transfer transfer(common, std::move(request), receiver, [] {});
      CURL* easy = curl_easy_init();
      const Result<> attached = transfer.attach(easy);
      text.copy(transfer.curl_text.data(), transfer.curl_text.size() - 1);
      const Result<> ended = attached ? transfer.verdict(code) : attached;
      message = std::string(code_name(ended.error().code)) + " " + ended.error().message;
      EXPECT_EQ(transfer.detach(), easy);
      EXPECT_EQ(transfer.detach(), nullptr);
      curl_easy_cleanup(easy);
    });
    return message;
  }
};

TEST_F(TransferTest, Errors) {
  const std::pair<CURLcode, const char*> rows[] = {
      {CURLE_OK, "EPROTO host:1: malformed answer: no header"},
      {CURLE_COULDNT_RESOLVE_HOST, "ENOENT host:1: no such host"},
      {CURLE_COULDNT_RESOLVE_PROXY, "ENETWORK host:1: no such proxy"},
      {CURLE_OPERATION_TIMEDOUT, "ENETWORK host:1: no connection within 10 s"},
      {CURLE_GOT_NOTHING, "ENETWORK host:1: the server closed the connection without an answer"},
      {CURLE_OUT_OF_MEMORY, "EPROTO host:1: malformed answer: its header is too long"},
  };
  for (const auto& [code, message] : rows) EXPECT_EQ(said(code), message);
}

TEST_F(TransferTest, TlsErrorsSayWhatToDo) {
  const auto tls = [&](CURLcode code, const std::string& text) { return said(code, {}, text); };
  EXPECT_EQ(tls(CURLE_SSL_CONNECT_ERROR, "error:0A00010B:SSL routines::wrong version number"),
            "ENETWORK host:1: TLS: error:0A00010B:SSL routines::wrong version number (no TLS "
            "there: http://?)");
  EXPECT_EQ(tls(CURLE_SSL_CONNECT_ERROR, "error:x"), "ENETWORK host:1: TLS: error:x");
  const std::string refused = "EACCES host:1: the server's certificate is refused: ";
  for (const std::string text : {"SSL certificate problem: self-signed certificate",
                                 "SSL certificate problem: self signed certificate in certificate "
                                 "chain",
                                 "SSL certificate problem: unable to get local issuer certificate",
                                 "SSL certificate problem: unable to verify the first certificate"})
    EXPECT_EQ(tls(CURLE_PEER_FAILED_VERIFICATION, text),
              refused + text + " (ca_bundle= names other authorities)");
  const std::string expired = "SSL certificate problem: certificate has expired";
  EXPECT_EQ(tls(CURLE_PEER_FAILED_VERIFICATION, expired), refused + expired);
}

TEST_F(TransferTest, AProxyIsBlamedForItself) {
  const auto by = [&](CURLcode code, const std::string& which) {
    return said(code, {}, "", which);
  };
  const std::string proxy = "http://user:secret@proxy:3128";
  EXPECT_EQ(by(CURLE_COULDNT_RESOLVE_PROXY, proxy), "ENETWORK proxy proxy:3128: no such host");
  EXPECT_EQ(by(CURLE_COULDNT_CONNECT, proxy).find("ENETWORK proxy proxy:3128: can't connect"), 0u);
  EXPECT_EQ(by(CURLE_OPERATION_TIMEDOUT, proxy),
            "ENETWORK proxy proxy:3128: no connection within 10 s");
  EXPECT_EQ(by(CURLE_SSL_CONNECT_ERROR, "https://proxy").find("ENETWORK proxy proxy:443: TLS"), 0u);
  EXPECT_EQ(by(CURLE_SSL_CONNECT_ERROR, proxy).find("ENETWORK host:1: TLS"), 0u);
  EXPECT_EQ(by(CURLE_COULDNT_RESOLVE_HOST, proxy), "ENOENT host:1: no such host");
}

TEST_F(TransferTest, HeadersCannotBeSmuggledIn) {
  EXPECT_EQ(said(CURLE_OK, {"X: y\nZ: z"}),
            "EINVAL a header may not hold line breaks");
}

// As libcurl then says that there is no such host, or that it has no memory.
TEST_F(TransferTest, NoDescriptorLeft) {
  const test::NoDescriptors none;
  for (const CURLcode code : {CURLE_COULDNT_CONNECT, CURLE_COULDNT_RESOLVE_HOST,
                              CURLE_OUT_OF_MEMORY, CURLE_SSL_CACERT_BADFILE})
    EXPECT_EQ(said(code), "ENETWORK host:1: too many open files: raise the limit (ulimit -n)");
}

}  // namespace
}  // namespace r3map::http
