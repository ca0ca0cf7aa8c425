// One JSON object on one line.
#pragma once

#include <concepts>
#include <string>
#include <string_view>

namespace r3map::cli {

class Json {
 public:
  Json& add(std::string_view name, std::integral auto value) {
    begin(name);
    text_ += std::to_string(value);
    return *this;
  }
  Json& add(std::string_view name, std::string_view value);

  // With the line's end.
  std::string text() const { return text_ + "}\n"; }

 private:
  void begin(std::string_view name);

  std::string text_ = "{";
};

}  // namespace r3map::cli
