// SPDX-License-Identifier: LGPL-2.1-or-later
#include "os/memory.hpp"

#include <fcntl.h>
#include <linux/memfd.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <fstream>
#include <new>
#include <optional>

#include "os/clock.hpp"

#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 0x0008U
#endif
#ifndef F_SEAL_FUTURE_WRITE
#define F_SEAL_FUTURE_WRITE 0x0010
#endif
#ifndef MADV_POPULATE_READ
#define MADV_POPULATE_READ 22
#define MADV_POPULATE_WRITE 23
#endif
#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE 25
#endif

namespace shmring {
namespace {

constexpr std::uint64_t kHugePage = 2 << 20;
constexpr std::uint64_t kClearingUp = 100'000'000;  // ns

std::optional<std::uint64_t> number_in(const std::filesystem::path& file) {
  std::ifstream in(file);
  std::uint64_t value = 0;
  if (in >> value) return value;
  return std::nullopt;  // not there, or "max"
}

std::string mib(std::uint64_t bytes) { return std::to_string((bytes + (1u << 20) - 1) >> 20) + " MiB"; }

// The number behind a word in a file of words and numbers; 0 if it is not there.
std::uint64_t number_of(const std::filesystem::path& file, const std::string& wanted) {
  std::ifstream in(file);
  std::string word;
  for (std::uint64_t value; in >> word >> value;)
    if (word == wanted) return value;
  return 0;
}

// Memory left in a control group; nothing if it sets no limit. The kernel can reclaim pages of files, so they count as free.
std::optional<std::uint64_t> left_in_group(const std::filesystem::path& dir, const char* limit_file,
                                           const char* usage_file, const std::string& prefix) {
  const auto limit = number_in(dir / limit_file), usage = number_in(dir / usage_file);
  if (!limit || !usage) return std::nullopt;
  const auto pages = [&](const char* list) { return number_of(dir / "memory.stat", prefix + list); };
  const std::uint64_t needed = *usage - std::min(*usage, pages("inactive_file") + pages("active_file"));
  return *limit > needed ? *limit - needed : 0;
}

// Shared memory over a group's limit is not refused but killed, so it is asked first. Walks up: every ancestor's limit counts.
Result<void> check_memory_groups(std::uint64_t size) {
  std::ifstream groups("/proc/self/cgroup");
  for (std::string line; std::getline(groups, line);) {
    const bool v2 = line.starts_with("0::");
    const auto controller = line.find(":memory:");
    if (!v2 && controller == std::string::npos) continue;
    const std::filesystem::path root = v2 ? "/sys/fs/cgroup" : "/sys/fs/cgroup/memory";
    std::filesystem::path dir = root / std::filesystem::path(line.substr(v2 ? 3 : controller + 8)).relative_path();
    for (;; dir = dir.parent_path()) {
      const auto left = v2 ? left_in_group(dir, "memory.max", "memory.current", "")
                           : left_in_group(dir, "memory.limit_in_bytes", "memory.usage_in_bytes", "total_");
      if (left && *left < size)
        return {SHMRING_NO_MEMORY,
                "the ring needs " + mib(size) + ", but the memory limit of control group " + dir.string() + " leaves " +
                    mib(*left) +
                    " (frames that readers hold of former rings count): fewer or smaller slots, or a higher limit"};
      if (dir == root || dir == dir.parent_path()) break;
    }
  }
  return {};
}

Result<void> check_limits(std::uint64_t size) {
  rlimit limit;
  if (::getrlimit(RLIMIT_FSIZE, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY && limit.rlim_cur < size)
    return {SHMRING_NO_MEMORY, "the ring needs " + mib(size) +
                                   ", but the file size limit of this process (ulimit -f) is " + mib(limit.rlim_cur)};
  std::ifstream info("/proc/meminfo");
  for (std::string key; info >> key;) {
    std::uint64_t kib = 0;
    if (key == "MemAvailable:" && info >> kib && kib * 1024 < size)
      return {SHMRING_NO_MEMORY,
              "the ring needs " + mib(size) + ", but only " + mib(kib * 1024) + " of memory are available"};
  }
  return check_memory_groups(size);
}

// Page faults now instead of at the first frames. Before Linux 5.14: by touching.
void populate(const Mapping& m, bool write) {
  if (::madvise(m.data(), m.size(), write ? MADV_POPULATE_WRITE : MADV_POPULATE_READ) == 0) return;
  for (std::size_t at = 0; at < m.size(); at += 4096) {
    volatile std::byte* byte = m.data() + at;
    if (write)
      *byte = std::byte{0};  // only called before the memory is shared
    else
      (void)*byte;
  }
}

// Where `size` bytes can start with a huge page; nullptr: anywhere will do, or nothing was found.
void* place_for_huge_pages(std::uint64_t size) {
  if (size < kHugePage) return nullptr;
  void* room = ::mmap(nullptr, size + kHugePage, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (room == MAP_FAILED) return nullptr;
  ::munmap(room, size + kHugePage);
  const auto address = reinterpret_cast<std::uintptr_t>(room);
  return static_cast<std::byte*>(room) + (kHugePage - address % kHugePage) % kHugePage;
}

// Makes each whole part of that size one page, as far as the kernel has such pages (Linux 6.1): a ring is made and mapped in a fraction of
// the time. Where it has none, or has to clear them up first for too long, small pages do.
void make_huge(const Fd& fd, const Mapping& m) {
  const std::uint64_t enough = now() + kClearingUp;
  for (std::uint64_t at = 0; at + kHugePage <= m.size() && now() < enough; at += kHugePage) {
    // One small page is to be there: the kernel leaves a hole alone.
    if (::fallocate(fd.get(), 0, static_cast<off_t>(at), 1) != 0) return;
    if (::madvise(m.data() + at, kHugePage, MADV_COLLAPSE) != 0) return;
  }
}

Result<Mapping> map(const Fd& fd, std::uint64_t size, int protection) {
  // The address is a hint: if it is taken meanwhile, the mapping has no huge pages.
  void* data = ::mmap(place_for_huge_pages(size), size, protection, MAP_SHARED, fd.get(), 0);
  if (data == MAP_FAILED) return system_error("mmap");
  ::madvise(data, size,
            MADV_DONTDUMP);  // frames would make a core dump slow, and readers notice the death only after it
  return Mapping(static_cast<std::byte*>(data), size);
}

Result<void> check_received(const Fd& fd, std::uint64_t size, int needed_seals) {
  struct stat st;
  if (::fstat(fd.get(), &st) != 0) return system_error("fstat");
  if (!S_ISREG(st.st_mode) || static_cast<std::uint64_t>(st.st_size) != size)
    return {SHMRING_PROTOCOL,
            "the memory received has " + std::to_string(st.st_size) + " bytes instead of " + std::to_string(size)};
  // The process that touches a hole pays for the page: a sparse terabyte would get this one killed for lack of memory.
  if (static_cast<std::uint64_t>(st.st_blocks) * 512 < size)
    return {SHMRING_PROTOCOL, "the memory received is not there: of " + std::to_string(size) + " bytes " +
                                  std::to_string(static_cast<std::uint64_t>(st.st_blocks) * 512) + " are allocated"};
  const int seals = ::fcntl(fd.get(), F_GET_SEALS);
  if (seals < 0 || (seals & needed_seals) != needed_seals)
    return {SHMRING_PROTOCOL, "the memory received is not sealed: it could shrink or change under us"};
  return {};
}

}  // namespace

Mapping::~Mapping() {
  if (data_ && !(not_in_child_ && guard_.in_child())) ::munmap(data_, size_);
}

void Mapping::keep_from_children() { not_in_child_ = ::madvise(data_, size_, MADV_DONTFORK) == 0; }

Mapping private_memory(std::size_t size) {
  void* data = ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (data == MAP_FAILED) throw std::bad_alloc();
  return {static_cast<std::byte*>(data), size};
}

Result<SharedMemory> create_memory(const char* name, std::uint64_t size) {
  if (auto ok = check_limits(size); !ok) return ok.error();
  SharedMemory memory;
  memory.fd = Fd(::memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_NOEXEC_SEAL));
  if (!memory.fd && errno == EINVAL)
    memory.fd = Fd(::memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING));  // before Linux 6.3
  if (!memory.fd) return system_error("memfd_create");
  if (::ftruncate(memory.fd.get(), static_cast<off_t>(size)) != 0) return system_error("ftruncate");
  auto mapping = map(memory.fd, size, PROT_READ | PROT_WRITE);
  if (!mapping) return mapping.error();
  memory.mapping = *std::move(mapping);
  make_huge(memory.fd, memory.mapping);
  if (::fallocate(memory.fd.get(), 0, 0, static_cast<off_t>(size)) != 0) {
    const Error error = system_error("fallocate");
    return Error{error.status, "the ring needs " + mib(size) + ": " + error.text};
  }
  populate(memory.mapping, true);
  return memory;
}

Result<void> seal(const Fd& fd, Seal how) {
  const int wanted = F_SEAL_SHRINK | F_SEAL_GROW | (how == Seal::everything ? F_SEAL_FUTURE_WRITE | F_SEAL_SEAL : 0);
  const int present = ::fcntl(fd.get(), F_GET_SEALS);
  if (present >= 0 && (present & wanted) == wanted) return {};
  if (::fcntl(fd.get(), F_ADD_SEALS, wanted & ~present) != 0) return system_error("sealing shared memory");
  return {};
}

void repopulate(const Mapping& mapping) {
  if (::madvise(mapping.data(), mapping.size(), MADV_POPULATE_WRITE) != 0) populate(mapping, false);
}

Result<Mapping> map_read_only(const Fd& fd, std::uint64_t size, bool frozen) {
  if (auto ok = check_received(fd, size, F_SEAL_SHRINK | F_SEAL_GROW | (frozen ? F_SEAL_FUTURE_WRITE : 0)); !ok)
    return ok.error();
  auto mapping = map(fd, size, PROT_READ);
  if (mapping) populate(*mapping, false);
  return mapping;
}

Result<Mapping> map_read_write(const Fd& fd, std::uint64_t size) {
  if (auto ok = check_received(fd, size, F_SEAL_SHRINK | F_SEAL_GROW); !ok) return ok.error();
  auto mapping = map(fd, size, PROT_READ | PROT_WRITE);
  if (mapping) populate(*mapping, false);
  return mapping;
}

}  // namespace shmring
