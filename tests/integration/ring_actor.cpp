// SPDX-License-Identifier: LGPL-2.1-or-later
// A publisher or a reader as a process of its own, for tests that stop, kill and restart it. Every frame is checked to
// its last byte.
//
//   ring_actor publish PATH [key=value…]   frames (0 = for ever), period_us, size, resize_every, end, and the options
//   of a publisher ring_actor read PATH [key=value…]      frames, work_us, keep (frames held at once), and the options
//   of a reader
//
// A reader says "attached" each time a publisher is there and "taken N" at its end. Ends with 0, or says what is wrong
// and ends with 1.
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <deque>
#include <map>
#include <string>

#include "os/socket.hpp"
#include "ring_pattern.hpp"

namespace {

using shmring::Frame;
using shmring::Publisher;
using shmring::PublisherOptions;
using shmring::Reader;
using shmring::ReaderOptions;

class Arguments {
 public:
  Arguments(int argc, char** argv) {
    for (int i = 3; i < argc; ++i) {
      const std::string word = argv[i];
      const auto at = word.find('=');
      values_[word.substr(0, at)] = at == std::string::npos ? "1" : word.substr(at + 1);
    }
  }
  std::uint64_t number(const std::string& key, std::uint64_t otherwise) const {
    const auto found = values_.find(key);
    return found == values_.end() ? otherwise : std::stoull(found->second);
  }
  std::uint32_t small(const std::string& key, std::uint32_t otherwise) const {
    return static_cast<std::uint32_t>(number(key, otherwise));
  }
  std::string text(const std::string& key, const std::string& otherwise = {}) const {
    const auto found = values_.find(key);
    return found == values_.end() ? otherwise : found->second;
  }

 private:
  std::map<std::string, std::string> values_;
};

[[noreturn]] void fail(const std::string& why) {
  std::printf("FAULT %s\n", why.c_str());
  std::fflush(stdout);
  std::_Exit(1);
}

void say(const std::string& line) {
  std::puts(line.c_str());
  std::fflush(stdout);
}

volatile std::sig_atomic_t asked_to_end = 0;

int publish(const std::string& path, const Arguments& a) {
  std::signal(SIGTERM, [](int) { asked_to_end = 1; });
  shmring::force_descriptors_from_anybody(a.number("old_kernel", 0) != 0);
  PublisherOptions o;
  o.socket_path = path;
  o.slot_size = a.number("size", 4096);
  o.slots = a.small("slots", o.slots);
  o.loans = a.small("loans", o.loans);
  o.max_readers = a.small("max_readers", 16);
  o.depth = a.small("depth", o.depth);
  o.max_held = a.small("max_held", o.max_held);
  auto opened = Publisher::open(o);
  if (!opened) fail(opened.error().text);
  Publisher& publisher = **opened;
  say("publishing");
  const std::uint64_t frames = a.number("frames", 0), resize_every = a.number("resize_every", 0);
  for (std::uint64_t n = 1; !asked_to_end && (frames == 0 || n <= frames); ++n) {
    if (resize_every != 0 && n % resize_every == 0)
      if (const auto done = publisher.resize(o.slot_size + n % 2 * 8192); !done) fail(done.error().text);
    const auto status = ring_pattern::publish(publisher, n, o.slot_size);
    if (status != SHMRING_OK && status != SHMRING_FULL) fail("publish: status " + std::to_string(status));
    if (const auto pause = a.small("period_us", 2000)) ::usleep(pause);
  }
  if (a.number("end", 0)) publisher.end();
  say("published");
  const auto linger = a.small("linger_ms", 0);
  ::usleep(linger * 1000);
  return 0;
}

int read(const std::string& path, const Arguments& a) {
  ReaderOptions o;
  o.socket_path = path;
  o.worker = a.text("name", "reader");
  o.drop_policy = static_cast<shmring_policy>(a.small("policy", SHMRING_POLICY_DEFAULT));
  o.wake = static_cast<shmring_wake>(a.small("wake", SHMRING_WAKE_BLOCK));
  o.depth = a.small("depth", 0);
  o.max_held = a.small("max_held", 0);
  o.reconnect = a.number("reconnect", 1) != 0;
  auto opened = Reader::open(o);
  if (!opened) fail(opened.error().text);
  Reader& reader = **opened;
  const std::uint64_t frames = a.number("frames", 0), size = a.number("size", 4096);
  const std::size_t keep = a.small("keep", 1);
  const auto work = a.small("work_us", 0);
  std::deque<Frame> kept;
  std::uint64_t taken = 0, last = 0, attachments = 0;
  while (frames == 0 || taken < frames) {
    auto frame = reader.read(SHMRING_WAIT_FOREVER);
    if (const auto now = reader.stats().attachments; now != attachments) {
      attachments = now;
      last = 0;  // numbers are a publisher's own
      say("attached");
    }
    if (frame.status() == SHMRING_END) break;
    if (!frame) fail("read: " + std::to_string(frame.status()) + " " + frame.error().text);
    if (frame->info().sequence <= last)
      fail("frame " + std::to_string(frame->info().sequence) + " after " + std::to_string(last));
    last = frame->info().sequence;
    ++taken;
    kept.push_back(*std::move(frame));
    if (work) ::usleep(work);
    // Checked when it is let go, and once more before: it must not change in between.
    if (const auto fault = ring_pattern::fault(kept.back(), size)) fail(*fault);
    if (kept.size() >= keep) {
      if (const auto fault = ring_pattern::fault(kept.front(), size)) fail(*fault);
      kept.pop_front();
    }
  }
  for (const Frame& frame : kept)
    if (const auto fault = ring_pattern::fault(frame, size)) fail(*fault);
  say("taken " + std::to_string(taken));
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 3) return 2;
  const Arguments arguments(argc, argv);
  return std::string(argv[1]) == "publish" ? publish(argv[2], arguments) : read(argv[2], arguments);
}
