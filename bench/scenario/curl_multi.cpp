// The limit that fetching is compared with: libcurl's multi interface in the barest loop there is.
// A shared library, so that the same NumPy sums what it fetched. Must not use r3map.
#include <curl/curl.h>

#include <algorithm>
#include <cstddef>
#include <cstdio>
#include <cstring>
#include <string>
#include <vector>

namespace {

constexpr long kBufferSize = 512 << 10;  // as r3map has it

struct Slot {
  CURL* easy = nullptr;
  unsigned char* next = nullptr;
  size_t missing = 0;
};

size_t on_body(char* data, size_t size, size_t count, void* self) {
  auto& slot = *static_cast<Slot*>(self);
  const size_t length = size * count;
  if (length > slot.missing) return 0;
  std::memcpy(slot.next, data, length);
  slot.next += length;
  slot.missing -= length;
  return length;
}

CURL* new_handle(const char* url, const char* login, const char* signer, Slot& slot,
                 curl_slist* headers) {
  CURL* easy = curl_easy_init();
  curl_easy_setopt(easy, CURLOPT_URL, url);
  curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(easy, CURLOPT_BUFFERSIZE, kBufferSize);
  curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, &on_body);
  curl_easy_setopt(easy, CURLOPT_WRITEDATA, &slot);
  curl_easy_setopt(easy, CURLOPT_PRIVATE, &slot);
  if (login) {
    curl_easy_setopt(easy, CURLOPT_USERPWD, login);
    curl_easy_setopt(easy, CURLOPT_AWS_SIGV4, signer);
    curl_easy_setopt(easy, CURLOPT_HTTPHEADER, headers);
  }
  return easy;
}

// The pieces of one object, so many at a time.
class Download {
 public:
  Download(unsigned char* out, size_t size, size_t piece) : out_(out), size_(size), piece_(piece) {}

  bool run(std::vector<Slot>& slots) {
    CURLM* multi = curl_multi_init();
    for (Slot& slot : slots) start(multi, slot);
    while (good_ && active_ > 0) {
      int running;
      curl_multi_perform(multi, &running);
      int left;
      while (const CURLMsg* message = curl_multi_info_read(multi, &left)) {
        Slot* slot = nullptr;
        curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &slot);
        finish(multi, *slot, message->data.result);
      }
      if (active_ > 0) curl_multi_poll(multi, nullptr, 0, 1000, nullptr);
    }
    for (Slot& slot : slots) curl_multi_remove_handle(multi, slot.easy);
    curl_multi_cleanup(multi);
    return good_ && next_ == size_;
  }

 private:
  void start(CURLM* multi, Slot& slot) {
    if (next_ == size_) return;
    const size_t length = std::min(piece_, size_ - next_);
    slot.next = out_ + next_;
    slot.missing = length;
    const std::string range = std::to_string(next_) + "-" + std::to_string(next_ + length - 1);
    curl_easy_setopt(slot.easy, CURLOPT_RANGE, range.c_str());
    curl_multi_add_handle(multi, slot.easy);
    next_ += length;
    ++active_;
  }

  void finish(CURLM* multi, Slot& slot, CURLcode code) {
    long status = 0;
    curl_easy_getinfo(slot.easy, CURLINFO_RESPONSE_CODE, &status);
    if (code != CURLE_OK || status != 206 || slot.missing > 0) {
      std::fprintf(stderr, "curl: %s, status %ld\n", curl_easy_strerror(code), status);
      good_ = false;
    }
    curl_multi_remove_handle(multi, slot.easy);
    --active_;
    if (good_) start(multi, slot);
  }

  unsigned char* const out_;
  const size_t size_, piece_;
  size_t next_ = 0;
  int active_ = 0;
  bool good_ = true;
};

}  // namespace

// All of `url` into `out`; 0 or 1. `login`: "key:secret" for S3, or null.
extern "C" __attribute__((visibility("default"))) int r3map_bench_curl_fetch(
    const char* url, const char* login, const char* region, unsigned char* out, size_t size,
    size_t piece, int parallel) {
  curl_global_init(CURL_GLOBAL_DEFAULT);
  curl_slist* headers = curl_slist_append(nullptr, "x-amz-content-sha256: UNSIGNED-PAYLOAD");
  const std::string signer = "aws:amz:" + std::string(region) + ":s3";
  std::vector<Slot> slots(static_cast<size_t>(parallel));
  for (Slot& slot : slots) slot.easy = new_handle(url, login, signer.c_str(), slot, headers);
  const bool good = Download(out, size, piece).run(slots);
  for (Slot& slot : slots) curl_easy_cleanup(slot.easy);
  curl_slist_free_all(headers);
  return good ? 0 : 1;
}
