// The r3map command: what can be asked of it, and its exit codes: 0, 1 failed, 2 wrong usage.
#include <fcntl.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cerrno>
#include <cstdio>
#include <exception>
#include <string>

#include "failure.hpp"
#include "options.hpp"
#include "output.hpp"
#include "progress.hpp"
#include "signals.hpp"
#include "transfer.hpp"

namespace r3map::cli {
namespace {

struct Arguments {
  Source source;
  uint64_t offset = 0, length = UINT64_MAX;
  std::string file;
};

// Whoever starts us with one of them closed would have the library's own descriptors in their
// places, and the object's bytes written there. This way a write to standard output still fails.
void keep_standard_descriptors() {
  for (const int fd : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO})
    if (fcntl(fd, F_GETFD) < 0 && errno == EBADF)
      (void)!open("/dev/null", fd == STDERR_FILENO ? O_WRONLY : O_RDONLY);
}

void info(const Arguments& arguments) {
  Object object(arguments.source);
  std::string text = "url:      " + arguments.source.url +
                     "\nsize:     " + std::to_string(object.size());
  if (object.size() >= 1000) text += " (" + format_size(object.size()) + ")";
  text += "\nversion:  " + object.version() + "\n";
  Output output = Output::standard_output();
  output.write(reinterpret_cast<const std::byte*>(text.data()), text.size());
}

void cat(const Arguments& arguments) {
  Object object(arguments.source);
  if (arguments.offset > object.size())
    throw Failure("cat " + arguments.source.url + ": offset " + std::to_string(arguments.offset) +
                  " is past the end, " + std::to_string(object.size()));
  uint64_t length = std::min(arguments.length, object.size() - arguments.offset);
  Output output = Output::standard_output();
  Progress progress("", length, false);
  object.transfer(arguments.offset, length, output, progress);
}

void cp(const Arguments& arguments) {
  Object object(arguments.source);
  bool to_stdout = arguments.file == "-";
  Output output = to_stdout ? Output::standard_output()
                            : Output::file(arguments.file, arguments.source.url, object.size());
  // Bytes and a progress bar on the same terminal would spoil each other.
  bool shown = !(to_stdout && isatty(STDOUT_FILENO));
  std::string name = output.name().substr(output.name().rfind('/') + 1);
  Progress progress(name, object.size(), shown);
  object.transfer(0, object.size(), output, progress);
  output.finish();
  progress.finish();
}

void add_source(CLI::App& command, Source& source) {
  command
      .add_option("URL", source.url,
                  "s3://bucket/key, http://…, https://…, file:///path, memory:64M, or a path")
      ->required();
  command
      .add_option("-o,--option", source.options,
                  "an option of the store, such as endpoint_url=http://localhost:9000 "
                  "(docs/options.md); can be repeated")
      ->type_name("NAME=VALUE")
      ->allow_extra_args(false)
      ->check([](const std::string& option) {
        return option.find('=') > 0 && option.find('=') != option.npos
                   ? ""
                   : "'" + option + "' is not NAME=VALUE";
      });
  command.add_option("--deadline", source.deadline, "fail after so long; 0: never [60]")
      ->type_name("SECONDS")
      ->check(CLI::Range(0.0, 1e12));
}

CLI::Option* add_size(CLI::App& command, const char* name, uint64_t& value, const char* help) {
  return command
      .add_option_function<std::string>(
          name,
          [&value, name](const std::string& text) {
            auto size = parse_size(text);
            if (!size) throw CLI::ValidationError(name, "'" + text + "' is no size");
            value = *size;
          },
          help)
      ->type_name("BYTES");
}

int run(int argc, char** argv) {
  CLI::App app("Remote objects as local memory and files.", "r3map");
  app.set_version_flag("--version", std::string("r3map ") + r3map_version());
  app.require_subcommand(1);
  app.footer("Exit codes: 0; 1: it failed; 2: wrong usage.");
  Arguments arguments;

  CLI::App* info_command = app.add_subcommand("info", "Show an object's size and version");
  add_source(*info_command, arguments.source);

  CLI::App* cat_command = app.add_subcommand("cat", "Write an object to standard output");
  add_source(*cat_command, arguments.source);
  add_size(*cat_command, "--offset", arguments.offset, "where to begin (4096, 64K, 1G) [0]");
  add_size(*cat_command, "--length", arguments.length, "how much at most [up to the end]");

  CLI::App* cp_command = app.add_subcommand("cp", "Copy an object to a file");
  add_source(*cp_command, arguments.source);
  cp_command
      ->add_option("FILE", arguments.file,
                   "a file, which is replaced when the copy is complete, a folder, or - for "
                   "standard output")
      ->required();

  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() == 0) return app.exit(error);  // --help, --version
    std::fprintf(stderr, "r3map: %s\nTry 'r3map --help'.\n", error.what());
    return 2;
  }

  catch_signals();
  try {
    if (*info_command) info(arguments);
    if (*cat_command) cat(arguments);
    if (*cp_command) cp(arguments);
    return 0;
  } catch (const Interrupted& interrupted) {
    die_by(interrupted);
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
