// SPDX-License-Identifier: LGPL-2.1-or-later
// Prints the man page or a completion of the command, made of its own definitions: describe man | bash | zsh. A check compares the files
// beside this one with it.
#include <cstdio>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "arguments.hpp"
#include "top_page.hpp"

namespace {

using Options = std::vector<const CLI::Option*>;

std::vector<const CLI::App*> commands_of(const CLI::App& app) {
  return app.get_subcommands([](const CLI::App*) { return true; });
}

// Those with a dash, or those without.
Options options_of(const CLI::App& app, bool positional) {
  return app.get_options([&](const CLI::Option* option) { return option->get_positional() == positional; });
}

std::string name_of(const CLI::Option& option) {
  return option.get_positional() ? option.get_name(true) : "--" + option.get_lnames().front();
}

// The words that a value may be, or none.
std::string values_of(const CLI::Option& option) {
  if (option.get_lnames() != std::vector<std::string>{"sort"}) return "";
  std::string text;
  for (const std::string& name : shmring::tools::order_names()) text += (text.empty() ? "" : " ") + name;
  return text;
}

bool takes_value(const CLI::Option& option) { return option.get_expected_min() > 0; }

std::string value_name(const CLI::Option& option) {
  const std::string type = option.get_type_name().substr(0, option.get_type_name().find_first_of(":{ "));
  return type.empty() ? "WORD" : type;
}

std::string roff(const std::string& text) {
  std::string out;
  for (const char c : text) {
    if (c == '-') out += '\\';
    out += c;
  }
  return out;
}

void man(const CLI::App& app) {
  fmt::print(
      ".\\\" SPDX-License-Identifier: LGPL-2.1-or-later\n.\\\" Made by describe man of the command's definitions.\n"
      ".TH SHMRING 1 \"\" gst-frame-supplier\n.SH NAME\nshmring \\- look at live rings of frames in shared memory\n.SH "
      "SYNOPSIS\n");
  for (const CLI::App* command : commands_of(app)) {
    fmt::print(".B shmring {}\n", command->get_name());
    for (const CLI::Option* option : options_of(*command, false)) {
      if (name_of(*option) == "--help") continue;
      fmt::print("[\\fB{}\\fR{}]\n", roff(name_of(*option)),
                 takes_value(*option) ? " \\fI" + value_name(*option) + "\\fR" : "");
    }
    for (const CLI::Option* option : options_of(*command, true))
      fmt::print("{}\n",
                 option->get_required() ? "\\fI" + name_of(*option) + "\\fR" : "[\\fI" + name_of(*option) + "\\fR]");
    fmt::print(".br\n");
  }
  fmt::print(".B shmring \\-\\-version\n.SH DESCRIPTION\n{}\n.SH COMMANDS\n", roff(app.get_description()));
  for (const CLI::App* command : commands_of(app)) {
    fmt::print(".SS {}\n{}.\n", command->get_name(), roff(command->get_description()));
    for (const bool positional : {true, false}) {
      for (const CLI::Option* option : options_of(*command, positional)) {
        if (name_of(*option) == "--help") continue;
        fmt::print(".TP\n{} {}", positional ? ".I" : ".B", roff(name_of(*option)));
        if (!positional && takes_value(*option)) fmt::print(" \\fI{}\\fR", value_name(*option));
        fmt::print("\n{}", roff(option->get_description()));
        if (!values_of(*option).empty()) fmt::print(": {}", values_of(*option));
        fmt::print(".\n");
      }
    }
    fmt::print(".PP\n{}\n", roff(command->get_footer().substr(0, command->get_footer().find("\n\n"))));
  }
  fmt::print(
      ".SH EXIT STATUS\n{}\n.SH EXAMPLES\n.EX\nshmring list /run/cameras\nshmring top /run/cameras\n"
      "shmring stat \\-\\-watch 1 /run/cameras/front.sock\nshmring stat \\-\\-json /run/cameras/front.sock | jq "
      ".accounts\n"
      "shmring hz \\-\\-seconds 10 /run/cameras/front.sock\nshmring snap /run/cameras/front.sock now.png\n.EE\n",
      roff(app.get_footer().substr(app.get_footer().find(':') + 2)));
}

std::string words_of(const CLI::App& app) {
  std::string words;
  for (const CLI::Option* option : options_of(app, false)) words += (words.empty() ? "" : " ") + name_of(*option);
  return words;
}

void bash(const CLI::App& app) {
  std::string names;
  for (const CLI::App* command : commands_of(app)) names += command->get_name() + " ";
  fmt::print(
      "# shellcheck shell=bash\n# SPDX-License-Identifier: LGPL-2.1-or-later\n"
      "# Completion of the command shmring for bash, made by describe bash of its definitions.\n"
      "_shmring() {{\n  local word=${{COMP_WORDS[COMP_CWORD]}} words='{}{}' value=\n  compopt +o default\n"
      "  if [ \"$COMP_CWORD\" -gt 1 ]; then\n    case ${{COMP_WORDS[1]}}/${{COMP_WORDS[COMP_CWORD - 1]}} in\n",
      names, words_of(app));
  std::string numbers;
  for (const CLI::App* command : commands_of(app))
    for (const CLI::Option* option : options_of(*command, false)) {
      if (!takes_value(*option)) continue;
      if (const std::string values = values_of(*option); !values.empty())
        fmt::print("      {}/{}) words='{}' value=1 ;;\n", command->get_name(), name_of(*option), values);
      else
        numbers += (numbers.empty() ? "" : " | ") + command->get_name() + "/" + name_of(*option);
    }
  fmt::print("      {}) return 0 ;; # a number\n    esac\n", numbers);
  fmt::print(
      "    if [ -z \"$value\" ]; then\n      [[ $word == -* ]] || {{ compopt -o default && return; }} # a path\n"
      "      case ${{COMP_WORDS[1]}} in\n");
  for (const CLI::App* command : commands_of(app))
    fmt::print("        {}) words='{}' ;;\n", command->get_name(), words_of(*command));
  fmt::print(
      "      esac\n    fi\n  fi\n  mapfile -t COMPREPLY < <(compgen -W \"$words\" -- \"$word\")\n}}\ncomplete -F "
      "_shmring shmring\n");
}

std::string zsh_text(std::string text) {
  std::string out;
  for (const char c : text) {
    if (c == '\'')
      out += "'\\''";
    else if (c == '[' || c == ']' || c == ':')
      out += std::string("\\") + c;
    else
      out += c;
  }
  return out;
}

void zsh(const CLI::App& app) {
  std::string names;
  for (const CLI::App* command : commands_of(app))
    names +=
        fmt::format("{}{}\\:'{}'", names.empty() ? "" : " ", command->get_name(), zsh_text(command->get_description()));
  fmt::print(
      "#compdef shmring\n# SPDX-License-Identifier: LGPL-2.1-or-later\n"
      "# Completion of the command shmring for zsh, made by describe zsh of its definitions.\n"
      "_arguments -C '--help[show the options]' '--version[show the version]' \"1:command:(({}))\" "
      "'*::arguments:->arguments'\n"
      "[[ $state == arguments ]] || return 0\ncase $words[1] in\n",
      names);
  for (const CLI::App* command : commands_of(app)) {
    fmt::print("  {}) _arguments", command->get_name());
    for (const CLI::Option* option : options_of(*command, false)) {
      fmt::print(" '{}[{}]", name_of(*option), zsh_text(option->get_description()));
      const std::string values = values_of(*option);
      if (takes_value(*option)) fmt::print(":{}:{}", value_name(*option), values.empty() ? "" : "(" + values + ")");
      fmt::print("'");
    }
    int place = 0;
    for (const CLI::Option* option : options_of(*command, true))
      fmt::print(" '{}{}:_files'", ++place, (option->get_required() ? ":" : "::") + name_of(*option));
    fmt::print(" ;;\n");
  }
  fmt::print("esac\n");
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("", "shmring");
  shmring::tools::Arguments arguments;
  shmring::tools::define(app, arguments);
  const std::string what = argc == 2 ? argv[1] : "";
  if (what == "man")
    man(app);
  else if (what == "bash")
    bash(app);
  else if (what == "zsh")
    zsh(app);
  else
    return std::fputs("usage: describe man | bash | zsh\n", stderr), 2;
  return 0;
}
