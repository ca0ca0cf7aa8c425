// Whose certificates are trusted when a request does not say: the environment's word, or the place
// where this distribution keeps them. Pure but for what is passed in.
#pragma once

#include <functional>
#include <string>

namespace r3map::http {

struct Authorities {
  std::string bundle;  // a file; empty: none
  std::string folder;  // of files that are named by their hashes; empty: none

  bool operator==(const Authorities&) const = default;
};

// SSL_CERT_FILE and SSL_CERT_DIR replace all of the system's, as they do for OpenSSL's programs; a
// libcurl that was built for another distribution knows only its builder's place, `builtin`, so that
// comes last. `variable`: an environment variable's value, or empty. `readable`: a file is there.
Authorities find_authorities(const std::function<std::string(const char*)>& variable,
                             const std::function<bool(const char*)>& readable,
                             const Authorities& builtin);

// With this process's environment and files.
Authorities find_authorities(const Authorities& builtin);

}  // namespace r3map::http
