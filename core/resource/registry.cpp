#include "resource/registry.hpp"

#include <algorithm>
#include <numeric>

#include "base/limits.hpp"

namespace r3map::resource {

namespace {

// Levenshtein's distance, two rows at a time.
size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<size_t> above(b.size() + 1), row(b.size() + 1);
  std::iota(above.begin(), above.end(), size_t{0});
  for (size_t i = 0; i < a.size(); ++i) {
    row[0] = i + 1;
    for (size_t j = 0; j < b.size(); ++j)
      row[j + 1] = std::min({above[j + 1] + 1, row[j] + 1, above[j] + (a[i] != b[j])});
    above.swap(row);
  }
  return above[b.size()];
}

bool takes(const Scheme& scheme, std::string_view name) {
  static constexpr std::string_view kAny = ".NAME";
  return std::any_of(
      scheme.options.begin(), scheme.options.end(), [&](std::string_view candidate) {
        if (!candidate.ends_with(kAny)) return candidate == name;
        candidate.remove_suffix(kAny.size() - 1);
        return name.starts_with(candidate) && name.size() > candidate.size();
      });
}

std::string suggestion(std::string_view name, const std::vector<std::string>& candidates) {
  const std::string_view nearest = nearest_name(name, candidates);
  if (!nearest.empty()) return "; did you mean '" + std::string(nearest) + "'?";
  std::string all = "; there are: ";
  for (const std::string& candidate : candidates) all += candidate + ", ";
  all.resize(all.size() - 2);
  return candidates.empty() ? "; it takes none" : all;
}

}  // namespace

std::string_view nearest_name(std::string_view name, const std::vector<std::string>& candidates) {
  std::string_view best;
  size_t best_distance = std::max<size_t>(name.size() / 3, 1) + 1;
  for (const std::string& candidate : candidates) {
    const size_t distance = edit_distance(name, candidate);
    if (distance < best_distance) {
      best = candidate;
      best_distance = distance;
    }
  }
  return best;
}

void Registry::add(Scheme scheme) {
  std::string name = scheme.name;
  schemes_.insert_or_assign(std::move(name), std::move(scheme));
}

Result<const Scheme*> Registry::find(const Url& url, const Options& options) const {
  const auto found = schemes_.find(url.scheme);
  if (found == schemes_.end()) {
    std::vector<std::string> names;
    for (const auto& [name, scheme] : schemes_) names.push_back(name);
    const std::string_view shown = std::string_view(url.scheme).substr(0, limits::kOptionName);
    return fail(Code::invalid,
                "unknown scheme '" + std::string(shown) + "'" + suggestion(shown, names));
  }
  const Scheme& scheme = found->second;
  if (options.size() > limits::kOptions) return fail(Code::invalid, "too many options");
  for (const auto& [name, value] : options) {
    if (name.size() > limits::kOptionName || value.size() > limits::kOptionValue)
      return fail(Code::invalid, "an option's name or value is too long");
    if (!takes(scheme, name))
      return fail(Code::invalid, "unknown option '" + name + "' for " + scheme.name + ":" +
                                     suggestion(name, scheme.options));
  }
  return &scheme;
}

loop::Task<Result<std::unique_ptr<Resource>>> Registry::open(std::string url, Options options,
                                                             Request request) const {
  Result<Url> parsed = parse_url(url);
  if (!parsed) co_return fail(std::move(parsed.error()));
  Result<const Scheme*> scheme = find(*parsed, options);
  if (!scheme) co_return fail(std::move(scheme.error()));
  auto opening = (*scheme)->open(std::move(*parsed), std::move(options), std::move(request));
  co_return co_await opening;
}

}  // namespace r3map::resource
