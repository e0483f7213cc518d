// SPDX-License-Identifier: LGPL-2.1-or-later
#include "rings.hpp"

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <set>
#include <system_error>

#include <fmt/format.h>

#include "text.hpp"

namespace shmring::tools {
namespace {

namespace fs = std::filesystem;

// A socket of a publisher answers at once; what listens there may be something else.
constexpr std::chrono::milliseconds patience{500};

std::vector<fs::path> sockets_of(const fs::path& path) {
  std::error_code failed;
  if (const auto status = fs::status(path, failed); !fs::is_directory(status)) {
    if (failed) throw std::system_error(failed, path.string());
    return {path};
  }
  std::vector<fs::path> found;
  const fs::directory_iterator entries(path, failed);
  if (failed) throw std::system_error(failed, path.string());
  for (const auto& entry : entries) {
    std::error_code gone;
    if (entry.is_socket(gone)) found.push_back(path == "." ? entry.path().filename() : entry.path());
  }
  std::sort(found.begin(), found.end());
  return found;
}

}  // namespace

std::vector<Look> Rings::look() {
  std::vector<Look> rings;
  silent_.clear();
  std::set<std::string> there;
  for (const fs::path& socket : sockets_of(path_)) {
    const std::string path = socket.string();
    // Twice: the publisher that was observed may be gone and the next one there.
    for (int attempt = 0; attempt < 2; ++attempt) {
      const bool known = observers_.count(path) != 0;
      try {
        if (!known) observers_.emplace(path, Observer(path, patience));
        rings.push_back({socket.filename().string(), path, shmring_now(), observers_.at(path).stats()});
        there.insert(path);
        break;
      } catch (const Error& error) {
        observers_.erase(path);
        if (known) continue;
        if (error.status() == SHMRING_TIMEOUT)
          silent_.push_back(printable(socket.filename().string()) + ": " + error.what());
        break;
      }
    }
  }
  for (auto at = observers_.begin(); at != observers_.end();)
    at = there.count(at->first) != 0 ? std::next(at) : observers_.erase(at);
  return rings;
}

std::string list_text(const std::vector<Look>& rings) {
  std::vector<Row> rows = {{"RING", "PUBLISHER", "READERS", "FRAMES", "LAST FRAME", "MEMORY", "CAPS"}};
  for (const Look& look : rings) {
    const shmring_ring_stats& ring = look.stats.ring;
    rows.push_back({printable(look.name), std::to_string(ring.publisher_pid),
                    fmt::format("{}/{}", ring.readers, ring.max_readers), std::to_string(ring.published),
                    ago(ring.last_published_at, look.at), size(ring.memory),
                    ring.caps[0] == '\0' ? "-" : printable(ring.caps)});
  }
  return table(rows);
}

}  // namespace shmring::tools
