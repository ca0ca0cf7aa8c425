#include "http/authorities.hpp"

#include <gtest/gtest.h>

#include <map>
#include <set>

namespace r3map::http {
namespace {

const Authorities kBuiltin{"/built/in.pem", "/built/in"};

Authorities found(std::map<std::string, std::string> variables, std::set<std::string> files) {
  return find_authorities([&](const char* name) { return variables[name]; },
                          [&](const char* path) { return files.contains(path); }, kBuiltin);
}

TEST(Authorities, EachDistributionsPlace) {
  for (const char* place : {
           "/etc/ssl/certs/ca-certificates.crt",
           "/etc/pki/tls/certs/ca-bundle.crt",
           "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
           "/etc/ca-certificates/extracted/tls-ca-bundle.pem",
           "/etc/ssl/ca-bundle.pem",
           "/etc/ssl/cert.pem",
       })
    EXPECT_EQ(found({}, {place, "/etc/other"}), (Authorities{place, "/built/in"}));
  const std::set<std::string> both = {"/etc/ssl/cert.pem", "/etc/ssl/certs/ca-certificates.crt"};
  EXPECT_EQ(found({}, both).bundle, "/etc/ssl/certs/ca-certificates.crt");
  EXPECT_EQ(found({}, {}), kBuiltin) << "libcurl's own";
}

// Also one that names what is not there: the error then says so.
TEST(Authorities, TheEnvironmentReplacesThem) {
  const std::set<std::string> debian = {"/etc/ssl/certs/ca-certificates.crt"};
  EXPECT_EQ(found({{"SSL_CERT_FILE", "/own.pem"}}, debian), (Authorities{"/own.pem", ""}));
  EXPECT_EQ(found({{"SSL_CERT_DIR", "/own"}}, debian), (Authorities{"", "/own"}));
  EXPECT_EQ(found({{"SSL_CERT_FILE", "/own.pem"}, {"SSL_CERT_DIR", "/own"}}, debian),
            (Authorities{"/own.pem", "/own"}));
}

TEST(Authorities, OfThisProcess) {
  unsetenv("SSL_CERT_FILE");
  setenv("SSL_CERT_DIR", "/own", 1);
  EXPECT_EQ(find_authorities(kBuiltin), (Authorities{"", "/own"}));
  unsetenv("SSL_CERT_DIR");
  EXPECT_EQ(find_authorities(kBuiltin).folder, "/built/in");
}

}  // namespace
}  // namespace r3map::http
