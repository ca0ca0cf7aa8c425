// From a URL and named options to an open resource.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "resource/resource.hpp"
#include "resource/url.hpp"

namespace r3map::resource {

// A backend's options by name. Values are text; the backend that declared them checks them.
using Options = std::map<std::string, std::string, std::less<>>;

struct Scheme {
  using Open = std::function<loop::Task<Result<std::unique_ptr<Resource>>>(
      Url url, Options options, Request request)>;

  std::string name;
  std::vector<std::string> options;  // the names it takes; "header.NAME" takes any NAME
  Open open;
};

// Thread: filled before use, immutable afterwards.
class Registry {
 public:
  void add(Scheme scheme);

  // Code::invalid for a malformed URL, an unknown scheme, or an option that the scheme does not
  // take; the message suggests the nearest name.
  loop::Task<Result<std::unique_ptr<Resource>>> open(std::string url, Options options,
                                                     Request request) const;

 private:
  Result<const Scheme*> find(const Url& url, const Options& options) const;
  std::map<std::string, Scheme, std::less<>> schemes_;
};

// The candidate with the smallest edit distance to `name`, if that is small enough to be a typing
// error, or else empty.
std::string_view nearest_name(std::string_view name, const std::vector<std::string>& candidates);

}  // namespace r3map::resource
