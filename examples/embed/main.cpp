// SPDX-License-Identifier: LGPL-2.1-or-later
// A program with GStreamer inside: one live source, workers that come and go while it plays, and their health from the
// bus.
//
//   embed [SECONDS]
//
// A fast worker is there from the start. After a fifth of the time a slow one joins, after two fifths a stuck one; each
// fifth after that one of them leaves. The fast worker notices nothing; frame-health messages say what happens to the
// others.
#include <array>
#include <cstdlib>
#include <iostream>

#include <gst/gst.h>

namespace {

// The worker behind one source pad of latestframe.
struct Worker {
  GstPad* pad = nullptr;
  GstElement* bin = nullptr;
};

class Program {
 public:
  explicit Program(unsigned seconds) : step_ms_(seconds * 1000 / 5) {
    pipeline_ = gst_parse_launch(
        "videotestsrc is-live=true ! video/x-raw,format=BGR,width=320,height=240,framerate=30/1 ! latestframe "
        "name=frames",
        nullptr);
    if (pipeline_ == nullptr) return;
    frames_ = gst_bin_get_by_name(GST_BIN(pipeline_), "frames");
    loop_ = g_main_loop_new(nullptr, FALSE);
  }
  ~Program() {
    for (Worker& worker : workers_) remove(worker);
    if (pipeline_ != nullptr) gst_element_set_state(pipeline_, GST_STATE_NULL);
    if (loop_ != nullptr) g_main_loop_unref(loop_);
    g_clear_object(&frames_);
    g_clear_object(&pipeline_);
  }
  Program(const Program&) = delete;
  Program& operator=(const Program&) = delete;

  int run() {
    if (frames_ == nullptr) {
      std::cerr << "latestframe is not installed; is GST_PLUGIN_PATH set?\n";
      return EXIT_FAILURE;
    }
    GstBus* bus = gst_element_get_bus(pipeline_);
    gst_bus_add_watch(bus, on_message, this);
    gst_object_unref(bus);
    g_timeout_add(
        step_ms_, [](gpointer self) { return static_cast<Program*>(self)->step(); }, this);
    workers_[0] = add("fast", "fakesink");
    gst_element_set_state(pipeline_, GST_STATE_PLAYING);
    g_main_loop_run(loop_);
    gst_bus_remove_watch(GST_ELEMENT_BUS(pipeline_));
    return result_;
  }

 private:
  // A branch added while the pipeline plays starts with the newest frame.
  Worker add(const char* name, const char* work) {
    std::cout << "+ " << name << std::endl;
    Worker worker;
    worker.bin = gst_parse_bin_from_description(work, TRUE, nullptr);
    gst_bin_add(GST_BIN(pipeline_), worker.bin);
    gst_element_sync_state_with_parent(worker.bin);
    worker.pad = gst_element_request_pad_simple(frames_, "src_%u");
    g_object_set(worker.pad, "worker", name, "stall-timeout", GST_SECOND, nullptr);
    GstPad* sink = gst_element_get_static_pad(worker.bin, "sink");
    gst_pad_link(worker.pad, sink);
    gst_object_unref(sink);
    return worker;
  }

  void remove(Worker& worker) {
    if (worker.pad == nullptr) return;
    gst_element_release_request_pad(frames_, worker.pad);  // unlinks; waits for nothing
    g_clear_object(&worker.pad);
    gst_element_set_state(worker.bin, GST_STATE_NULL);
    gst_bin_remove(GST_BIN(pipeline_), worker.bin);
  }

  gboolean step() {
    switch (++steps_) {
      case 1:
        workers_[1] = add("slow", "identity sleep-time=200000 ! fakesink");
        return G_SOURCE_CONTINUE;
      case 2:
        workers_[2] = add("stuck", "identity sleep-time=3000000 ! fakesink");
        return G_SOURCE_CONTINUE;
      case 3:
        std::cout << "- slow" << std::endl;
        remove(workers_[1]);
        return G_SOURCE_CONTINUE;
      case 4:
        std::cout << "- stuck" << std::endl;
        remove(workers_[2]);
        return G_SOURCE_CONTINUE;
      default:
        g_main_loop_quit(loop_);
        return G_SOURCE_REMOVE;
    }
  }

  static gboolean on_message(GstBus*, GstMessage* message, gpointer self) {
    auto& program = *static_cast<Program*>(self);
    if (GST_MESSAGE_TYPE(message) == GST_MESSAGE_ERROR) {
      GError* error = nullptr;
      gst_message_parse_error(message, &error, nullptr);
      std::cerr << error->message << '\n';
      g_clear_error(&error);
      program.result_ = EXIT_FAILURE;
      g_main_loop_quit(program.loop_);
    } else if (gst_message_has_name(message, "frame-health")) {
      const GstStructure* health = gst_message_get_structure(message);
      std::cout << GST_MESSAGE_SRC_NAME(message) << ": " << gst_structure_get_string(health, "worker") << " is "
                << gst_structure_get_string(health, "state") << ", " << gst_structure_get_string(health, "reason")
                << std::endl;
    }
    return G_SOURCE_CONTINUE;
  }

  unsigned step_ms_;
  int steps_ = 0;
  int result_ = EXIT_SUCCESS;
  GstElement* pipeline_ = nullptr;
  GstElement* frames_ = nullptr;
  GMainLoop* loop_ = nullptr;
  std::array<Worker, 3> workers_;
};

}  // namespace

int main(int argc, char** argv) {
  gst_init(&argc, &argv);
  const int seconds = argc > 1 ? std::atoi(argv[1]) : 10;
  return Program(seconds > 0 ? static_cast<unsigned>(seconds) : 10).run();
}
