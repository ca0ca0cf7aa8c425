// Header fields that options add to each request of http and https. Pure.
#pragma once

#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "http/header.hpp"
#include "resource/registry.hpp"

namespace r3map::backend {

// header.NAME=value and bearer=token, as fields. Code::invalid for what is no field, for those that
// are r3map's own business (Range, Host, …), for one that is given twice, and beyond the limits.
Result<std::vector<http::Field>> parse_headers(const resource::Options& options);

}  // namespace r3map::backend
