// SPDX-License-Identifier: LGPL-2.1-or-later
// A frame of a ring as a file.
#pragma once

#include <string>

#include <shmring/types.h>

namespace shmring::tools {

// Why `file` names no form that there is, by its ending; empty when it does.
std::string wrong_ending(const std::string& file);

// Writes the newest frame to `file`, in the form that its ending names; the file is whole or not there. Throws what went wrong.
void snap(const std::string& path, const std::string& file, double timeout);

// The bytes of the header of a .npy file, version 1.0 of https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html
std::string npy_header(const shmring_array& array);

}  // namespace shmring::tools
