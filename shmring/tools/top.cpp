// SPDX-License-Identifier: LGPL-2.1-or-later
#include "top.hpp"

#include <poll.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <string_view>

#include <fmt/format.h>

#include "interrupt.hpp"

namespace shmring::tools {
namespace {

// The terminal, while one of these lives: a screen of its own, and keys that come one by one.
class Screen {
 public:
  Screen() : on_(isatty(STDOUT_FILENO) == 1) {
    enter();
    struct sigaction stop = {};
    stop.sa_handler = [](int) { stop_asked_ = 1; };
    if (on_) sigaction(SIGTSTP, &stop, &stop_before_);
  }
  ~Screen() {
    if (on_) sigaction(SIGTSTP, &stop_before_, nullptr);
    leave();
  }
  Screen(const Screen&) = delete;
  Screen& operator=(const Screen&) = delete;

  // False: the output is closed.
  bool show(const std::string& page) const {
    if (on_)
      fmt::print("\033[H\033[2J{}", cut(page));
    else
      fmt::print("{}\n", page);
    return std::fflush(stdout) == 0;
  }
  // A key, or 0 when the time is over or a signal came.
  char key(double seconds) {
    pollfd input{keys_ ? STDIN_FILENO : -1, POLLIN, 0};
    char key = 0;
    if (poll(&input, 1, static_cast<int>(seconds * 1000)) == 1 && read(STDIN_FILENO, &key, 1) != 1) return 'q';
    if (stop_asked_) {  // Ctrl-Z: the shell gets its terminal as it was
      stop_asked_ = 0;
      leave();
      raise(SIGSTOP);
      enter();
    }
    return key;
  }
  bool has_keys() const { return keys_; }

 private:
  void enter() {
    keys_ = on_ && tcgetattr(STDIN_FILENO, &before_) == 0;
    if (keys_) {
      termios raw = before_;
      raw.c_lflag &= ~static_cast<tcflag_t>(ICANON | ECHO);
      tcsetattr(STDIN_FILENO, TCSANOW, &raw);
    }
    if (on_) fmt::print("\033[?1049h\033[?25l");
  }
  void leave() const {
    if (on_) fmt::print("\033[?25h\033[?1049l");
    std::fflush(stdout);
    if (keys_) tcsetattr(STDIN_FILENO, TCSANOW, &before_);
  }

  // What fits: a longer page would scroll its head away.
  static std::string cut(const std::string& page) {
    winsize size{};
    if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col == 0 || size.ws_row == 0) return page;
    std::string text;
    std::size_t begin = 0;
    for (int line = 1; line < size.ws_row && begin < page.size(); ++line) {
      const std::size_t end = std::min(page.find('\n', begin), page.size());
      text += fmt::format("{:.{}}\n", std::string_view(page).substr(begin, end - begin), size.ws_col);
      begin = end + 1;
    }
    return text;
  }

  static inline volatile sig_atomic_t stop_asked_ = 0;
  const bool on_;
  struct sigaction stop_before_ = {};
  termios before_{};
  bool keys_ = false;
};

}  // namespace

bool top(const std::string& path, double interval, std::uint64_t count, Order order) {
  Rings rings(path);
  Sorting sorting{order};
  std::vector<Look> before, now = rings.look();
  if (now.empty() && rings.silent().empty()) return false;
  const auto page = [&] {
    std::string text = top_page(before, now, sorting);
    for (const std::string& sentence : rings.silent()) text += '\n' + sentence + '\n';
    return text;
  };
  const Interrupt interrupt;
  Screen screen;
  std::uint64_t due = shmring_now();
  const auto step = static_cast<std::uint64_t>(interval * 1e9);
  for (std::uint64_t shown = 0; count == 0 || shown < count;) {
    due = std::max(due + step, shmring_now());
    // A look may take longer than the interval; a key is heard nevertheless.
    for (bool over = false; !over && !interrupt.asked();) {
      const std::uint64_t at = shmring_now();
      over = at >= due;
      const char key = screen.key(over ? 0 : static_cast<double>(due - at) / 1e9 + 0.001);
      if (key == 'q') return true;
      if (key == 0) continue;
      if (key == 'r') sorting.reverse = !sorting.reverse;
      for (const auto& [letter, by] :
           {std::pair{'n', Order::name}, {'f', Order::rate}, {'d', Order::drops}, {'a', Order::age}})
        if (key == letter) sorting = {by, false};
      if (!before.empty()) screen.show(page());
    }
    if (interrupt.asked()) return true;
    before = std::exchange(now, rings.look());
    if (!screen.show(page() +
                     (screen.has_keys() ? "\nsort by n name, f rate, d drops, a age; r reverse; q quit\n" : "")))
      return true;
    ++shown;
  }
  return true;
}

}  // namespace shmring::tools
