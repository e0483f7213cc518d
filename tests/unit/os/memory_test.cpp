// SPDX-License-Identifier: LGPL-2.1-or-later
// Shared memory: the seals deny what they must, wrong memory is refused before it is mapped, limits are told with
// figures.
#include "os/memory.hpp"

#include <fcntl.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <cerrno>
#include <cstring>
#include <fstream>
#include <sstream>
#include <string>

#include <gtest/gtest.h>

#include "child_process.hpp"

#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE 25
#endif

namespace shmring {
namespace {

constexpr std::uint64_t kSize = 64 * 1024;
constexpr std::uint64_t kLarge = (4 << 20) + 12'288;  // two huge pages and a rest

SharedMemory make(std::uint64_t size = kSize) {
  auto made = create_memory("test", size);
  EXPECT_TRUE(made) << made.error().text;
  return *std::move(made);
}

bool mapped_writable(int fd) {
  void* at = ::mmap(nullptr, kSize, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  if (at == MAP_FAILED) return false;
  ::munmap(at, kSize);
  return true;
}

// KiB of the mapping at `address` that are mapped as huge pages.
std::uint64_t huge_kib(const std::byte* address) {
  std::ifstream maps("/proc/self/smaps");
  std::ostringstream start;
  start << std::hex << reinterpret_cast<std::uintptr_t>(address) << "-";
  bool here = false;
  for (std::string line; std::getline(maps, line);) {
    if (line.find("-") < line.find(" ")) here = line.starts_with(start.str());
    if (here && line.starts_with("ShmemPmdMapped:")) return std::stoull(line.substr(15));
  }
  return 0;
}

TEST(Memory, IsZeroAndAllocatedFromTheStart) {
  for (const std::uint64_t size : {kSize, kLarge}) {
    const SharedMemory m = make(size);
    for (std::size_t i = 0; i < size; ++i) ASSERT_EQ(m.mapping.data()[i], std::byte{0}) << i;
    struct stat st;
    ASSERT_EQ(::fstat(m.fd.get(), &st), 0);
    EXPECT_GE(static_cast<std::uint64_t>(st.st_blocks) * 512, size);
  }
}

TEST(Memory, OfSomeSizeIsOfHugePagesOnBothSidesWhereTheKernelHasThem) {
  const SharedMemory m = make(kLarge);
  ASSERT_TRUE(seal(m.fd, Seal::everything));
  auto read_only = map_read_only(m.fd, kLarge, true);
  ASSERT_TRUE(read_only) << read_only.error().text;
  EXPECT_EQ(reinterpret_cast<std::uintptr_t>(m.mapping.data()) % (2 << 20), 0u);
  EXPECT_EQ(reinterpret_cast<std::uintptr_t>(read_only->data()) % (2 << 20), 0u);
  if (::madvise(m.mapping.data(), 2 << 20, MADV_COLLAPSE) != 0)
    GTEST_SKIP() << "this kernel makes no huge pages of shared memory: " << std::strerror(errno);
  EXPECT_EQ(huge_kib(m.mapping.data()), 4096u);
  EXPECT_EQ(huge_kib(read_only->data()), 4096u);
}

TEST(Memory, SealedForEverythingDeniesEveryChangeOfAPeer) {
  const SharedMemory m = make();
  ASSERT_TRUE(seal(m.fd, Seal::everything));
  const int fd = m.fd.get();
  EXPECT_FALSE(mapped_writable(fd));
  EXPECT_LT(::pwrite(fd, "x", 1, 0), 0);
  EXPECT_LT(::ftruncate(fd, 0), 0);
  EXPECT_LT(::ftruncate(fd, kSize * 2), 0);
  EXPECT_LT(::fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 4096), 0);
  EXPECT_LT(::fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE), 0);
  // Through a descriptor opened anew, too.
  const Fd again(::open(("/proc/self/fd/" + std::to_string(fd)).c_str(), O_RDWR));
  if (again) {
    EXPECT_FALSE(mapped_writable(again.get()));
  }
  // A read-only mapping stays read-only.
  auto mapping = map_read_only(m.fd, kSize, true);
  ASSERT_TRUE(mapping);
  EXPECT_LT(::mprotect(mapping->data(), kSize, PROT_READ | PROT_WRITE), 0);
  m.mapping.data()[0] = std::byte{7};  // its maker goes on writing
  EXPECT_EQ(mapping->data()[0], std::byte{7});
}

TEST(Memory, SealedForSizeLetsThePeerMapItAndNothingElse) {
  const SharedMemory m = make();
  ASSERT_TRUE(seal(m.fd, Seal::size));
  EXPECT_TRUE(mapped_writable(m.fd.get()));
  EXPECT_LT(::ftruncate(m.fd.get(), 0), 0);
  ASSERT_TRUE(seal(m.fd, Seal::everything));
  EXPECT_FALSE(mapped_writable(m.fd.get()));
}

TEST(Memory, SealingForEverythingFailsWhenAPeerForbadeSeals) {
  const SharedMemory m = make();
  ASSERT_TRUE(seal(m.fd, Seal::size));
  ASSERT_EQ(::fcntl(m.fd.get(), F_ADD_SEALS, F_SEAL_SEAL), 0);
  EXPECT_EQ(seal(m.fd, Seal::everything).status(), SHMRING_SYSTEM);
}

TEST(Memory, IsRefusedWhenItCouldShrinkUnderTheReader) {
  const SharedMemory m = make();
  EXPECT_EQ(map_read_only(m.fd, kSize, true).status(), SHMRING_PROTOCOL);
  ASSERT_EQ(::fcntl(m.fd.get(), F_ADD_SEALS, F_SEAL_SHRINK), 0);
  EXPECT_EQ(map_read_only(m.fd, kSize, true).status(), SHMRING_PROTOCOL);
  EXPECT_EQ(map_read_write(m.fd, kSize).status(), SHMRING_PROTOCOL);
}

TEST(Memory, IsRefusedWhenOthersCouldStillGetItWritable) {
  const SharedMemory m = make();
  ASSERT_TRUE(seal(m.fd, Seal::size));
  EXPECT_EQ(map_read_only(m.fd, kSize, true).status(), SHMRING_PROTOCOL);
  EXPECT_TRUE(map_read_only(m.fd, kSize, false));
}

TEST(Memory, IsRefusedWhenItsSizeIsNotAsAnnounced) {
  const SharedMemory m = make();
  ASSERT_TRUE(seal(m.fd, Seal::everything));
  const auto refused = map_read_only(m.fd, 2 * kSize, true);
  EXPECT_EQ(refused.status(), SHMRING_PROTOCOL);
  EXPECT_NE(refused.error().text.find("65536 bytes instead of 131072"), std::string::npos) << refused.error().text;
}

TEST(Memory, IsRefusedWhenItIsNoMemory) {
  const Fd event(::eventfd(0, EFD_CLOEXEC)), file(::open("/proc/self/exe", O_RDONLY | O_CLOEXEC));
  EXPECT_FALSE(map_read_only(event, 0, false));
  struct stat st;
  ASSERT_EQ(::fstat(file.get(), &st), 0);
  EXPECT_FALSE(map_read_only(file, static_cast<std::uint64_t>(st.st_size), false));
  EXPECT_FALSE(map_read_only(Fd(), kSize, false));
}

// A reader would pay for every page that the publisher never made: gigabytes of holes could have it killed for lack of
// memory.
TEST(Memory, IsRefusedWhenItIsFullOfHoles) {
  const Fd fd(::memfd_create("holes", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  ASSERT_EQ(::ftruncate(fd.get(), kSize), 0);
  ASSERT_TRUE(seal(fd, Seal::everything));
  EXPECT_EQ(map_read_only(fd, kSize, true).status(), SHMRING_PROTOCOL);
}

TEST(Memory, StaysOutOfCoreDumps) {
  const SharedMemory m = make();
  const std::string flags = [&] {
    std::string text, line;
    FILE* maps = std::fopen("/proc/self/smaps", "r");
    char buffer[512], start[32];
    std::snprintf(start, sizeof start, "%lx-", reinterpret_cast<unsigned long>(m.mapping.data()));
    bool ours = false;
    while (std::fgets(buffer, sizeof buffer, maps)) {
      if (std::strncmp(buffer, start, std::strlen(start)) == 0) ours = true;
      if (ours && std::strncmp(buffer, "VmFlags:", 8) == 0) {
        text = buffer;
        break;
      }
    }
    std::fclose(maps);
    return text;
  }();
  EXPECT_NE(flags.find(" dd"), std::string::npos) << flags;
}

TEST(Memory, KeptFromChildrenIsNotThereInAChild) {
  SharedMemory m = make();
  m.mapping.keep_from_children();
  auto child = support::ChildProcess::fork([&] {
    unsigned char resident;
    const bool there = ::mincore(m.mapping.data(), 4096, &resident) == 0;
    { const Mapping dropped = std::move(m.mapping); }  // unmaps nothing, whatever may lie there
    return there ? 1 : 0;
  });
  EXPECT_EQ(child.wait()->code, 0);
}

// The following tests run in children: limits are for good.
int with_file_limit(std::uint64_t limit, std::uint64_t size) {
  const rlimit l{limit, limit};
  ::setrlimit(RLIMIT_FSIZE, &l);
  const auto made = create_memory("test", size);
  if (made) return 0;
  const std::string& text = made.error().text;
  const bool figures = text.find("8 MiB") != std::string::npos && text.find("1 MiB") != std::string::npos;
  return made.status() == SHMRING_NO_MEMORY && figures ? 42 : 1;
}

TEST(Memory, OverTheFileSizeLimitIsRefusedWithTheFiguresAndNotKilled) {
  auto child = support::ChildProcess::fork([] { return with_file_limit(1 << 20, 8 << 20); });
  const auto ending = child.wait();
  EXPECT_EQ(ending->signal, 0);
  EXPECT_EQ(ending->code, 42);
}

TEST(Memory, MoreThanTheMachineHasIsRefusedWithTheFigures) {
  const auto made = create_memory("test", 1ull << 39);
  ASSERT_EQ(made.status(), SHMRING_NO_MEMORY);
  EXPECT_NE(made.error().text.find("524288 MiB"), std::string::npos) << made.error().text;
}

}  // namespace
}  // namespace shmring
