// SPDX-License-Identifier: LGPL-2.1-or-later
// The rings of a folder.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include <shmring/shmring.hpp>

namespace shmring::tools {

struct Look {
  std::string name;  // of the socket, in the folder
  std::string path;
  std::uint64_t at;  // CLOCK_MONOTONIC, ns
  Stats stats;
};

class Rings {
 public:
  // `path`: a folder, or the socket of one ring.
  explicit Rings(std::string path) : path_(std::move(path)) {}
  // The rings that have a publisher now, by name. Throws if the folder cannot be read.
  std::vector<Look> look();
  // Of that look: a sentence for each publisher that does not answer.
  const std::vector<std::string>& silent() const { return silent_; }

 private:
  std::string path_;
  std::vector<std::string> silent_;
  std::map<std::string, Observer> observers_;  // by path; connected as long as the publisher lives
};

// A line for each.
std::string list_text(const std::vector<Look>& rings);

}  // namespace shmring::tools
