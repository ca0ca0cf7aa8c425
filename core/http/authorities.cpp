#include "http/authorities.hpp"

#include <unistd.h>

#include <array>
#include <cstdlib>

namespace r3map::http {

Authorities find_authorities(const std::function<std::string(const char*)>& variable,
                             const std::function<bool(const char*)>& readable,
                             const Authorities& builtin) {
  Authorities named{variable("SSL_CERT_FILE"), variable("SSL_CERT_DIR")};
  if (!named.bundle.empty() || !named.folder.empty()) return named;
  static constexpr std::array<const char*, 6> kPlaces = {
      "/etc/ssl/certs/ca-certificates.crt",                 // Debian, Arch, Alpine
      "/etc/pki/tls/certs/ca-bundle.crt",                   // Red Hat
      "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",  // Red Hat, newer
      "/etc/ca-certificates/extracted/tls-ca-bundle.pem",   // Arch, where the first is a link
      "/etc/ssl/ca-bundle.pem",                             // SUSE
      "/etc/ssl/cert.pem",                                  // Alpine without its package
  };
  for (const char* place : kPlaces)
    if (readable(place)) return {place, builtin.folder};
  return builtin;
}

Authorities find_authorities(const Authorities& builtin) {
  const auto variable = [](const char* name) -> std::string {
    const char* value = secure_getenv(name);  // set-user-ID: not the caller's choice
    return value ? value : "";
  };
  return find_authorities(
      variable, [](const char* path) { return access(path, R_OK) == 0; }, builtin);
}

}  // namespace r3map::http
