// SPDX-License-Identifier: LGPL-2.1-or-later
// The health properties' definitions and values.
#include "base/health_properties.hpp"

#include <algorithm>
#include <cstring>

#include <gst/gst.h>

namespace supplier {
namespace {

enum Offset : guint { kWorker, kStallTimeout, kMaxFrameAge, kMaxDropRate, kInterval, kPostMessages };

constexpr auto kFlags =
    static_cast<GParamFlags>(G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS | GST_PARAM_MUTABLE_PLAYING);

GParamSpec* time(const char* name, const char* nick, const char* blurb, guint64 value) {
  return g_param_spec_uint64(name, nick, blurb, 0, G_MAXUINT64, value, kFlags);
}

}  // namespace

bool valid_worker_name(const char* name) {
  const std::size_t length = std::strlen(name);
  return length >= 1 && length < SHMRING_NAME_SIZE && g_utf8_validate(name, static_cast<gssize>(length), nullptr) &&
         std::none_of(name, name + length, [](unsigned char c) { return c < 0x20 || c == 0x7f; });
}

void HealthProperties::install(GObjectClass* klass, guint first, Worker worker, const char* max_frame_age) {
  const Limits defaults;
  const auto add = [&](guint offset, GParamSpec* spec) {
    g_object_class_install_property(klass, first + offset, spec);
  };
  if (worker == Worker::own)
    add(kWorker, g_param_spec_string("worker", "Worker",
                                     "Name of the worker in health reports, 1 to 63 bytes of UTF-8 "
                                     "(NULL = the name of this object)",
                                     nullptr, kFlags));
  add(kStallTimeout, time("stall-timeout", "Stall timeout",
                          "Time without progress before a worker is reported stuck (it has work) or starved (it "
                          "has none), in ns (0 = disabled)",
                          defaults.stall_timeout));
  add(kMaxFrameAge, time("max-frame-age", "Maximum frame age", max_frame_age, defaults.max_frame_age));
  add(kMaxDropRate, g_param_spec_double("max-drop-rate", "Maximum drop rate",
                                        "Share of frames dropped within stall-timeout above which a worker is "
                                        "reported slow (1 = disabled)",
                                        0, 1, defaults.max_drop_rate, kFlags));
  add(kInterval,
      time("interval", "Interval", "Time between periodic health messages, in ns (0 = only when the state changes)",
           defaults.interval));
  add(kPostMessages,
      g_param_spec_boolean("post-messages", "Post messages", "Post element messages named frame-health on the bus",
                           defaults.post_messages, kFlags));
}

bool HealthProperties::set(guint id, const GValue* value) {
  std::lock_guard hold(lock_);
  switch (id - first_) {
    case kWorker: {
      const char* name = g_value_get_string(value);
      if (!name || !*name)
        worker_.reset();
      else if (valid_worker_name(name))
        worker_ = name;
      else
        g_warning("worker: the name \"%s\" is ignored: use 1 to 63 bytes of UTF-8 without control characters", name);
      return true;
    }
    case kStallTimeout:
      limits_.stall_timeout = g_value_get_uint64(value);
      return true;
    case kMaxFrameAge:
      limits_.max_frame_age = g_value_get_uint64(value);
      return true;
    case kMaxDropRate:
      limits_.max_drop_rate = g_value_get_double(value);
      return true;
    case kInterval:
      limits_.interval = g_value_get_uint64(value);
      return true;
    case kPostMessages:
      limits_.post_messages = g_value_get_boolean(value);
      return true;
    default:
      return false;
  }
}

bool HealthProperties::get(guint id, GValue* value) const {
  std::lock_guard hold(lock_);
  switch (id - first_) {
    case kWorker:
      g_value_set_string(value, worker_ ? worker_->c_str() : nullptr);
      return true;
    case kStallTimeout:
      g_value_set_uint64(value, limits_.stall_timeout);
      return true;
    case kMaxFrameAge:
      g_value_set_uint64(value, limits_.max_frame_age);
      return true;
    case kMaxDropRate:
      g_value_set_double(value, limits_.max_drop_rate);
      return true;
    case kInterval:
      g_value_set_uint64(value, limits_.interval);
      return true;
    case kPostMessages:
      g_value_set_boolean(value, limits_.post_messages);
      return true;
    default:
      return false;
  }
}

Limits HealthProperties::limits() const {
  std::lock_guard hold(lock_);
  return limits_;
}

void HealthProperties::set_limits(const Limits& limits) {
  std::lock_guard hold(lock_);
  limits_ = limits;
}

std::string HealthProperties::worker(const char* fallback) const {
  std::lock_guard hold(lock_);
  if (worker_) return *worker_;
  return fallback && *fallback ? fallback : "worker";
}

}  // namespace supplier
