// SPDX-License-Identifier: LGPL-2.1-or-later
// A reader that reads at random in all the ways that the API allows, and says of each frame whether it may come now.
#include <poll.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <mutex>
#include <thread>

#include "board.hpp"
#include "hand.hpp"
#include "model.hpp"
#include "random.hpp"

namespace chaos {
namespace {

constexpr std::uint64_t kMillisecond = 1'000'000;

class Reading {
 public:
  Reading(Board& board, std::uint32_t number)
      : board_(board),
        me_(board.reader[number]),
        name_(reader_name(number)),
        path_(board.path(me_.plan.path)),
        random_(me_.plan.seed),
        hand_(board, name_) {}

  int run() {
    if (me_.plan.one_cpu) stay_on_one_cpu();
    me_.pid = static_cast<std::uint32_t>(::getpid());
    open();
    std::thread interrupter([this, r = random_.fork()]() mutable { interrupt(r); });
    for (Order known = Order::go_on; !board_.fault();) {
      const Order order = me_.order;
      if (std::exchange(known, order) != order) ends_ = 0;  // ends from now on
      if (order == Order::leave) {
        ++me_.deaths;
        board_.note(name_, "leaves without closing");
        ::_exit(0);
      }
      if (order == Order::linger) linger();
      if (order == Order::close) break;
      // The first one may be of a ring that it is to leave, the second is not; the end of the last ring is told again.
      if (order == Order::finish && ends_ >= 2) {
        hand_.release_all();
        if (hand_.size() == 0) me_.obeyed = order;
        ::usleep(2000);
        continue;
      }
      act(order != Order::finish);
    }
    stop_ = true;
    interrupter.join();
    if (random_.chance(50)) hand_.release_all();  // else: after the reader
    close();
    board_.note(name_, "closed");
    return board_.fault() ? 1 : 0;
  }

 private:
  void fail(const std::string& text) { board_.fail(name_ + ": " + text); }

  void open() {
    const ReaderPlan& plan = me_.plan;
    shmring_reader_options options = SHMRING_READER_OPTIONS_INIT;
    options.socket_path = path_.c_str();
    options.worker = name_.c_str();
    options.drop_policy = static_cast<shmring_policy>(plan.policy);
    options.wake = static_cast<shmring_wake>(plan.wake);
    options.depth = plan.depth;
    options.max_held = plan.max_held;
    options.max_frame_age = plan.max_frame_age_ms * kMillisecond;
    options.reconnect = plan.reconnect != 0;
    ++me_.opens;
    shmring_reader* opened = nullptr;
    if (shmring_reader_open(&options, &opened) != SHMRING_OK)
      return fail(std::string("opening: ") + shmring_last_error());
    const std::lock_guard lock(mutex_);
    reader_ = opened;
    last_ = {};
    figures_ = {};
    interrupted_ = false;
    unseen_ = 0;
    ends_ = 0;
    board_.note(name_, "opened");
  }

  [[noreturn]] void linger() {
    close();
    board_.note(name_, "closed, and lives on");
    for (me_.obeyed = Order::linger;;) ::pause();
  }

  // Frames that it holds stay valid.
  void close() {
    shmring_reader* closing;
    {
      const std::lock_guard lock(mutex_);
      closing = std::exchange(reader_, nullptr);
    }
    shmring_reader_close(closing);
  }

  // So that a read that waits for ever hears of an order, and at random moments.
  void interrupt(Random random) {
    for (Order known = me_.order; !stop_; ::usleep(2000)) {
      const Order order = me_.order;
      const bool ordered = std::exchange(known, order) != order;
      const std::lock_guard lock(mutex_);
      if (!reader_) continue;
      if (random.chance(2)) request_key_frame();
      if (!ordered && !random.chance(1)) continue;
      interrupted_ = true;
      shmring_reader_interrupt(reader_, true);
    }
  }

