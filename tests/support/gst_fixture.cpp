// SPDX-License-Identifier: LGPL-2.1-or-later
#include "gst_fixture.hpp"

#include <cstdlib>

namespace support {

// Environment as `meson test` sets it, for programs started by hand.
void init_gstreamer() {
  setenv("GST_PLUGIN_PATH", SUPPORT_PLUGIN_PATH, 0);
  setenv("GST_REGISTRY", SUPPORT_REGISTRY, 0);
  setenv("GST_TRACERS", "leaks", 0);
  setenv("GST_REGISTRY_FORK", "no", 0);  // the scanner program cannot load plugins built with a sanitizer
  gst_init(nullptr, nullptr);
  // A program that a test starts would report to no test, and GStreamer 1.22 leaks the tracer's own factory there.
  unsetenv("GST_TRACERS");
}

std::vector<std::string> live_objects() {
  std::vector<std::string> alive;
  GList* tracers = gst_tracing_get_active_tracers();
  for (GList* at = tracers; at; at = at->next) {
    if (std::string(G_OBJECT_TYPE_NAME(at->data)) != "GstLeaksTracer") continue;
    GstStructure* info = nullptr;
    g_signal_emit_by_name(at->data, "get-live-objects", &info);
    // It frees references that it never took: what shows an object is kept, where a leak detector finds it.
    static auto& kept = *new std::vector<GstStructure*>;
    kept.push_back(info);
    const GValue* list = gst_structure_get_value(info, "live-objects-list");
    for (guint i = 0; list && i < gst_value_list_get_size(list); ++i) {
      const GstStructure* object = gst_value_get_structure(gst_value_list_get_value(list, i));
      alive.emplace_back(supplier::adopt(gst_structure_to_string(object)).get());
    }
  }
  g_list_free_full(tracers, gst_object_unref);
  return alive;
}

namespace {

class NothingStaysAlive : public testing::Environment {
  void TearDown() override {
    // Detached threads may be on their way out.
    if (!gst_is_initialized() || eventually([] { return live_objects().empty(); })) return;
    for (const std::string& object : live_objects()) ADD_FAILURE() << "still alive: " << object;
  }
};

[[maybe_unused]] const auto* const nothing_stays_alive = testing::AddGlobalTestEnvironment(new NothingStaysAlive);

}  // namespace
}  // namespace support
