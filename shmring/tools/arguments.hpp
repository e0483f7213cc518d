// SPDX-License-Identifier: LGPL-2.1-or-later
// The words of the command `shmring`: its subcommands, their options, and what is said of them. The man page and the completions are made
// of the same (describe.cpp).
#pragma once

#include <cstdint>
#include <string>

#include <CLI/CLI.hpp>

namespace shmring::tools {

struct Arguments {
  std::string path;  // of a ring's socket, or of the folder
  std::string file;  // of the picture
  bool json = false;
  double watch = 0;         // s; 0: once
  double interval = 1;      // s
  double seconds = 0;       // 0: until the end
  std::uint64_t count = 0;  // pages or results; 0: until the end
  std::string sort = "name";
  double timeout = 5;  // s
};

// `app` fills `arguments` when it parses; both must outlive that.
void define(CLI::App& app, Arguments& arguments);

}  // namespace shmring::tools
