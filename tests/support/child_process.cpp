// SPDX-License-Identifier: LGPL-2.1-or-later
// Starting and ending real processes.
#include "child_process.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <stdexcept>
#include <system_error>

#include "watchdog.hpp"

namespace support {
namespace {

[[noreturn]] void fail(const std::string& what) { throw std::system_error(errno, std::generic_category(), what); }

int output_file() {
  const int file = memfd_create("child-output", MFD_CLOEXEC);
  if (file < 0) fail("memfd_create");
  if (fcntl(file, F_SETFL, O_APPEND) < 0) fail("fcntl");  // standard output and error do not overwrite each other
  return file;
}

// Everything a child does between fork and exec is a system call: other threads may hold any lock.
void begin_child(pid_t parent, int output) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (getppid() != parent) _exit(126);
  dup2(output, STDOUT_FILENO);
  dup2(output, STDERR_FILENO);
  ::signal(SIGPIPE, SIG_DFL);
}

}  // namespace

ChildProcess ChildProcess::spawn(std::vector<std::string> argv, Options options) {
  // A program that was not built with the sanitizer, like gst-launch-1.0, cannot load a plugin that was unless the
  // runtime comes first.
  if (const char* preload = std::getenv("CHILD_LD_PRELOAD"); preload && *preload)
    options.environment.emplace_back("LD_PRELOAD", preload);

  std::vector<std::string> added;
  for (const auto& [name, value] : options.environment) added.push_back(name + "=" + value);
  std::vector<char*> environment;
  for (auto& line : added) environment.push_back(line.data());  // the first of two equal names counts
  for (char** line = environ; *line; ++line) {
    const std::string inherited(*line);
    bool replaced = false;
    for (const auto& [name, value] : options.environment) replaced |= inherited.rfind(name + "=", 0) == 0;
    if (!replaced) environment.push_back(*line);
  }
  environment.push_back(nullptr);
  std::vector<char*> arguments;
  for (auto& argument : argv) arguments.push_back(argument.data());
  arguments.push_back(nullptr);

  int started[2];  // the exec closes it, or writes its error number
  if (pipe2(started, O_CLOEXEC) < 0) fail("pipe2");
  ChildProcess child;
  child.output_ = output_file();
  const pid_t parent = getpid();
  child.pid_ = ::fork();
  if (child.pid_ < 0) fail("fork");
  if (child.pid_ == 0) {
    begin_child(parent, child.output_);
    if (options.folder.empty() || chdir(options.folder.c_str()) == 0)
      execvpe(arguments[0], arguments.data(), environment.data());
    const int error = errno;
    if (write(started[1], &error, sizeof error) < 0) _exit(126);
    _exit(127);
  }
  close(started[1]);
  int error = 0;
  const ssize_t size = read(started[0], &error, sizeof error);
  close(started[0]);
  if (size > 0) {
    errno = error;
    fail("cannot start " + argv[0]);
  }
  return child;
}

ChildProcess ChildProcess::fork(const std::function<int()>& body) {
  ChildProcess child;
  child.output_ = output_file();
  const pid_t parent = getpid();
  child.pid_ = ::fork();
  if (child.pid_ < 0) fail("fork");
  if (child.pid_ == 0) {
    begin_child(parent, child.output_);
    _exit(body());
  }
  return child;
}

ChildProcess::~ChildProcess() {
  if (pid_ > 0) kill();
  if (output_ >= 0) close(output_);
}

void ChildProcess::swap(ChildProcess& other) noexcept {
  std::swap(pid_, other.pid_);
  std::swap(output_, other.output_);
  std::swap(ending_, other.ending_);
}

bool ChildProcess::running() { return !wait(std::chrono::milliseconds(0)).has_value(); }

void ChildProcess::signal(int number) {
  if (pid_ > 0 && !ending_) ::kill(pid_, number);
}

void ChildProcess::kill() {
  signal(SIGKILL);
  wait(std::chrono::hours(1));
}

void ChildProcess::stop() {
  signal(SIGSTOP);
  siginfo_t info = {};
  if (pid_ > 0 && !ending_) waitid(P_PID, static_cast<id_t>(pid_), &info, WSTOPPED | WEXITED | WNOWAIT);
}

void ChildProcess::resume() { signal(SIGCONT); }

void ChildProcess::interrupt() { signal(SIGINT); }

std::optional<Ending> ChildProcess::wait(std::chrono::milliseconds limit) {
  if (pid_ <= 0) return Ending{};
  const auto end = std::chrono::steady_clock::now() + limit * kSlowdown;
  while (!ending_) {
    int status = 0;
    const pid_t ended = waitpid(pid_, &status, WNOHANG);
    if (ended == pid_) {
      ending_ = WIFSIGNALED(status) ? Ending{-1, WTERMSIG(status)} : Ending{WEXITSTATUS(status), 0};
    } else if (ended < 0 && errno != EINTR) {
      fail("waitpid");
    } else if (std::chrono::steady_clock::now() >= end) {
      return std::nullopt;
    } else {
      std::this_thread::sleep_for(std::chrono::milliseconds(2));
    }
  }
  return ending_;
}

std::string ChildProcess::output() const {
  std::string text;
  char part[4096];
  for (ssize_t size; output_ >= 0 && (size = pread(output_, part, sizeof part, static_cast<off_t>(text.size()))) > 0;)
    text.append(part, static_cast<std::size_t>(size));
  return text;
}

bool ChildProcess::says(const std::string& text, std::chrono::milliseconds limit) {
  const auto heard = [&] { return output().find(text) != std::string::npos; };
  eventually([&] { return heard() || !running(); }, limit);
  return heard();
}

Orphan::Orphan(const std::function<void(void (*leave_child)())>& parent) {
  auto dies = ChildProcess::fork([&] {
    parent([] {
      const pid_t child = ::fork();
      if (child == 0) {
        ::sleep(60);  // should the test not end it
        ::_exit(0);
      }
      std::printf("child %d\n", child);
      std::fflush(stdout);
      ::pause();
    });
    return 1;
  });
  if (!dies.says("\n")) throw std::runtime_error("no child was left: " + dies.output());
  pid_ = std::stoi(dies.output().substr(6));
  dies.kill();
}

Orphan::~Orphan() { ::kill(pid_, SIGKILL); }

}  // namespace support
