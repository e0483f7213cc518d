// SPDX-License-Identifier: LGPL-2.1-or-later
// Resources of a process: to see that nothing is left.
#pragma once

#include <unistd.h>

#include <cstddef>
#include <fstream>
#include <ostream>
#include <sstream>
#include <string>

#include "temp_dir.hpp"

namespace chaos {

struct Footprint {
  std::size_t descriptors = 0, mappings = 0, threads = 0;  // mappings: of rings and lanes
  std::size_t resident = 0;                                // bytes, without shared memory
  std::size_t faults = 0;                                  // page faults so far

  static Footprint of(const std::string& process = "self") {
    Footprint f;
    const std::string proc = "/proc/" + process;
    f.descriptors = support::TempDir::names_in(proc + "/fd").size();
    f.threads = support::TempDir::names_in(proc + "/task").size();
    std::ifstream maps(proc + "/maps");
    for (std::string line; std::getline(maps, line);) f.mappings += line.find("memfd:shmring") != std::string::npos;
    std::ifstream status(proc + "/status");
    for (std::string word; status >> word;)
      if (word == "RssAnon:") status >> f.resident, f.resident *= 1024;
    std::ifstream stat(proc + "/stat");
    std::string line;
    std::getline(stat, line);
    std::istringstream after_name(line.substr(line.rfind(')') + 1));
    std::string skipped;
    for (int field = 3; field < 10; ++field) after_name >> skipped;
    std::size_t minor = 0, major = 0;
    after_name >> minor >> skipped >> major;
    f.faults = minor + major;
    return f;
  }
  Footprint& operator+=(const Footprint& other) {
    descriptors += other.descriptors;
    mappings += other.mappings;
    threads += other.threads;
    resident += other.resident;
    faults += other.faults;
    return *this;
  }
  // No more than that; memory is not compared, since allocators keep some.
  bool within(const Footprint& other) const {
    return descriptors <= other.descriptors && mappings <= other.mappings && threads <= other.threads;
  }
};

inline std::ostream& operator<<(std::ostream& out, const Footprint& f) {
  return out << f.descriptors << " descriptors, " << f.mappings << " mappings, " << f.threads << " threads, "
             << f.resident / 1024 << " KiB";
}

}  // namespace chaos