  void act(bool freely) {
    switch (freely ? random_.below(100) : 10 + random_.below(90)) {
      case 0:
        if (!random_.chance(30)) return;
        close();
        if (random_.chance(50)) hand_.release_all();
        if (random_.chance(50)) ::usleep(random_.below(20'000));
        return open();
      case 1:
      case 2:
        return call("flush", [this](shmring_frame**) { return shmring_reader_flush(reader_), SHMRING_TIMEOUT; });
      case 6:
        return request_key_frame();
      case 3:
      case 4:
      case 5: {
        pollfd p{shmring_reader_fileno(reader_), POLLIN, 0};
        ::poll(&p, 1, static_cast<int>(random_.below(50)));
        return read(false, 0);
      }
      case 10:
      case 11:
      case 12:
      case 13:
      case 14:
      case 15:
        return hand_.verify_one(random_);
      case 20:
      case 21:
      case 22:
      case 23:
      case 24:
      case 25:
      case 26:
      case 27:
        return hand_.release_one(random_);
      default: {
        constexpr std::uint64_t timeouts[] = {0, kMillisecond, 20 * kMillisecond, 200 * kMillisecond,
                                              SHMRING_WAIT_FOREVER};
        return read(random_.chance(25), timeouts[random_.below(5)]);
      }
    }
  }

  // Any thread.
  void request_key_frame() {
    ++me_.key_requests;  // before: it may be killed in the call
    const auto status = shmring_reader_request_key_frame(reader_);
    if (status != SHMRING_OK && status != SHMRING_DISCONNECTED)
      fail(std::string("a request for a key frame: ") + shmring_status_name(status) + " " + shmring_last_error());
  }

  void read(bool latest, std::uint64_t timeout) {
    call(latest ? "latest" : "read", [&](shmring_frame** frame) {
      return latest ? shmring_reader_latest(reader_, timeout, frame) : shmring_reader_read(reader_, timeout, frame);
    });
    if (hand_.size() > keep_) hand_.release_one(random_);
    if (me_.plan.work_us != 0 && random_.chance(50)) ::usleep(random_.below(me_.plan.work_us));
  }

  template <class Body>
  void call(const std::string& what, Body body) {
    std::array<std::uint64_t, kMaxPublishers> newest;
    std::array<std::uint64_t, kMaxPublishers> ends;
    const std::uint32_t publishers = board_.publishers;
    for (std::uint32_t i = 0; i < publishers; ++i) {
      newest[i] = board_.publisher[i].newest;
      ends[i] = board_.publisher[i].ends;
    }
    held_before_ = hand_.size();
    shmring_frame* frame = nullptr;
    me_.in_call = 1;
    const shmring_status status = body(&frame);
    const std::string text = status == SHMRING_OK ? "" : shmring_last_error();
    const shmring_reader_stats before = figures_;
    figures_.struct_size = sizeof figures_;
    if (shmring_reader_stats_get(reader_, &figures_) != SHMRING_OK) fail("stats: no success");
    me_.last_status = status;
    const std::uint32_t publisher = board_.publisher_of(figures_.publisher_pid);
    me_.attached = publisher == kMaxPublishers ? 0 : publisher + 1;
    const Origin origin = frame ? origin_of(frame) : Origin{};
    if (what == "flush") flushed_ = true;
    account(before, frame ? &origin : nullptr);
    me_.in_call = 0;
    if ((status == SHMRING_OK) != (frame != nullptr) || figures_.protocol_violations != 0)
      fail(what + ": " + shmring_status_name(status) + " " + text);
    if (frame) {
      ends_ = 0;
      hand_.take(frame, origin);
      if (board_.fault()) return;
      // One that is interrupted skips no further.
      const bool newer = figures_.drop_policy == SHMRING_LATEST ||
                         (figures_.drop_policy == SHMRING_DROP_OLDEST && what == "latest" && !interrupted());
      judge(what, origin, newer && origin.publisher < publishers ? newest[origin.publisher] : 0);
    } else {
      judge_refusal(what, status, text, before, publisher, publisher < publishers ? ends[publisher] : 0);
    }
  }

  // May this frame come now? `newest`: one that it must not be older than.
  void judge(const std::string& what, const Origin& origin, std::uint64_t newest) {
    flushed_ = false;
    const std::string frame = what + ": frame " + std::to_string(origin.sequence) + " of " +
                              publisher_name(origin.publisher) + " (ring " + std::to_string(origin.ring) + ")";
    if (origin.publisher >= board_.publishers || board_.publisher[origin.publisher].plan.path != me_.plan.path)
      return fail(frame + " is not of this path");
    const PublisherSlot& publisher = board_.publisher[origin.publisher];
    if (origin.sequence > publisher.begun) fail(frame + " was not even begun");
    Last& last = last_[origin.publisher];
    if (origin.sequence <= last.sequence)
      fail(frame + " comes after frame " + std::to_string(last.sequence) + ": twice, or older");
    if (origin.ring < last.ring) fail(frame + " comes after one of ring " + std::to_string(last.ring));
    if (origin.publisher < newest_publisher_) fail(frame + " comes after one of " + publisher_name(newest_publisher_));
    newest_publisher_ = origin.publisher;
    if (ring_of(newest) == origin.ring && sequence_of(newest) > origin.sequence)
      fail(frame + " is older than frame " + std::to_string(sequence_of(newest)) +
           ", which was published before the call; the policy gives the newest");
    last = {origin.ring, origin.sequence, last.ring == origin.ring};
  }

  void judge_refusal(const std::string& what, shmring_status status, const std::string& text,
                     const shmring_reader_stats& before, std::uint32_t publisher, std::uint64_t ends) {
    const auto wrong = [&](const std::string& why) {
      fail(what + ": " + shmring_status_name(status) + ": " + why + " " + text);
    };
    switch (status) {
      case SHMRING_TIMEOUT:
        return;
      case SHMRING_INTERRUPTED:
        return resume();
      case SHMRING_IN_USE:  // a predecessor that was killed or whose frames are still held, for a while
      case SHMRING_REFUSED:
        if (status == SHMRING_REFUSED) ++me_.refusals;
        ::usleep(1000);
        return;
      case SHMRING_TOO_MANY_HELD:
        if (held_before_ < figures_.max_held)
          wrong("it held " + std::to_string(held_before_) + " of " + std::to_string(figures_.max_held));
        return hand_.release_one(random_);
      case SHMRING_DISCONNECTED:
        if (me_.plan.reconnect) return wrong("it was told to reconnect");
        if (const auto former = board_.publisher_of(before.publisher_pid);
            former != kMaxPublishers && board_.publisher[former].ending == 0)
          ++me_.from[former].lost;
        close();
        return open();
      case SHMRING_END:
        if (publisher != kMaxPublishers) judge_end(publisher, ends);
        ::usleep(500);
        return;
      default:
        return wrong("not expected");
    }
  }

  bool interrupted() {
    const std::lock_guard lock(mutex_);
    return interrupted_;
  }
  void resume() {
    const std::lock_guard lock(mutex_);
    if (!std::exchange(interrupted_, false)) fail("interrupted without a call");
    shmring_reader_interrupt(reader_, false);
  }

  // `ends`: how often the stream had been ended before the call.
  void judge_end(std::uint32_t number, std::uint64_t ends) {
    const PublisherSlot& publisher = board_.publisher[number];
    const std::uint64_t mark = publisher.end_mark;
    if (publisher.ends == 0) return fail("the end came, but " + publisher_name(number) + " never ended its stream");
    // It may be told late of an end before the ring was changed, and of one that is over, while the next frame evicts the last one.
    const Last& last = last_[number];
    if (ends == publisher.ends && mark == publisher.end_mark && publisher.begun == sequence_of(mark) &&
        figures_.drop_policy != SHMRING_DROP_NEWEST && !flushed_ && me_.plan.max_frame_age_ms == 0 &&
        last.ring == ring_of(mark) && last.sequence < sequence_of(mark))
      fail("the end came before frame " + std::to_string(sequence_of(mark)) + " of " + publisher_name(number) +
           ", the last one taken is " + std::to_string(last.sequence) + "; it holds " + std::to_string(figures_.held) +
           " of " + std::to_string(figures_.max_held) + ", policy " + std::to_string(figures_.drop_policy) +
           ", depth " + std::to_string(figures_.depth) + ", taken unseen " + std::to_string(unseen_));
    ++me_.from[number].ends;
    ++ends_;
  }

  // Whose were the frames that the call took, seen or unseen?
  void account(const shmring_reader_stats& before, const Origin* origin) {
    const std::uint64_t taken = figures_.taken - before.taken;
    if (origin && taken == 0) return fail("a frame was taken, and the reader's own figures do not count it");
    const std::uint32_t then = before.publisher_pid, now = figures_.publisher_pid;
    const std::uint64_t attached = figures_.attachments - before.attachments;
    std::uint32_t whose = kMaxPublishers;
    if (origin && taken == 1)
      whose = origin->publisher;
    else if (now != 0 && attached == 0 && (then == now || then == 0))  // 0: on its way to its publisher's next ring
      whose = board_.publisher_of(now);
    else if (now != 0 && then == 0 && before.attachments == 0 && attached == 1)
      whose = board_.publisher_of(now);
    else if (now == 0 && then != 0 && attached == 0)
      whose = board_.publisher_of(then);
    if (whose < kMaxPublishers)
      me_.from[whose].taken += taken;
    else if (taken != 0)
      for (Received& each : me_.from) each.blurred = 1;
    if (!origin) {
      unseen_ += taken;
      return;
    }
    if (origin->publisher >= kMaxPublishers) return;  // judge() says so
    const Last& last = last_[origin->publisher];
    if (last.ring == origin->ring && origin->sequence > last.sequence) {
      const std::uint64_t between = origin->sequence - last.sequence - 1, skipped = unseen_ + taken - 1;
      // Behind the frame that latest() shows may be one that it took and found too old.
      if (skipped > between && me_.plan.max_frame_age_ms == 0)
        return fail("between frame " + std::to_string(last.sequence) + " and frame " +
                    std::to_string(origin->sequence) + " it took " + std::to_string(skipped) +
                    " frames, which are more than there are");
      // Behind its first frame of a ring, which was kept for it, are numbers that were given before it came.
      if (last.follows) me_.from[origin->publisher].missed += static_cast<std::int64_t>(between - skipped);
    }
    unseen_ = 0;
  }

  struct Last {
    std::uint32_t ring = 0;
    std::uint64_t sequence = 0;
    bool follows = false;  // another one of this ring
  };

  Board& board_;
  ReaderSlot& me_;
  const std::string name_, path_;
  Random random_;
  Hand hand_;
  const std::size_t keep_ = random_.below(5);
  std::atomic<bool> stop_{false};
  std::mutex mutex_;  // guards interrupted_, and reader_ where it is changed and where another thread uses it
  bool interrupted_ = false;
  shmring_reader* reader_ = nullptr;
  std::array<Last, kMaxPublishers> last_{};  // by this handle
  std::uint32_t newest_publisher_ = 0;
  shmring_reader_stats figures_ = SHMRING_READER_STATS_INIT;
  std::size_t held_before_ = 0;  // the call
  std::uint64_t unseen_ = 0;     // taken since the last frame that was shown
  std::uint32_t ends_ = 0;       // the last thing that came was the end
  bool flushed_ = false;         // what was taken last was not shown
};

}  // namespace

int run_reader(Board& board, std::uint32_t number) { return Reading(board, number).run(); }

}  // namespace chaos
