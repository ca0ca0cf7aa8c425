// The r3map command: what its commands do, and its exit codes: 0, 1 failed, 2 wrong usage.
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <clocale>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <new>
#include <sstream>
#include <string>
#include <vector>

#include "commands.hpp"
#include "failure.hpp"
#include "json.hpp"
#include "manual.hpp"
#include "options.hpp"
#include "output.hpp"
#include "progress.hpp"
#include "signals.hpp"
#include "transfer.hpp"

namespace r3map::cli {
namespace {

// Whoever starts us with one of them closed would have the library's own descriptors in their
// places, and the object's bytes written there. This way a write to standard output still fails.
void keep_standard_descriptors() {
  for (const int fd : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO})
    if (fcntl(fd, F_GETFD) < 0 && errno == EBADF)
      (void)!open("/dev/null", fd == STDERR_FILENO ? O_WRONLY : O_RDONLY);
}

void print(const std::string& text) {
  Output output = Output::standard_output();
  output.write(reinterpret_cast<const std::byte*>(text.data()), text.size());
  output.finish();
}

void info(const Arguments& arguments) {
  const std::string url = shown_url(arguments.source.url);
  Object object(arguments.source);
  if (arguments.json)
    return print(Json()
                     .add("url", url)
                     .add("size", object.size())
                     .add("version", object.version())
                     .text());
  std::string text = "url:      " + url + "\nsize:     " + std::to_string(object.size());
  if (object.size() >= 1024) text += " (" + format_size(object.size()) + ")";
  print(text + "\nversion:  " + object.version() + "\n");
}

void cat(const Arguments& arguments) {
  Object object(arguments.source);
  if (arguments.offset > object.size())
    throw Failure("cat " + shown_url(arguments.source.url) + ": offset " +
                  std::to_string(arguments.offset) + " is past the end, " + std::to_string(object.size()));
  uint64_t length = std::min(arguments.length, object.size() - arguments.offset);
  Output output = Output::standard_output();
  Progress progress("", length, false);
  object.transfer(arguments.offset, length, output, progress);
  output.finish();
}

void cp(const Arguments& arguments) {
  Object object(arguments.source);
  bool to_stdout = arguments.file == "-";
  Output output = to_stdout ? Output::standard_output()
                            : Output::file(arguments.file, arguments.source.url, object.size());
  // Bytes and a progress bar on the same terminal would spoil each other.
  bool shown = !arguments.quiet && !(to_stdout && isatty(STDOUT_FILENO));
  std::string name = output.name().substr(output.name().rfind('/') + 1);
  Progress progress(name, object.size(), shown);
  object.transfer(0, object.size(), output, progress);
  output.finish();
  progress.finish();
}

void help(const CLI::App& app, const Arguments& arguments) {
  if (arguments.man) return print(man_page(app));
  if (arguments.topic.empty()) return print(app.help());
  const CLI::App* command = find_command(app, arguments.topic);
  if (command == nullptr) throw WrongUsage(unknown_command(app, arguments.topic));
  // As "r3map cp --help" has it.
  print(command->help("r3map"));
}

// The library reads it at the first open. Who has set it has been more precise.
void make_verbose(int verbose) {
  if (verbose > 0) setenv("R3MAP_LOG", verbose > 1 ? "debug" : "info", 0);
}

void execute(const CLI::App& app, const Arguments& arguments) {
  make_verbose(arguments.verbose);
  const std::string& command = app.get_subcommands().front()->get_name();
  if (command == "info") info(arguments);
  if (command == "cat") cat(arguments);
  if (command == "cp") cp(arguments);
  if (command == "stat") stat(arguments.stat);
  if (command == "trace") show_trace(arguments.trace);
  if (command == "help") help(app, arguments);
  if (command == "completion") print(completion(app, arguments.shell));
}

// What stands in the place of the command; "" if nothing. No flag before it has a value.
std::string named_command(int argc, char** argv) {
  char** found = std::find_if(argv + 1, argv + argc, [](char* text) { return *text != '-'; });
  return found == argv + argc ? "" : *found;
}

// Throws WrongUsage, and CLI11's CallForHelp and CallForVersion.
void parse(CLI::App& app, const std::string& name, int argc, char** argv) {
  for (int i = 1; i < argc && *argv[i] == '-'; i++)
    if (only_of_commands(app, argv[i]))
      throw WrongUsage(argv[i] + std::string(" comes after the command"));
  const CLI::App* command = find_command(app, name);
  if (!name.empty() && command == nullptr) throw WrongUsage(unknown_command(app, name));
  try {
    app.parse(argc, argv);
  } catch (const CLI::ExtrasError& error) {
    std::vector<std::string> rest = app.remaining(true);
    throw WrongUsage(command == nullptr || rest.empty() ? error.what()
                                                        : unexpected(*command, rest.front()));
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() == 0) throw;
    throw WrongUsage(name.empty() ? unknown_command(app, "") : error.what());
  }
}

int wrong_usage(const CLI::App& app, const std::string& command, const char* why) {
  bool known = command != "help" && find_command(app, command) != nullptr;
  std::fprintf(stderr, "r3map: %s\nTry 'r3map %s'.\n", why,
               known ? ("help " + command).c_str() : "--help");
  return 2;
}

int run(int argc, char** argv) {
  setlocale(LC_CTYPE, "");  // whether pictures may be of block characters
  CLI::App app("", "r3map");
  Arguments arguments;
  declare(app, arguments);
  catch_signals();
  std::string command = named_command(argc, argv);
  try {
    try {
      parse(app, command, argc, argv);
    } catch (const CLI::ParseError& error) {
      std::ostringstream text;  // --help, --version
      app.exit(error, text);
      print(text.str());
      return 0;
    }
    execute(app, arguments);
    return 0;
  } catch (const Interrupted& interrupted) {
    die_by(interrupted);
  } catch (const WrongUsage& wrong) {
    return wrong_usage(app, command, wrong.what());
  } catch (const std::bad_alloc&) {
    std::fputs("r3map: out of memory\n", stderr);
    return 1;
  } catch (const std::exception& failure) {
    std::fprintf(stderr, "r3map: %s\n", failure.what());
    return 1;
  }
}

}  // namespace
}  // namespace r3map::cli

int main(int argc, char** argv) {
  r3map::cli::keep_standard_descriptors();
  return r3map::cli::run(argc, argv);
}
