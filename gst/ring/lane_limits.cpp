// SPDX-License-Identifier: LGPL-2.1-or-later
#include "ring/lane_limits.hpp"

#include <utility>

#include "base/health_properties.hpp"

namespace supplier {
namespace {

// A field of any numeric type: a launch line's `100` is an int.
template <class T>
bool number(const GValue* value, GType type, T (*get)(const GValue*), std::optional<T>& to) {
  const bool negative = (G_VALUE_HOLDS_INT(value) && g_value_get_int(value) < 0) ||
                        (G_VALUE_HOLDS_INT64(value) && g_value_get_int64(value) < 0);
  GValue number = G_VALUE_INIT;
  g_value_init(&number, type);
  const bool done = !negative && !G_VALUE_HOLDS_STRING(value) && g_value_transform(value, &number);
  if (done) to = get(&number);
  g_value_unset(&number);
  return done;
}

template <class T>
void put(GstStructure* entry, const char* field, GType type, const std::optional<T>& value) {
  if (value) gst_structure_set(entry, field, type, *value, nullptr);
}

}  // namespace

std::optional<std::string> LaneLimits::read(const GstStructure* entry, Own& own) {
  for (gint index = 0; index < gst_structure_n_fields(entry); ++index) {
    const std::string field = gst_structure_nth_field_name(entry, static_cast<guint>(index));
    const GValue* value = gst_structure_get_value(entry, field.c_str());
    bool good = field == "worker";
    if (field == "stall-timeout") good = number(value, G_TYPE_UINT64, g_value_get_uint64, own.stall_timeout);
    if (field == "max-frame-age") good = number(value, G_TYPE_UINT64, g_value_get_uint64, own.max_frame_age);
    if (field == "interval") good = number(value, G_TYPE_UINT64, g_value_get_uint64, own.interval);
    if (field == "max-drop-rate")
      good = number(value, G_TYPE_DOUBLE, g_value_get_double, own.max_drop_rate) && *own.max_drop_rate >= 0 &&
             *own.max_drop_rate <= 1;
    if (!good)
      return "field " + field + ": stall-timeout, max-frame-age, interval (ns) or max-drop-rate (0 to 1) are possible";
  }
  return std::nullopt;
}

std::optional<std::string> LaneLimits::set(const GValue* array) {
  std::map<std::string, Own, std::less<>> workers;
  for (guint index = 0; index < gst_value_array_get_size(array); ++index) {
    const GValue* value = gst_value_array_get_value(array, index);
    if (!GST_VALUE_HOLDS_STRUCTURE(value)) return "each entry must be a structure";
    const GstStructure* entry = gst_value_get_structure(value);
    const char* worker = gst_structure_get_string(entry, "worker");
    if (!worker || !valid_worker_name(worker)) return "each entry needs a field worker: a name of 1 to 63 bytes";
    Own own;
    if (auto wrong = read(entry, own)) return wrong;
    workers[worker] = own;
  }
  std::lock_guard hold(lock_);
  std::swap(workers_, workers);
  return std::nullopt;
}

void LaneLimits::get(GValue* array) const {
  std::lock_guard hold(lock_);
  for (const auto& [worker, own] : workers_) {
    GstStructure* entry = gst_structure_new("limits", "worker", G_TYPE_STRING, worker.c_str(), nullptr);
    put(entry, "stall-timeout", G_TYPE_UINT64, own.stall_timeout);
    put(entry, "max-frame-age", G_TYPE_UINT64, own.max_frame_age);
    put(entry, "interval", G_TYPE_UINT64, own.interval);
    put(entry, "max-drop-rate", G_TYPE_DOUBLE, own.max_drop_rate);
    GValue value = G_VALUE_INIT;
    g_value_init(&value, GST_TYPE_STRUCTURE);
    g_value_take_boxed(&value, entry);
    gst_value_array_append_and_take_value(array, &value);
  }
}

Limits LaneLimits::of(const char* worker, Limits common) const {
  std::lock_guard hold(lock_);
  const auto found = workers_.find(worker);
  if (found == workers_.end()) return common;
  const Own& own = found->second;
  common.stall_timeout = own.stall_timeout.value_or(common.stall_timeout);
  common.max_frame_age = own.max_frame_age.value_or(common.max_frame_age);
  common.interval = own.interval.value_or(common.interval);
  common.max_drop_rate = own.max_drop_rate.value_or(common.max_drop_rate);
  return common;
}

}  // namespace supplier
