// The command line as CLI11 knows it: the one source of --help, of the man page and of what shells
// complete.
#pragma once

#include <CLI/CLI.hpp>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "options.hpp"
#include "stat.hpp"
#include "trace.hpp"

namespace r3map::cli {

struct Arguments {
  Source source;
  uint64_t offset = 0, length = UINT64_MAX;
  std::string file;
  bool json = false, quiet = false;
  StatArguments stat;
  TraceArguments trace;
  int verbose = 0;
  std::string topic, shell;
  bool man = false;
};

// Declares everything; parsing fills `arguments`, which must outlive the app.
void declare(CLI::App& app, Arguments& arguments);

// In the order of their declaration.
std::vector<const CLI::App*> commands_of(const CLI::App& app);
// Null if there is none.
const CLI::App* find_command(const CLI::App& app, const std::string& name);

// "no command 'inof': did you mean 'info'? (commands: info, cat, …)"; or that there is none.
std::string unknown_command(const CLI::App& app, const std::string& name);

// "'info' has no option '--jsn': did you mean '--json'?", for what is left of a command's line.
std::string unexpected(const CLI::App& command, const std::string& argument);

// "-o", "--option"
std::vector<std::string> names_of(const CLI::Option* option);
std::vector<std::string> names_of(const CLI::App& app);

// Whether an option, as "--json" or "--offset=1", has its place behind a command.
bool only_of_commands(const CLI::App& app, const std::string& option);

// What the manual says beside the commands.
struct Section {
  const char* heading;
  const char* text;  // paragraphs; a line that begins with two spaces is an example
};
std::span<const Section> sections();

}  // namespace r3map::cli
