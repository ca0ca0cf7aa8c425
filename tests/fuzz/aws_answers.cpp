// What services and programs answer that hand out credentials: JSON or XML.
#include "backend/s3/credentials/answers.hpp"
#include "fuzz.hpp"

using namespace r3map;
using namespace r3map::backend::s3;

namespace {

// Nothing that could break out of a header field.
void check(const Result<Keys>& keys) {
  if (!keys) {
    FUZZ_CHECK(fuzz::is_one_line(keys.error().message));
    return;
  }
  const Credentials& found = keys->credentials;
  FUZZ_CHECK(!found.key.empty() && !found.secret.empty());
  for (const std::string* text : {&found.key, &found.secret, &found.token})
    for (char c : *text) FUZZ_CHECK(c > 0x20 && c < 0x7f);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text = fuzz::text_of(data, size);
  check(parse_metadata_keys(text));
  check(parse_program_keys(text));
  check(parse_sso_keys(text));
  check(parse_sts_keys(text));
  (void)parse_sso_token(text);
  (void)parse_time(text);
  FUZZ_CHECK(fuzz::is_one_line(refusal_text(text)));
  return 0;
}
