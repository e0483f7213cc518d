// SPDX-License-Identifier: LGPL-2.1-or-later
// shmringsink and shmringsrc in real pipelines in two processes: frames a second with the sink's own memory and from heap buffers, age at
// 100 Hz, copies made, and what a stopped reader costs; next to shmsink and shmsrc, to the smallest pair of elements there can be, and to
// a plain memcpy into the same ring.
#include <signal.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <atomic>
#include <cstring>
#include <functional>

#include <shmring/shmring.h>

#include "gst_bench.hpp"
#include "minimal_pair.hpp"
#include "transports.hpp"

using namespace bench;

namespace {

constexpr std::size_t kSize = 1'100'000;
constexpr std::uint64_t kMost = 4000;
constexpr const char* kCaps = "video/x-raw,format=GRAY8,width=1100,height=1000,framerate=100/1";  // kSize

struct Kind {
  const char* name;
  const char* sink;
  const char* source;
};
constexpr Kind kRing{"ring block", "shmringsink", "shmringsrc wake=block"};
constexpr Kind kAdaptive{"ring adaptive", "shmringsink", "shmringsrc wake=adaptive"};
constexpr Kind kShm{"shmsink", "shmsink wait-for-connection=false sync=false async=false shm-size=33554432",
                    "shmsrc is-live=true"};
constexpr Kind kUnixFd{"unixfdsink", "unixfdsink sync=false async=false", "unixfdsrc"};  // since GStreamer 1.24
constexpr Kind kMinimal{"smallest pair", "benchsink", "benchsrc"};

// Results of the reading process.
struct Seen {
  std::atomic<std::uint64_t> playing{0}, frames{0};  // playing: the sink
  bool pages = true;                                 // whether a byte of each page is read
  std::uint64_t age[kMost];                          // of frame n
};

GstFlowReturn see(GstPad* pad, GstObject*, GstBuffer* buffer) {
  auto& seen = *static_cast<Seen*>(gst_pad_get_element_private(pad));
  Head head;
  gst_buffer_extract(buffer, 0, &head, sizeof head);
  if (head.number > 0 && head.number < kMost) seen.age[head.number] = now() - head.complete_at;
  GstMapInfo map;
  if (gst_buffer_map(buffer, &map, GST_MAP_READ)) {
    for (std::size_t i = 0; seen.pages && i < map.size; i += 4096) keep(map.data[i]);
    gst_buffer_unmap(buffer, &map);
  }
  gst_buffer_unref(buffer);
  seen.frames.fetch_add(1, std::memory_order_relaxed);
  return GST_FLOW_OK;
}

void read_process(const Kind& kind, const std::string& path, Seen& seen) {
  pin(1);
  while (seen.playing.load() == 0) ::usleep(1000);
  gst_init(nullptr, nullptr);
  register_minimal_pair();
  GstElement* pipeline =
      launch(std::string(kind.source) + " name=src" + (&kind == &kMinimal ? "" : " socket-path=" + path));
  GstElement* source = GST_IS_BIN(pipeline) ? child(pipeline, "src") : pipeline;
  GstPad* from = source_pad(source);
  GstPad* sink = gst_pad_new("sink", GST_PAD_SINK);
  gst_pad_set_element_private(sink, &seen);
  gst_pad_set_chain_function(sink, see);
  gst_pad_set_active(sink, TRUE);
  if (gst_pad_link(from, sink) != GST_PAD_LINK_OK) die("a reader cannot be linked");
  play(pipeline);
  for (;;) ::pause();
}

// Buffers from whatever pool or allocator the sink proposes, or from the heap.
class Buffers {
 public:
  Buffers(GstPad* src, bool heap) {
    if (heap) return;
    GstCaps* caps = gst_pad_get_current_caps(src);
    GstQuery* query = gst_query_new_allocation(caps, TRUE);
    if (gst_pad_peer_query(src, query)) {
      if (gst_query_get_n_allocation_pools(query) > 0)
        gst_query_parse_nth_allocation_pool(query, 0, &pool_, nullptr, nullptr, nullptr);
      if (!pool_ && gst_query_get_n_allocation_params(query) > 0)
        gst_query_parse_nth_allocation_param(query, 0, &allocator_, &params_);
    }
    if (pool_) {
      GstStructure* config = gst_buffer_pool_get_config(pool_);
      gst_buffer_pool_config_set_params(config, caps, kSize, 2, 0);
      if (!gst_buffer_pool_set_config(pool_, config)) die("the proposed pool cannot be configured");
      gst_buffer_pool_set_active(pool_, TRUE);
    }
    gst_query_unref(query);
    gst_caps_unref(caps);
  }
  ~Buffers() {
    if (pool_) {
      gst_buffer_pool_set_active(pool_, FALSE);
      gst_object_unref(pool_);
    }
    if (allocator_) gst_object_unref(allocator_);
    if (heap_) gst_buffer_unref(heap_);
  }
  GstBuffer* next() {
    GstBuffer* buffer = nullptr;
    if (pool_) {
      if (gst_buffer_pool_acquire_buffer(pool_, &buffer, nullptr) != GST_FLOW_OK) die("the pool has no buffer");
    } else {
      buffer = gst_buffer_new_allocate(allocator_, kSize, allocator_ ? &params_ : nullptr);
    }
    return buffer;
  }
  // The same heap memory again and again, as from a source with a pool of its own.
  GstBuffer* same() {
    if (!heap_) {
      heap_ = gst_buffer_new_allocate(nullptr, kSize, nullptr);
      gst_buffer_memset(heap_, 0, 7, kSize);
    }
    return gst_buffer_copy(heap_);
  }

