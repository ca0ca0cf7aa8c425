// See picture.hpp.
#include "picture.hpp"

#include <langinfo.h>
#include <png.h>

#include <algorithm>
#include <array>
#include <cstring>

#include "failure.hpp"

namespace r3map::cli {
namespace {

constexpr std::array<const char*, 5> kBlocks = {" ", "░", "▒", "▓", "█"};
constexpr std::array<const char*, 5> kAscii = {" ", ".", "-", "+", "#"};

// Only what is empty looks so, and only what is full.
size_t shade(uint8_t share) {
  if (share == 0 || share == 255) return share == 0 ? 0 : 4;
  return 1 + share * size_t{3} / 255;
}

struct Colour {
  uint8_t red, green, blue;
};

// From a light blue, so that the least is seen on white, to a dark one.
Colour colour(uint8_t share) {
  if (share == 0) return {255, 255, 255};
  const auto between = [share](int from, int to) {
    return static_cast<uint8_t>(from + (to - from) * share / 255);
  };
  return {between(160, 8), between(200, 48), between(235, 107)};
}

}  // namespace

std::string Picture::text() const {
  const bool utf8 = std::strcmp(nl_langinfo(CODESET), "UTF-8") == 0;
  const auto& glyphs = utf8 ? kBlocks : kAscii;
  const char* bar = utf8 ? "│" : "|";
  std::string text;
  for (size_t y = 0; y < rows(); y++) {
    text += bar;
    for (size_t x = 0; x < columns_; x++) text += glyphs[shade(row(y)[x])];
    text += bar;
    text += '\n';
  }
  return text;
}

std::string Picture::png(size_t least_width, size_t least_height) const {
  size_t block_width = std::max<size_t>((least_width + columns_ - 1) / columns_, 1);
  size_t block_height = std::max<size_t>((least_height + rows() - 1) / rows(), 1);
  png_image image{};
  image.version = PNG_IMAGE_VERSION;
  image.format = PNG_FORMAT_RGB;
  image.width = static_cast<png_uint_32>(columns_ * block_width);
  image.height = static_cast<png_uint_32>(rows() * block_height);
  std::vector<Colour> pixels(size_t{image.width} * image.height);
  for (size_t y = 0; y < image.height; y++)
    for (size_t x = 0; x < image.width; x++)
      pixels[y * image.width + x] = colour(row(y / block_height)[x / block_width]);

  png_alloc_size_t length = PNG_IMAGE_PNG_SIZE_MAX(image);
  std::string file(length, '\0');
  if (!png_image_write_to_memory(&image, file.data(), &length, 0, pixels.data(), 0, nullptr))
    throw Failure(std::string("can't make the picture: ") + image.message);
  file.resize(length);
  return file;
}

}  // namespace r3map::cli
