// SPDX-License-Identifier: LGPL-2.1-or-later
// A folder of its own for a test, removed with everything in it. Its path is short: a socket path has 107 bytes.
#pragma once

#include <cstdlib>
#include <filesystem>
#include <set>
#include <stdexcept>
#include <string>
#include <system_error>

namespace support {

class TempDir {
 public:
  TempDir() {
    std::string pattern = (std::filesystem::temp_directory_path() / "fs-XXXXXX").string();
    if (!mkdtemp(pattern.data())) throw std::system_error(errno, std::generic_category(), "mkdtemp " + pattern);
    path_ = pattern;
  }
  ~TempDir() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  TempDir(const TempDir&) = delete;
  TempDir& operator=(const TempDir&) = delete;

  const std::filesystem::path& path() const { return path_; }
  // The path of a file in the folder; the file need not exist.
  std::string file(const std::string& name) const { return (path_ / name).string(); }
  // Names in a folder now, so that a test can say what was left behind.
  static std::set<std::string> names_in(const std::filesystem::path& folder) {
    std::set<std::string> names;
    for (const auto& entry : std::filesystem::directory_iterator(folder))
      names.insert(entry.path().filename().string());
    return names;
  }
  std::set<std::string> names() const { return names_in(path_); }

 private:
  std::filesystem::path path_;
};

// Named shared memory on this machine. The ring has none: compare before and after.
inline std::set<std::string> shared_memory_names() { return TempDir::names_in("/dev/shm"); }

}  // namespace support
