// SPDX-License-Identifier: LGPL-2.1-or-later
// The program `shmring`: the command and nothing else.
#include "command.hpp"

int main(int argc, char** argv) { return shmring::tools::run(argc, argv); }