 private:
  GstBufferPool* pool_ = nullptr;
  GstAllocator* allocator_ = nullptr;
  GstAllocationParams params_{};
  GstBuffer* heap_ = nullptr;
};

// Writes the head, and a byte of each page unless only the way is of interest, not the payload.
void stamp(GstBuffer* buffer, std::uint64_t number, bool pages = true) {
  GstMapInfo map;
  if (!gst_buffer_map(buffer, &map, GST_MAP_WRITE)) die("a buffer cannot be written");
  for (std::size_t i = 0; pages && i < map.size; i += 4096) map.data[i] = static_cast<guint8>(number);
  const Head head{number, now()};
  std::memcpy(map.data, &head, sizeof head);
  gst_buffer_unmap(buffer, &map);
}

// Runs `work` in a process that has the sink, once the reader is attached.
void with_pipeline(const Options& options, const Kind& kind, Seen& seen, bool heap,
                   const std::function<void(Pusher&, Buffers&, const Child& reader)>& work) {
  const std::string path = options.folder + "/elements.sock";
  minimal_link(kSize);
  Child reader([&] { read_process(kind, path, seen); });
  Child writer([&] {
    pin(0);
    ::prctl(PR_SET_TIMERSLACK, 1);
    gst_init(nullptr, nullptr);
    register_minimal_pair();
    GstElement* sink = launch(std::string(kind.sink) + (&kind == &kMinimal ? "" : " socket-path=" + path));
    {
      play(sink);
      Pusher pusher(sink, kCaps);
      Buffers buffers(pusher.pad(), heap);
      seen.playing.store(1);
      // Frames until the reader has seen one.
      while (seen.frames.load() == 0) {
        GstBuffer* first = buffers.next();
        stamp(first, 0);
        pusher.push(first);
        ::usleep(10'000);
      }
      ::usleep(100'000);
      work(pusher, buffers, reader);
      gst_element_set_state(sink, GST_STATE_NULL);
    }
    gst_object_unref(sink);
  });
  writer.join();
  ::unlink(path.c_str());
}

enum class Load { pages, heads, heap };

void throughput(const Options& options, const Kind& kind, Load load) {
  const bool heap = load == Load::heap;
  Seen& seen = *share<Seen>();
  seen.pages = load != Load::heads;
  const std::uint64_t time = options.scaled(2'000'000'000, 100'000'000);
  with_pipeline(options, kind, seen, heap, [&](Pusher& pusher, Buffers& buffers, const Child&) {
    const std::uint64_t before = seen.frames.load(), start = now();
    std::uint64_t pushed = 0;
    while (now() - start < time) {
      GstBuffer* buffer = heap ? buffers.same() : buffers.next();
      if (!heap) stamp(buffer, kMost, seen.pages);
      pusher.push(buffer);
      ++pushed;
    }
    const double seconds = static_cast<double>(now() - start) / 1e9;
    emit(heap         ? "elements_heap"
         : seen.pages ? "elements_zero_copy"
                      : "elements_way",
         kind.name, {},
         {{"delivered_s", static_cast<double>(seen.frames.load() - before) / seconds},
          {"pushed_s", static_cast<double>(pushed) / seconds}});
  });
}

// The bound for heap buffers: a memcpy into the same ring, the same reader at its other end.
void plain_memcpy(const Options& options) {
  Seen& seen = *share<Seen>();
  const std::string path = options.folder + "/plain.sock";
  Child reader([&] { read_process(kRing, path, seen); });
  Child writer([&] {
    pin(0);
    shmring_publisher_options po = SHMRING_PUBLISHER_OPTIONS_INIT;
    po.socket_path = path.c_str();
    po.slot_size = kSize;
    shmring_publisher* publisher = nullptr;
    if (shmring_publisher_open(&po, &publisher) != SHMRING_OK) die(shmring_last_error());
    shmring_format format = SHMRING_FORMAT_INIT;
    char caps[256];
    shmring_format_video(&format, SHMRING_GRAY8, 1100, 1000, caps, sizeof caps);
    shmring_publisher_set_format(publisher, &format);
    seen.playing.store(1);
    std::vector<std::byte> source(kSize, std::byte{7});
    const auto write = [&] {
      shmring_loan loan = SHMRING_LOAN_INIT;
      if (shmring_publisher_loan(publisher, &loan) != SHMRING_OK) return;
      std::memcpy(loan.data, source.data(), kSize);
      shmring_frame_info info = SHMRING_FRAME_INFO_INIT;
      info.size = kSize;
      shmring_publisher_publish(publisher, &loan, &info);
    };
    while (seen.frames.load() == 0) {
      write();
      ::usleep(10'000);
    }
    const std::uint64_t time = options.scaled(2'000'000'000, 100'000'000), before = seen.frames.load(), start = now();
    std::uint64_t pushed = 0;
    for (; now() - start < time; ++pushed) write();
    const double seconds = static_cast<double>(now() - start) / 1e9;
    emit("elements_heap", "memcpy into the ring", {},
         {{"delivered_s", static_cast<double>(seen.frames.load() - before) / seconds},
          {"pushed_s", static_cast<double>(pushed) / seconds}});
    shmring_publisher_close(publisher);
  });
  writer.join();
}

// Both of the latter look at the push alone.
enum class Question { age, running, stopped };

void age(const Options& options, const Kind& kind, Question what) {
  const bool stopped = what == Question::stopped;
  Seen& seen = *share<Seen>();
  const std::uint64_t warm = 30, frames = warm + options.scaled(300, 10);
  with_pipeline(options, kind, seen, false, [&](Pusher& pusher, Buffers& buffers, const Child& reader) {
    Samples push, ages;
    if (stopped) reader.signal(SIGSTOP);
    std::uint64_t due = now();
    for (std::uint64_t i = 1; i <= frames; ++i) {
      sleep_until(due += 10'000'000);
      GstBuffer* buffer = buffers.next();
      stamp(buffer, i);
      if (&kind == &kMinimal) {
        const Head head{i, now()};
        std::memcpy(minimal_link(kSize).frame, &head, sizeof head);
      }
      const std::uint64_t cost = pusher.push(buffer);
      if (i > warm) push.add(cost);
    }
    ::usleep(100'000);
    for (std::uint64_t i = warm + 1; i <= frames; ++i)
      if (seen.age[i]) ages.add(seen.age[i]);
    if (stopped) reader.signal(SIGCONT);
    if (what == Question::age)
      emit("elements_age", kind.name, {{"hz", 100}},
           figures("push", push) + figures("age", ages) +
               Values{{"lost", static_cast<double>(frames - warm - ages.count())}});
    else
      emit("elements_stopped", stopped ? "reader stopped" : "reader runs", {{"hz", 100}}, figures("push", push));
  });
}

// Asked in a process of its own: this one forks, and GStreamer has threads.
bool installed(const char* factory) {
  bool& found = *share<bool>();
  Child([&] {
    gst_init(nullptr, nullptr);
    GstElementFactory* there = gst_element_factory_find(factory);
    found = there != nullptr;
  }).join();
  return found;
}

// Number of frames copied on the way into the ring, with sources as they come.
void copies(const Options& options, const char* name, const char* front) {
  Child all([&] {
    gst_init(nullptr, nullptr);
    const std::string path = options.folder + "/copies.sock";
    GstElement* pipeline = launch(std::string(front) + " ! shmringsink name=sink socket-path=" + path);
    play(pipeline);
    GstBus* bus = gst_element_get_bus(pipeline);
    GstMessage* message = gst_bus_timed_pop_filtered(bus, 20 * GST_SECOND,
                                                     static_cast<GstMessageType>(GST_MESSAGE_EOS | GST_MESSAGE_ERROR));
    if (!message || GST_MESSAGE_TYPE(message) != GST_MESSAGE_EOS) die(std::string(name) + " does not end well");
    gst_message_unref(message);
    gst_object_unref(bus);
    GstStructure* stats = nullptr;
    g_object_get(child(pipeline, "sink"), "stats", &stats, nullptr);
    guint64 copied = 0, published = 0;
    gst_structure_get_uint64(stats, "copied", &copied);
    gst_structure_get_uint64(stats, "published", &published);
    gst_structure_free(stats);
    stop(pipeline);
    emit("elements_copies", name, {},
         {{"published", static_cast<double>(published)}, {"copied", static_cast<double>(copied)}});
  });
  all.join();
}

}  // namespace

int main(int argc, char** argv) {
  const Options options = parse(argc, argv, 600);
  std::vector<Case> cases;
  std::vector<const Kind*> kinds = {&kRing, &kAdaptive, &kShm}, paced = {&kMinimal, &kRing, &kAdaptive, &kShm};
  if (installed("unixfdsink")) {
    kinds.push_back(&kUnixFd);
    paced.push_back(&kUnixFd);
  }
  for (const Kind* kind : kinds) {
    for (const Load load : {Load::pages, Load::heads, Load::heap}) {
      if (load == Load::heap && kind == &kUnixFd) continue;  // it refuses memory that is no file descriptor's
      cases.push_back({kind->name, [&options, kind, load] { throughput(options, *kind, load); }});
    }
  }
  cases.push_back({"memcpy", [&] { plain_memcpy(options); }});
  for (const Kind* kind : paced)
    cases.push_back({kind->name, [&options, kind] { age(options, *kind, Question::age); }});
  for (const Question what : {Question::running, Question::stopped})
    cases.push_back({"stopped", [&options, what] { age(options, kRing, what); }});
  const char* const size = "video/x-raw,width=800,height=600,framerate=100/1";
  const std::string small = std::string(" ! ") + size;
  const std::vector<std::pair<const char*, std::string>> fronts = {
      {"videotestsrc", "videotestsrc num-buffers=60" + small + ",format=NV12"},
      {"videoconvert", "videotestsrc num-buffers=60" + small + ",format=NV12 ! videoconvert ! video/x-raw,format=BGR"},
      {"jpegdec", "videotestsrc num-buffers=60" + small + ",format=I420 ! jpegenc ! jpegdec"},
      {"latestframe", "videotestsrc num-buffers=60 is-live=true" + small + ",format=NV12 ! latestframe"},
  };
  for (const auto& [name, front] : fronts) {
    const std::string line = front;
    const char* const called = name;
    cases.push_back({"copies", [&options, called, line] { copies(options, called, line.c_str()); }});
  }
  run_rounds(options, cases);
}
