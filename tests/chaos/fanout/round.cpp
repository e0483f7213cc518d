// SPDX-License-Identifier: LGPL-2.1-or-later
// The threads of a round, and what must be so when they have ended.
#include "round.hpp"

#include <chrono>
#include <functional>
#include <thread>

#include "watchdog.hpp"

namespace fanout_chaos {

using supplier::adopt;
using supplier::share;
using namespace std::chrono_literals;

namespace {

void rest(std::mt19937_64& random, unsigned most) {
  std::this_thread::sleep_for(std::chrono::microseconds(random() % most));
}

}  // namespace

Round::Round(std::uint64_t seed) : seed_(seed) {
  element_ = adopt(GST_ELEMENT(gst_object_ref_sink(gst_element_factory_make("latestframe", "fan"))));
  bus_ = adopt(gst_bus_new());
  gst_element_set_bus(element_.get(), bus_.get());
  // Messages have references to pads.
  gst_bus_set_sync_handler(
      bus_.get(),
      [](GstBus*, GstMessage* message, gpointer) {
        gst_message_unref(message);
        return GST_BUS_DROP;
      },
      nullptr, nullptr);
  source_ = adopt(GST_PAD(gst_object_ref_sink(gst_pad_new("source", GST_PAD_SRC))));
  gst_pad_set_event_function(source_.get(), [](GstPad*, GstObject*, GstEvent* event) -> gboolean {
    gst_event_unref(event);
    return TRUE;
  });
  gst_pad_set_query_function(source_.get(), answer_with_any_caps);
  gst_pad_link(source_.get(), adopt(gst_element_get_static_pad(element_.get(), "sink")).get());
  gst_pad_set_active(source_.get(), TRUE);
  gst_element_set_state(element_.get(), GST_STATE_PLAYING);
}

Round::~Round() {
  gst_element_set_state(element_.get(), GST_STATE_NULL);
  staying_.clear();
  gst_pad_set_active(source_.get(), FALSE);
  gst_bus_set_flushing(bus_.get(), TRUE);
}

void Round::prepare() {
  if (std::exchange(begin_, false)) {
    gst_pad_push_event(source_.get(), gst_event_new_stream_start(stream_name(++streams_).c_str()));
    gst_pad_push_event(source_.get(), gst_event_new_caps(caps_number(caps_).get()));
    segment_ = true;
  }
  if (std::exchange(segment_, false)) {
    GstSegment segment;
    gst_segment_init(&segment, GST_FORMAT_TIME);
    gst_pad_push_event(source_.get(), gst_event_new_segment(&segment));
  }
}

GstBuffer* Round::frame() {
  GstBuffer* buffer = gst_buffer_new_allocate(nullptr, 16, nullptr);
  Mark{++number_, caps_, generation_}.put_on(buffer);
  return buffer;
}

void Round::frames(Random& random) {
  {
    std::lock_guard hold(stream_);
    prepare();
    const auto what = random() % 100;
    if (what < 70) {
      gst_pad_push(source_.get(), frame());
    } else if (what < 78) {
      GstBufferList* list = gst_buffer_list_new();
      for (int i = 0; i < kFramesOfAList; ++i) gst_buffer_list_add(list, frame());
      gst_pad_push_list(source_.get(), list);
    } else if (what < 84) {
      gst_pad_push_event(source_.get(), gst_event_new_caps(caps_number(++caps_).get()));
    } else if (what < 87) {
      segment_ = true;
    } else if (what < 90) {
      gst_pad_push_event(source_.get(), gst_event_new_gap(number_ * GST_MSECOND, GST_MSECOND));
    } else if (what < 93) {
      gst_pad_push_event(source_.get(),
                         gst_event_new_custom(GST_EVENT_CUSTOM_DOWNSTREAM, gst_structure_new_empty("test")));
    } else if (what < 95) {
      gst_pad_push_event(source_.get(),
                         gst_event_new_custom(GST_EVENT_CUSTOM_DOWNSTREAM_OOB, gst_structure_new_empty("test")));
    } else if (what < 98) {
      gst_pad_push_event(source_.get(), gst_event_new_tag(gst_tag_list_new(GST_TAG_TITLE, "title", nullptr)));
    } else {
      gst_pad_push_event(source_.get(), gst_event_new_eos());
      begin_ = true;
    }
  }
  if (random() % 3 == 0) rest(random, 300);
}

// As a source does it for a seek: frames that are on their way come back, and the next segment follows the end of the flush.
void Round::flush(Random& random) {
  rest(random, 20000);
  GstEvent* begins = gst_event_new_flush_start();
  GstEvent* ends = gst_event_new_flush_stop(TRUE);
  {
    std::unique_lock hold(stream_, std::defer_lock);
    if (random() % 2) hold.lock();  // or in the middle of a push
    const unsigned restarts = restarts_;
    gst_pad_push_event(source_.get(), begins);
    if (random() % 2) rest(random, 500);
    if (states_ && random() % 4 == 0 && turn_.try_lock()) {
      restart(random, hold);
      turn_.unlock();
    }
    if (!hold.owns_lock()) hold.lock();
    // An element that was restarted in between was not told of this flush, and may have had frames since.
    if (restarts_ == restarts) gst_event_set_seqnum(ends, kFlushSeqnums + ++generation_);
    gst_pad_push_event(source_.get(), ends);
    segment_ = true;
  }
  ++flushes_;
}

void Round::state(Random& random) {
  rest(random, 40000);
  const std::lock_guard turn(turn_);
  if (random() % 3) {
    gst_element_set_state(element_.get(), GST_STATE_PAUSED);
    rest(random, 1000);
    gst_element_set_state(element_.get(), GST_STATE_PLAYING);
    return;
  }
  std::unique_lock hold(stream_, std::defer_lock);
  restart(random, hold);
}

// In the middle of a push, unless the stream is held already; it is afterwards.
void Round::restart(Random& random, std::unique_lock<std::mutex>& hold) {
  fault_.stopped();
  gst_element_set_state(element_.get(), random() % 2 ? GST_STATE_READY : GST_STATE_NULL);
  if (random() % 2) rest(random, 1000);
  if (!hold.owns_lock()) hold.lock();
  // Upstream is restarted too: else it would not know that its events are forgotten.
  gst_pad_set_active(source_.get(), FALSE);
  gst_pad_set_active(source_.get(), TRUE);
  begin_ = true;
  gst_element_set_state(element_.get(), GST_STATE_PLAYING);
  fault_.plays_after(number_);
  ++restarts_;
}

// A serialized query is of the streaming thread too: the pad sends what is due before it, and from two threads at once a frame
// would overtake its caps.
void Round::ask_in_turn(const supplier::Owned<GstQuery>& query) {
  std::lock_guard hold(stream_);
  gst_pad_peer_query(source_.get(), query.get());
}

void Round::ask(Random& random) {
  switch (random() % 6) {
    case 0:
    case 1:
      for (int i = 0; i < 50; ++i) ask_in_turn(adopt(gst_query_new_allocation(caps_number(1).get(), TRUE)));
      break;
    case 2:
      adopt(gst_pad_peer_query_caps(source_.get(), nullptr));
      break;
    case 3:
      gst_pad_peer_query_accept_caps(source_.get(), caps_number(1).get());
      break;
    case 4:
      ask_in_turn(adopt(gst_query_new_drain()));
      break;
    default:
      figure("received");
  }
  rest(random, 200);
}

void Round::branch(Random& random, const std::string& name) {
  auto branch = std::make_unique<Branch>(fault_, name);
  if (!branch->join(element_.get())) return fault_.report("a pad was refused");
  ++joined_;
  for (auto acts = random() % 12; acts > 0 && !over_; --acts) {
    rest(random, 4000);
    switch (random() % 8) {
      case 0:
        branch->unlink();
        break;
      case 1:
        branch->link();
        break;
      case 2:
        branch->restart();
        break;
      case 3:
        branch->block();
        break;
      case 4:
        branch->unblock();
        break;
      case 5:
        branch->set_pause(random() % 4 ? static_cast<unsigned>(random() % 2000) : 0);
        break;
      default:
        branch->ask_upstream(random());
    }
    if (const auto wrong = branch->balance(); !wrong.empty()) fault_.report(wrong);
  }
}

std::string Round::run(double seconds) {
  Random random(seed_);
  states_ = random() % 2;
  for (int i = 0; i < 3; ++i) {
    staying_.push_back(std::make_unique<Branch>(fault_, "staying-" + std::to_string(i)));
    if (!staying_.back()->join(element_.get())) return "a pad was refused";
    staying_.back()->set_pause(500 * static_cast<unsigned>(i));
  }
  std::vector<std::thread> threads;
  const auto keep = [&](std::function<void(Random&)> work) {
    threads.emplace_back([this, work = std::move(work), own = Random(random())]() mutable {
      while (!over_ && !fault_.seen()) work(own);
    });
  };
  keep([this](Random& own) { frames(own); });
  if (random() % 4) keep([this](Random& own) { flush(own); });
  if (states_) keep([this](Random& own) { state(own); });
  keep([this](Random& own) { ask(own); });
  for (int i = 0; i < 3; ++i) keep([this, name = "guest-" + std::to_string(i)](Random& own) { branch(own, name); });
  keep([this](Random& own) {
    rest(own, 3000);
    staying_[own() % staying_.size()]->ask_upstream(own());
  });
  const auto end = std::chrono::steady_clock::now() + std::chrono::duration<double>(seconds);
  while (!fault_.seen() && std::chrono::steady_clock::now() < end) std::this_thread::sleep_for(5ms);
  over_ = true;
  for (auto& thread : threads) thread.join();
  if (!fault_.seen()) finish();
  return fault_.text();
}

// Nothing else goes on: each branch that stayed gets the last frame and the end, once, after a flush again.
void Round::finish() {
  for (const auto& branch : staying_) branch->set_pause(0);
  for (int i = 0; i < 2 && !fault_.seen(); ++i) {
    begin_ = true;
    expect_the_end();
    gst_pad_push_event(source_.get(), gst_event_new_flush_start());
    GstEvent* ends = gst_event_new_flush_stop(TRUE);
    gst_event_set_seqnum(ends, kFlushSeqnums + ++generation_);
    gst_pad_push_event(source_.get(), ends);
  }
  const auto all = [this] {
    return figure("received") == figure("published") + figure("mailbox-drops") + figure("discarded");
  };
  if (!support::eventually(all)) fault_.report("received is not published + mailbox-drops + discarded");
  for (const auto& branch : staying_)
    if (const auto wrong = branch->balance(); !wrong.empty()) fault_.report(wrong);
}

void Round::expect_the_end() {
  std::vector<int> before;
  for (const auto& branch : staying_) before.push_back(branch->ends());
  prepare();
  for (int i = 0; i < 3; ++i)
    if (gst_pad_push(source_.get(), frame()) != GST_FLOW_OK) fault_.report("upstream was not answered with OK");
  gst_pad_push_event(source_.get(), gst_event_new_eos());
  for (std::size_t i = 0; i < staying_.size(); ++i) {
    const Branch& branch = *staying_[i];
    if (!support::eventually([&] { return branch.last() == number_ && branch.ends() > before[i]; }))
      fault_.report(branch.name() + ": did not get the last frame, " + std::to_string(number_) +
                    ", and the end; what came to it:" + branch.story());
  }
  std::this_thread::sleep_for(2ms);
  for (std::size_t i = 0; i < staying_.size(); ++i)
    if (staying_[i]->ends() > before[i] + 1)
      fault_.report(staying_[i]->name() + ": the end came twice; what came to it:" + staying_[i]->story());
}

std::uint64_t Round::figure(const char* field) const {
  GstStructure* stats = nullptr;
  g_object_get(element_.get(), "stats", &stats, nullptr);
  const auto owned = adopt(stats);
  guint64 value = 0;
  gst_structure_get_uint64(stats, field, &value);
  return value;
}

std::string Round::summary() const {
  return std::to_string(number_) + " frames, " + std::to_string(flushes_) + " flushes, " + std::to_string(restarts_) +
         " restarts, " + std::to_string(joined_) + " branches joined";
}

}  // namespace fanout_chaos
