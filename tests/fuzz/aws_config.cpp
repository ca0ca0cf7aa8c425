// AWS's configuration files: the config file, a line "----", the credentials file.
#include "backend/s3/credentials/profiles.hpp"
#include "base/limits.hpp"
#include "fuzz.hpp"

using namespace r3map;
using namespace r3map::backend::s3;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::string_view text = fuzz::text_of(data, size);
  const std::string_view before = fuzz::take_until(text, "----\n");
  const Result<Sections> config = parse_ini(before), credentials = parse_ini(text);
  for (const Result<Sections>* file : {&config, &credentials}) {
    if (!*file) FUZZ_CHECK((*file).error().message.starts_with("line "));
    if (!*file) return 0;
    FUZZ_CHECK((*file)->size() <= limits::kConfigSections);
  }
  const Profiles profiles = merge_profiles(*config, *credentials);
  for (const auto& [name, section] : profiles.profiles) {
    (void)profile_endpoint(profiles, name, "s3");
    const Result<Plan> plan = plan_profile(profiles, name);
    if (!plan) FUZZ_CHECK(plan.error().code == Code::invalid);
    if (plan) FUZZ_CHECK(plan->roles.size() <= limits::kAssumedRoles + 1);
    if (!plan) FUZZ_CHECK(fuzz::is_one_line(plan.error().message));
  }
  return 0;
}
