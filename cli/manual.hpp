// What is derived from the declared command line: the man page, and the shells' completions.
#pragma once

#include <CLI/CLI.hpp>
#include <string>
#include <string_view>

namespace r3map::cli {

// r3map(1), as roff.
std::string man_page(const CLI::App& app);

// A script for "bash", "zsh" or "fish".
std::string completion(const CLI::App& app, std::string_view shell);

}  // namespace r3map::cli
