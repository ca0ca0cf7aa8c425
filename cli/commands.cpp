// See commands.hpp.
#include "commands.hpp"

#include <unistd.h>

#include <algorithm>
#include <numeric>
#include <utility>
#include <vector>

#include "failure.hpp"
#include "r3map.h"

namespace r3map::cli {
namespace {

constexpr Section kSections[] = {
    {"SIZES", "4096, 64K, 1G: K is 1024 bytes, M is 1024 K; 64KiB and 64kb are the same as 64K.\n"},
    {"COPIES",
     "cp writes to a hidden file in the same folder, .NAME.XXXXXX, which gets the name when it is "
     "complete: a failure or a signal leaves what was there before. A file that is replaced keeps "
     "its permissions, a symbolic link is followed, a device or a pipe is written to directly. An "
     "object that changes meanwhile ends it with an error.\n"},
    {"ENVIRONMENT",
     "R3MAP_LOG=LEVEL or LEVEL:FILE\n"
     "A log of what happens: off, error, warn, info or debug; to standard error or a file.\n"
     "\n"
     "R3MAP_SLOW_MS=MILLISECONDS\n"
     "From when on a page fault is slow, and logged as a warning [1000].\n"
     "\n"
     "AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN, AWS_REGION, AWS_ENDPOINT_URL\n"
     "As other S3 clients have them, for s3:// URLs.\n"},
    {"EXIT STATUS",
     "0\n"
     "Done.\n"
     "\n"
     "1\n"
     "It failed; one line on standard error says why.\n"
     "\n"
     "2\n"
     "Wrong usage: the command line, or a URL or option that can't be right.\n"
     "\n"
     "SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGALRM, SIGUSR1, SIGUSR2, SIGXCPU and SIGPIPE end it by "
     "that signal, after what was half-written is removed.\n"},
    {"EXAMPLES",
     "Look at an object, and copy it:\n"
     "  r3map info s3://models/llama.safetensors\n"
     "  r3map cp s3://models/llama.safetensors .\n"
     "Some bytes of it:\n"
     "  r3map cat s3://models/llama.safetensors --offset 4096 --length 512 | xxd\n"
     "From a server of one's own:\n"
     "  r3map info s3://bucket/key -o endpoint_url=http://localhost:9000\n"
     "What a program touched, when it ran with a trace:\n"
     "  r3map trace llama.trace --png llama.png\n"},
    {"SEE ALSO",
     "cli.md, options.md, s3.md, http.md and observability.md in share/doc/r3map tell more.\n"},
};

// What the library takes for a malformed URL, and may be a file of that name.
std::string check_is_url(const std::string& url) {
  const bool path = url.starts_with('/') || url.starts_with('.');
  if (!path && url.find(':') == url.npos && access(url.c_str(), F_OK) == 0)
    throw WrongUsage("'" + url + "' is no URL: for the file write ./" + url);
  return "";
}

void add_source(CLI::App& command, Source& source) {
  command
      .add_option("URL", source.url,
                  "s3://bucket/key, http://…, https://…, file:///path, memory:64M, or a path that "
                  "begins with / or .")
      ->required()
      ->check(check_is_url);
  command
      .add_option("-o,--option", source.options,
                  "an option, such as endpoint_url=http://localhost:9000 (all: man r3map); can be "
                  "repeated")
      ->type_name("NAME=VALUE")
      ->allow_extra_args(false)
      ->check([](const std::string& option) {
        return option.find('=') > 0 && option.find('=') != option.npos
                   ? ""
                   : "'" + option + "' is not NAME=VALUE";
      });
  command
      .add_option("--deadline", source.deadline,
                  "fail when the store has brought nothing for so long; 0: never [60]")
      ->type_name("SECONDS")
      ->check([](const std::string& text) {
        double seconds = -1;
        return CLI::detail::lexical_cast(text, seconds) && seconds >= 0
                   ? ""
                   : "'" + text + "' is no number of seconds";
      });
}

void add_size(CLI::App& command, const char* name, uint64_t& value, const char* help) {
  command
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

// "s3://bucket/key", which is where somebody would like it to be written.
std::string check_is_file(const std::string& file) {
  size_t end = file.find("://");
  if (end != file.npos && end > 0 && file.find('/') > end)
    throw WrongUsage("FILE can't be a URL: r3map only reads");
  return "";
}

void declare_info(CLI::App& app, Arguments& arguments) {
  CLI::App* command = app.add_subcommand("info", "Show an object's size and version");
  add_source(*command, arguments.source);
  command->add_flag("--json", arguments.json, "as a JSON object");
}

void declare_cat(CLI::App& app, Arguments& arguments) {
  CLI::App* command = app.add_subcommand("cat", "Write an object to standard output");
  add_source(*command, arguments.source);
  add_size(*command, "--offset", arguments.offset, "where to begin (4096, 64K, 1G; K is 1024) [0]");
  add_size(*command, "--length", arguments.length, "how much at most [up to the end]");
}

void declare_cp(CLI::App& app, Arguments& arguments) {
  CLI::App* command = app.add_subcommand("cp", "Copy an object to a file");
  add_source(*command, arguments.source);
  command
      ->add_option("FILE", arguments.file,
                   "a file, which is replaced when the copy is complete, a folder, or - for "
                   "standard output")
      ->required()
      ->check(check_is_file);
  command->add_flag("-q,--quiet", arguments.quiet, "no progress bar");
}

void declare_stat(CLI::App& app, Arguments& arguments) {
  CLI::App* command = app.add_subcommand(
      "stat", "Pull an object into memory, and show how that goes and what is resident");
  add_source(*command, arguments.stat.source);
  command->add_flag("-w,--watch", arguments.stat.watch, "a live picture, on a terminal");
  CLI::Option* json =
      command->add_flag("--json", arguments.stat.json, "the region's statistics as a JSON object");
  command
      ->add_flag("--prometheus", arguments.stat.prometheus,
                 "the region's statistics as Prometheus' text format")
      ->excludes(json);
}

void declare_trace(CLI::App& app, Arguments& arguments) {
  CLI::App* command = app.add_subcommand(
      "trace", "Show what a region was asked for and when, from a trace it recorded");
  command->add_option("TRACE", arguments.trace.trace, "a file that the option trace=FILE wrote")
      ->required();
  command
      ->add_option("--png", arguments.trace.png,
                   "write the picture to this file, or - for standard output")
      ->type_name("FILE")
      ->check(check_is_file);
  command->add_flag("--json", arguments.trace.json, "the numbers as a JSON object");
}

void declare_help(CLI::App& app, Arguments& arguments) {
  CLI::App* command = app.add_subcommand("help", "Show the help of r3map or of a command");
  command->add_option("COMMAND", arguments.topic, "a command");
  command->add_flag("--man", arguments.man, "the whole manual, as roff for man(1)");
}

void declare_completion(CLI::App& app, Arguments& arguments) {
  CLI::App* command =
      app.add_subcommand("completion", "Write what makes a shell complete r3map's commands");
  command->add_option("SHELL", arguments.shell, "bash, zsh or fish")
      ->required()
      ->check(CLI::IsMember({"bash", "zsh", "fish"}));
}

// How many letters have to be added, left out or changed.
size_t distance(const std::string& from, const std::string& to) {
  std::vector<size_t> row(to.size() + 1);
  std::iota(row.begin(), row.end(), 0);
  for (size_t i = 0; i < from.size(); i++) {
    size_t diagonal = std::exchange(row[0], i + 1);
    for (size_t j = 0; j < to.size(); j++) {
      size_t changed = diagonal + (from[i] != to[j]);
      diagonal = row[j + 1];
      row[j + 1] = std::min({changed, row[j] + 1, diagonal + 1});
    }
  }
  return row.back();
}

// The one that is so near that it may have been meant; "" if none is.
std::string nearest(const std::string& name, const std::vector<std::string>& candidates) {
  std::string found;
  size_t best = name.size() / 2 + 1;  // or it is only a coincidence
  for (const std::string& candidate : candidates) {
    if (size_t off = distance(name, candidate); off < best) {
      best = off;
      found = candidate;
    }
  }
  return found;
}

std::string did_you_mean(const std::string& name, const std::vector<std::string>& candidates) {
  std::string found = nearest(name, candidates);
  return found.empty() ? "" : ": did you mean '" + found + "'?";
}

}  // namespace

std::vector<const CLI::App*> commands_of(const CLI::App& app) {
  return app.get_subcommands([](const CLI::App*) { return true; });
}

const CLI::App* find_command(const CLI::App& app, const std::string& name) {
  for (const CLI::App* command : commands_of(app))
    if (command->get_name() == name) return command;
  return nullptr;
}

std::string unknown_command(const CLI::App& app, const std::string& name) {
  std::string all;
  std::vector<std::string> names;
  for (const CLI::App* command : commands_of(app)) {
    names.push_back(command->get_name());
    all += (all.empty() ? "" : ", ") + names.back();
  }
  if (name.empty()) return "which command? (" + all + ")";
  return "no command '" + name + "'" + did_you_mean(name, names) + " (commands: " + all + ")";
}

std::string unexpected(const CLI::App& command, const std::string& argument) {
  if (!argument.starts_with('-')) return "one argument too many: '" + argument + "'";
  std::string name = argument.substr(0, argument.find('='));
  std::vector<std::string> names;
  if (name.size() > 2) names = names_of(command);  // letters are all near each other
  return "'" + command.get_name() + "' has no option '" + name + "'" + did_you_mean(name, names);
}

std::vector<std::string> names_of(const CLI::Option* option) {
  std::vector<std::string> names;
  for (const std::string& name : option->get_snames()) names.push_back("-" + name);
  for (const std::string& name : option->get_lnames()) names.push_back("--" + name);
  return names;
}

std::vector<std::string> names_of(const CLI::App& app) {
  std::vector<std::string> names;
  for (const CLI::Option* option : app.get_options())
    for (const std::string& name : names_of(option)) names.push_back(name);
  return names;
}

bool only_of_commands(const CLI::App& app, const std::string& option) {
  auto has = [&](const CLI::App& one) {
    std::vector<std::string> names = names_of(one);
    return std::find(names.begin(), names.end(), option.substr(0, option.find('='))) != names.end();
  };
  std::vector<const CLI::App*> commands = commands_of(app);
  return !has(app) &&
         std::any_of(commands.begin(), commands.end(), [&](const auto* one) { return has(*one); });
}

std::span<const Section> sections() { return kSections; }

void declare(CLI::App& app, Arguments& arguments) {
  app.description("Remote objects as local memory and files.");
  app.set_version_flag("--version", std::string("r3map ") + r3map_version(), "Show the version");
  app.set_help_flag("-h,--help", "Show this help");
  app.require_subcommand(1);
  app.get_formatter()->label("SUBCOMMAND", "COMMAND");
  app.get_formatter()->label("TEXT", "");
  app.get_formatter()->label("REQUIRED", "");
  app.fallthrough();  // -v may stand behind a command, too
  app.add_flag("-v,--verbose", arguments.verbose,
               "tell on standard error what is tried again; -vv: what is opened as well");
  app.footer("Exit codes: 0; 1: it failed; 2: wrong usage. The manual: man r3map.");
  declare_info(app, arguments);
  declare_cat(app, arguments);
  declare_cp(app, arguments);
  declare_stat(app, arguments);
  declare_trace(app, arguments);
  declare_completion(app, arguments);
  declare_help(app, arguments);
  for (CLI::App* command : app.get_subcommands([](CLI::App*) { return true; }))
    command->group("Commands");
}

}  // namespace r3map::cli
