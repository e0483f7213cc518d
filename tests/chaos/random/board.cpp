// SPDX-License-Identifier: LGPL-2.1-or-later
#include "board.hpp"

#include <fcntl.h>
#include <sched.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <system_error>

namespace chaos {
namespace {

Board* map(const std::string& file, int flags) {
  const int fd = ::open(file.c_str(), flags | O_RDWR | O_CLOEXEC, 0600);
  if (fd < 0 || ::ftruncate(fd, sizeof(Board)) != 0) throw std::system_error(errno, std::generic_category(), file);
  void* at = ::mmap(nullptr, sizeof(Board), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  ::close(fd);
  if (at == MAP_FAILED) throw std::system_error(errno, std::generic_category(), "mmap");
  return static_cast<Board*>(at);
}

template <std::size_t size>
void copy(char (&to)[size], const std::string& text) {
  const std::size_t n = std::min(text.size(), size - 1);
  std::memcpy(to, text.data(), n);
  to[n] = '\0';
}

}  // namespace

Board* Board::make(const std::string& file) { return map(file, O_CREAT | O_EXCL); }
Board* Board::open(const std::string& file) { return map(file, 0); }
void Board::unmap(Board* board) { ::munmap(board, sizeof *board); }

void Board::fail(const std::string& fault) {
  if (failing_.exchange(1) != 0) return;
  note("FAULT", fault.substr(0, 100));
  copy(fault_, fault);
  failed_ = 1;
}

std::optional<std::string> Board::fault() const {
  if (failed_ == 0) return {};
  return std::string(fault_);
}

void Board::note(const std::string& who, const std::string& what) {
  Event& event = event_[events_.fetch_add(1) % kEvents];
  event.at = shmring_now();
  copy(event.text, who + ": " + what);
}

std::string Board::last_events(std::size_t count) const {
  const std::uint64_t end = events_, begin = end - std::min<std::uint64_t>({end, count, kEvents});
  std::string text;
  for (std::uint64_t i = begin; i < end; ++i) {
    const Event& event = event_[i % kEvents];
    char time[32];
    std::snprintf(time, sizeof time, "%12.6f  ", static_cast<double>(event.at - started_at) / 1e9);
    text += time + std::string(event.text, strnlen(event.text, sizeof event.text)) + "\n";
  }
  return text;
}

std::uint32_t Board::publisher_of(std::uint32_t pid) const {
  for (std::uint32_t i = publishers; pid != 0 && i-- > 0;)
    if (publisher[i].pid == pid) return i;
  return kMaxPublishers;
}

void stay_on_one_cpu() {
  cpu_set_t all, one;
  if (::sched_getaffinity(0, sizeof all, &all) != 0) return;
  int cpu = 0;
  while (cpu < CPU_SETSIZE && !CPU_ISSET(cpu, &all)) ++cpu;
  CPU_ZERO(&one);
  CPU_SET(cpu, &one);
  ::sched_setaffinity(0, sizeof one, &one);
}

}  // namespace chaos
