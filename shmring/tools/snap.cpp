// SPDX-License-Identifier: LGPL-2.1-or-later
#include "snap.hpp"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <optional>
#include <stdexcept>
#include <system_error>
#include <thread>
#include <vector>

#include <fmt/format.h>

#include <shmring/shmring.hpp>

#include "interrupt.hpp"

namespace shmring::tools {
namespace {

namespace fs = std::filesystem;

// A file beside the one that is wanted, which takes its place when it is whole.
class NewFile {
 public:
  explicit NewFile(const std::string& path) : path_(path), draft_(path + "." + std::to_string(getpid())) {
    descriptor_ = open(draft_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (descriptor_ < 0) throw std::system_error(errno, std::generic_category(), path_);
  }
  ~NewFile() {
    close(descriptor_);
    if (!draft_.empty()) unlink(draft_.c_str());
  }
  NewFile(const NewFile&) = delete;
  NewFile& operator=(const NewFile&) = delete;

  int descriptor() const { return descriptor_; }
  void write(const void* data, std::size_t size) const {
    const auto* at = static_cast<const char*>(data);
    while (size > 0) {
      const ssize_t written = ::write(descriptor_, at, size);
      if (written < 0 && errno == EINTR) continue;
      if (written < 0) throw std::system_error(errno, std::generic_category(), path_);
      at += written;
      size -= static_cast<std::size_t>(written);
    }
  }
  void keep() {
    std::error_code failed;
    fs::rename(draft_, path_, failed);
    if (failed) throw std::system_error(failed, path_);
    draft_.clear();
  }

 private:
  std::string path_, draft_;
  int descriptor_;
};

// Of the rows of an array with any strides, in the order of C.
void write_array(const NewFile& file, const std::byte* at, const shmring_array& array, std::uint32_t dimension) {
  std::int64_t packed = array.item_size;
  bool whole = true;  // what follows lies without gaps
  for (std::uint32_t i = array.dimensions; i-- > dimension;) {
    whole = whole && array.strides[i] == packed;
    packed *= array.shape[i];
  }
  if (whole) return file.write(at, static_cast<std::size_t>(packed));
  if (dimension == array.dimensions) return file.write(at, array.item_size);
  for (std::int64_t i = 0; i < array.shape[dimension]; ++i)
    write_array(file, at + i * array.strides[dimension], array, dimension + 1);
}

enum class Form { none, array, png, jpeg };

Form form_of(const std::string& file) {
  const std::string ending = fs::path(file).extension().string();
  if (ending == ".npy") return Form::array;
  if (ending == ".png") return Form::png;
  return ending == ".jpg" || ending == ".jpeg" ? Form::jpeg : Form::none;
}

std::string name_of_reader() { return "snap-" + std::to_string(getpid()); }

// The end of the wait for a frame.
class Patience {
 public:
  explicit Patience(double seconds)
      : seconds_(seconds), end_(shmring_now() + static_cast<std::uint64_t>(seconds * 1e9)) {}
  // Throws when the wait is over.
  void check() const {
    if (interrupt_.asked()) throw std::runtime_error("interrupted before a frame came");
    if (shmring_now() > end_) throw std::runtime_error(fmt::format("no frame came within {:g} s", seconds_));
  }

 private:
  const Interrupt interrupt_;
  const double seconds_;
  const std::uint64_t end_;
};

void snap_array(const std::string& path, NewFile& file, const Patience& patience) {
  Reader reader({.socket_path = path, .worker = name_of_reader(), .drop_policy = SHMRING_LATEST, .reconnect = false});
  std::optional<Frame> frame;
  while (!(frame = reader.latest(std::chrono::milliseconds(50)))) patience.check();
  const shmring_array array = frame->array();
  const std::string header = npy_header(array);
  file.write(header.data(), header.size());
  write_array(file, frame->data() + array.offset, array, 0);
}

// gst-launch-1.0 is the converter that there is for every format.
void snap_picture(const std::string& path, const NewFile& file, const char* encoder, const Patience& patience) {
  const std::string place = "socket-path=" + path, worker = "worker=" + name_of_reader();
  const std::vector<const char*> words = {"gst-launch-1.0",
                                          "-q",
                                          "shmringsrc",
                                          place.c_str(),
                                          worker.c_str(),
                                          "drop-policy=latest",
                                          "on-disconnect=error",
                                          "num-buffers=1",
                                          "!",
                                          "decodebin",
                                          "!",
                                          "videoconvert",
                                          "!",
                                          encoder,
                                          "!",
                                          "fdsink",
                                          "fd=1",
                                          nullptr};
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, file.descriptor(), STDOUT_FILENO);
  pid_t child = 0;
  const int failed = posix_spawnp(&child, words[0], &actions, nullptr, const_cast<char* const*>(words.data()), environ);
  posix_spawn_file_actions_destroy(&actions);
  const std::runtime_error not_run(
      "gst-launch-1.0, which makes the picture, cannot be run; install gstreamer1.0-tools, or write a .npy file");
  if (failed != 0) throw not_run;
  int status = 0;
  try {
    while (waitpid(child, &status, WNOHANG) == 0) {
      patience.check();
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
  } catch (...) {
    kill(child, SIGKILL);
    waitpid(child, &status, 0);
    throw;
  }
  if (WIFEXITED(status) && WEXITSTATUS(status) == 127) throw not_run;  // by POSIX it may be told so as well
  if (!WIFEXITED(status) || WEXITSTATUS(status) != 0 || lseek(file.descriptor(), 0, SEEK_CUR) == 0)
    throw std::runtime_error("gst-launch-1.0 made no picture of the frame");
}

}  // namespace

std::string npy_header(const shmring_array& array) {
  std::string shape;
  for (std::uint32_t i = 0; i < array.dimensions; ++i) shape += fmt::format("{}, ", array.shape[i]);
  const char order = array.item_size == 1 ? '|' : array.big_endian ? '>' : '<';
  std::string text = fmt::format("{{'descr': '{}{}{}', 'fortran_order': False, 'shape': ({}), }}", order,
                                 static_cast<char>(array.kind), array.item_size, shape);
  // The data begins at a multiple of 64 bytes.
  text.resize((text.size() + 1 + 10 + 63) / 64 * 64 - 10 - 1, ' ');
  text += '\n';
  const auto size = static_cast<unsigned>(text.size());
  return std::string("\x93NUMPY\x01\x00", 8) + static_cast<char>(size & 0xff) + static_cast<char>(size >> 8) + text;
}

std::string wrong_ending(const std::string& file) {
  return form_of(file) == Form::none ? file + " ends with none of .png, .jpg and .npy" : "";
}

void snap(const std::string& path, const std::string& file, double timeout) {
  inspect(path);  // a reader would wait for the publisher
  const Patience patience(timeout);
  NewFile made(file);
  if (form_of(file) == Form::array)
    snap_array(path, made, patience);
  else
    snap_picture(path, made, form_of(file) == Form::png ? "pngenc" : "jpegenc", patience);
  made.keep();
}

}  // namespace shmring::tools
