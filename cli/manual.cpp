// See manual.hpp.
#include "manual.hpp"

#include <algorithm>
#include <cctype>
#include <sstream>
#include <vector>

#include "commands.hpp"
#include "options.hpp"
#include "r3map.h"

namespace r3map::cli {
namespace {

bool is_positional(const CLI::Option* option) { return option->get_positional(); }

bool takes_value(const CLI::Option* option) { return option->get_type_size_max() > 0; }

// "BYTES"; "" for a flag.
std::string value_of(const CLI::Option* option) {
  return takes_value(option) ? option->get_type_name() : "";
}

std::string joined(const std::vector<std::string>& words, const char* between = " ") {
  std::string text;
  for (const std::string& word : words) text += (text.empty() ? "" : between) + word;
  return text;
}

// ---- roff

// Text of ours is prose: what roff takes for commands is told not to be one.
std::string roff(const std::string& text) {
  std::string out;
  for (const char c : text) {
    if (c == '\\') {
      out += "\\e";
    } else if (c == '-') {
      out += "\\-";
    } else {
      if ((c == '.' || c == '\'') && (out.empty() || out.back() == '\n')) out += "\\&";
      out += c;
    }
  }
  return out;
}

std::string bold(const std::string& text) { return "\\fB" + roff(text) + "\\fR"; }
std::string italic(const std::string& text) { return "\\fI" + roff(text) + "\\fR"; }

void append_option(std::string& page, const CLI::Option* option) {
  page += ".TP\n";
  if (is_positional(option)) {
    page += italic(option->get_name(true));
  } else {
    std::string between;
    for (const std::string& name : names_of(option)) {
      page += between + bold(name);
      between = ", ";
    }
    if (std::string value = value_of(option); !value.empty()) page += " " + italic(value);
  }
  page += "\n" + roff(option->get_description()) + "\n";
}

void append_command(std::string& page, const CLI::App& command) {
  page += ".SS " + bold("r3map " + command.get_name());
  for (const CLI::Option* option : command.get_options(is_positional)) {
    std::string name = italic(option->get_name(true));
    page += option->get_required() ? " " + name : " [" + name + "]";
  }
  page += "\n" + roff(command.get_description()) + ".\n";
  for (const CLI::Option* option : command.get_options())
    if (option != command.get_help_ptr()) append_option(page, option);
}

// Paragraphs of lines; the first line of each is what it is about, but in prose and examples.
void append_section(std::string& page, const Section& section) {
  page += std::string(".SH ") + section.heading + "\n";
  std::istringstream lines(section.text);
  bool heads = std::string_view(section.heading) != "EXAMPLES", first = true;
  for (std::string line; std::getline(lines, line); first = line.empty()) {
    if (line.starts_with("  "))
      page += ".IP\n.EX\n" + roff(line.substr(2)) + "\n.EE\n";
    else if (!heads)
      page += ".PP\n" + roff(line) + "\n";
    else if (first && lines.peek() != EOF)
      page += ".TP\n" + bold(line) + "\n";
    else if (first)
      page += ".PP\n" + roff(line) + "\n";
    else if (!line.empty())
      page += roff(line) + "\n";
  }
}

// ---- shells

std::string shell_quoted(const std::string& text) {
  std::string out = "'";
  for (const char c : text) out += c == '\'' ? "'\\''" : std::string(1, c);
  return out + "'";
}

std::vector<std::string> command_names(const CLI::App& app) {
  std::vector<std::string> names;
  for (const CLI::App* command : commands_of(app)) names.push_back(command->get_name());
  return names;
}

// "header.NAME", whose name is the user's.
bool takes_a_name(const StoreOption& option) {
  return option.name == std::string_view("header.NAME");
}

// "budget=": what -o can be followed by.
std::vector<std::string> option_prefixes(const CLI::App& command) {
  const bool region = command.get_name() == "stat";
  std::vector<std::string> prefixes;
  for (const OwnOption& option : own_options())
    if (region || !option.of_regions) prefixes.push_back(option.name + std::string("="));
  for (const StoreOptions& store : store_options())
    for (const StoreOption& option : store.options)
      prefixes.push_back(takes_a_name(option) ? "header." : option.name + std::string("="));
  std::sort(prefixes.begin(), prefixes.end());
  prefixes.erase(std::unique(prefixes.begin(), prefixes.end()), prefixes.end());
  return prefixes;
}

constexpr const char* kShells = "bash zsh fish";

std::string bash_completion(const CLI::App& app) {
  std::string commands = joined(command_names(app));
  std::string options, prefixes;
  for (const CLI::App* command : commands_of(app)) {
    const std::string begin = "    " + command->get_name() + ") words=";
    options += begin + shell_quoted(joined(names_of(*command))) + " ;;\n";
    if (command->get_option_no_throw("-o") != nullptr)
      prefixes += begin + shell_quoted(joined(option_prefixes(*command))) + " ;;\n";
  }
  return "# bash completion for r3map, written by 'r3map completion bash'\n"
         "_r3map() {\n"
         "  local current=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]}\n"
         "  local command= words= i\n"
         "  for ((i = 1; i < COMP_CWORD; i++)); do\n"
         "    [[ ${COMP_WORDS[i]} == -* ]] || { command=${COMP_WORDS[i]}; break; }\n"
         "  done\n"
         "  case $command in\n"
         "    '') words=" + shell_quoted(commands + " " + joined(names_of(app))) + " ;;\n" + options +
         "  esac\n"
         "  if [[ $command && ( $before == -o || $before == --option ) ]]; then\n"
         "    compopt -o nospace\n"
         "    words=\n"
         "    case $command in\n" + prefixes +
         "    esac\n"
         "  elif [[ $command == help && $current != -* ]]; then\n"
         "    words=" + shell_quoted(commands) + "\n"
         "  elif [[ $command == completion && $current != -* ]]; then\n"
         "    words=" + shell_quoted(kShells) + "\n"
         "  elif [[ $command && $current != -* ]]; then\n"
         "    words=  # a URL or a file: what readline does by default\n"
         "  fi\n"
         "  COMPREPLY=($(compgen -W \"$words\" -- \"$current\"))\n"
         "}\n"
         "complete -o default -F _r3map r3map\n";
}

// For _arguments: brackets and colons are its own.
std::string zsh_text(const std::string& text) {
  std::string out;
  for (const char c : text) {
    if (c == '[' || c == ']' || c == ':' || c == '\\') out += '\\';
    out += c;
  }
  return out;
}

std::string zsh_arguments(const CLI::App& app) {
  std::string text;
  for (const CLI::Option* option : app.get_options()) {
    if (is_positional(option)) continue;
    std::string value = value_of(option);
    for (const std::string& name : names_of(option)) {
      std::string spec = name + "[" + zsh_text(option->get_description()) + "]";
      if (value == "FILE") spec += ":" + value + ":_files";
      else if (value == "NAME=VALUE") spec = "*" + spec + ":" + value + ":(" +
                                             joined(option_prefixes(app)) + ")";
      else if (!value.empty()) spec += ":" + zsh_text(value) + ":";
      text += " \\\n        " + shell_quoted(spec);
    }
  }
  return text;
}

std::string zsh_completion(const CLI::App& app) {
  std::string described, cases;
  for (const CLI::App* command : commands_of(app)) {
    const std::string& name = command->get_name();
    described += "    " + shell_quoted(zsh_text(name) + ":" + command->get_description()) + "\n";
    std::string rest = name == "help"         ? "'*::command:(" + joined(command_names(app)) + ")'"
                       : name == "completion" ? std::string("'*::shell:(") + kShells + ")'"
                                              : "'*::file:_files'";
    cases += "    " + name + ")\n      _arguments" + zsh_arguments(*command) + " \\\n        " +
             rest + "\n      ;;\n";
  }
  return "#compdef r3map\n"
         "# zsh completion for r3map, written by 'r3map completion zsh'\n"
         "local -a commands\n"
         "commands=(\n" + described + ")\n"
         "local curcontext=$curcontext state line\n"
         "_arguments -C" + zsh_arguments(app) + " \\\n"
         "  '1:command:->command' '*::argument:->argument'\n"
         "case $state in\n"
         "command) _describe command commands ;;\n"
         "argument)\n"
         "  case $line[1] in\n" + cases +
         "  esac\n"
         "  ;;\n"
         "esac\n";
}

std::string fish_quoted(const std::string& text) {
  std::string out = "'";
  for (const char c : text) out += c == '\'' || c == '\\' ? std::string("\\") + c : std::string(1, c);
  return out + "'";
}

std::string fish_options(const CLI::App& app, const std::string& condition) {
  std::string text;
  for (const CLI::Option* option : app.get_options()) {
    if (is_positional(option)) continue;
    text += "complete -c r3map" + condition;
    for (const std::string& name : option->get_snames()) text += " -s " + name;
    for (const std::string& name : option->get_lnames()) text += " -l " + name;
    std::string value = value_of(option);
    if (value == "FILE") text += " -r -F";
    else if (value == "NAME=VALUE") text += " -x -a " + fish_quoted(joined(option_prefixes(app)));
    else if (!value.empty()) text += " -x";
    text += " -d " + fish_quoted(option->get_description()) + "\n";
  }
  return text;
}

std::string fish_completion(const CLI::App& app) {
  std::string text = "# fish completion for r3map, written by 'r3map completion fish'\n" +
                     fish_options(app, "");
  for (const CLI::App* command : commands_of(app))
    text += "complete -c r3map -f -n __fish_use_subcommand -a " + command->get_name() + " -d " +
            fish_quoted(command->get_description()) + "\n";
  for (const CLI::App* command : commands_of(app)) {
    const std::string& name = command->get_name();
    std::string condition = " -n '__fish_seen_subcommand_from " + name + "'";
    if (name == "help")
      text += "complete -c r3map -f" + condition + " -a " +
              fish_quoted(joined(command_names(app))) + "\n";
    if (name == "completion")
      text += "complete -c r3map -f" + condition + " -a " + fish_quoted(kShells) + "\n";
    text += fish_options(*command, condition);
  }
  return text;
}

}  // namespace

std::string man_page(const CLI::App& app) {
  std::string page = ".\\\" Written by 'r3map help --man'.\n"
                     ".TH R3MAP 1 \"\" \"r3map " + std::string(r3map_version()) + "\" \"\"\n"
                     ".SH NAME\nr3map \\- remote objects as local memory and files\n"
                     ".SH SYNOPSIS\n" + bold("r3map") + " [" + bold("-v") + "] " +
                     italic("COMMAND") + " [" + italic("OPTION") + " ...] [" +
                     italic("ARGUMENT") + " ...]\n.SH OPTIONS\n";
  for (const CLI::Option* option : app.get_options()) append_option(page, option);
  page += ".SH COMMANDS\n";
  for (const CLI::App* command : commands_of(app)) append_command(page, *command);
  page += ".SH OPTIONS OF R3MAP'S OWN\nWhat " + bold("-o") +
          " sets beside the options of the store; all but the deadline only for " +
          bold("r3map stat") + ".\n";
  for (const OwnOption& option : own_options())
    page += ".TP\n" + bold(option.name + std::string("=")) + italic(option.value) + "\n" +
            roff(option.help) + "\n";
  page += ".SH OPTIONS OF THE STORES\nWhat else " + bold("-o") + " sets.\n";
  for (const StoreOptions& store : store_options()) {
    page += ".SS " + bold(store.urls) + "\n";
    for (const StoreOption& option : store.options)
      page += ".TP\n" + bold(option.name + std::string("=")) + italic("VALUE") + "\n" +
              roff(option.help) + "\n";
  }
  for (const Section& section : sections()) append_section(page, section);
  return page;
}

std::string completion(const CLI::App& app, std::string_view shell) {
  if (shell == "bash") return bash_completion(app);
  return shell == "zsh" ? zsh_completion(app) : fish_completion(app);
}

}  // namespace r3map::cli
