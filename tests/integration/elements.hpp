// SPDX-License-Identifier: LGPL-2.1-or-later
// Every element of this project, as the registry knows it, so that a new one is tested without being named here.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "gst_fixture.hpp"
#include "temp_dir.hpp"

namespace elements_test {

using supplier::adopt;
using supplier::Owned;
using supplier::share;
using support::eventually;
using support::Pipeline;

inline std::vector<std::string> our_elements() {
  support::init_gstreamer();
  std::vector<std::string> names;
  GList* plugins = gst_registry_get_plugin_list(gst_registry_get());
  for (GList* at = plugins; at; at = at->next) {
    if (std::string(gst_plugin_get_source(GST_PLUGIN(at->data))) != "gst-frame-supplier") continue;
    GList* features =
        gst_registry_get_feature_list_by_plugin(gst_registry_get(), gst_plugin_get_name(GST_PLUGIN(at->data)));
    for (GList* feature = features; feature; feature = feature->next)
      if (GST_IS_ELEMENT_FACTORY(feature->data)) names.emplace_back(GST_OBJECT_NAME(feature->data));
    gst_plugin_feature_list_free(features);
  }
  gst_plugin_list_free(plugins);
  return names;
}

inline constexpr GstState kStates[] = {GST_STATE_NULL, GST_STATE_READY, GST_STATE_PAUSED, GST_STATE_PLAYING};

// From each state to each other: 16 pairs, in one walk.
inline std::vector<GstState> every_way() {
  std::vector<GstState> way;
  for (const GstState from : kStates)
    for (const GstState to : kStates) {
      way.push_back(from);
      way.push_back(to);
    }
  way.push_back(GST_STATE_NULL);
  return way;
}

inline std::vector<GParamSpec*> properties_of(gpointer object) {
  guint count = 0;
  GParamSpec** specs = g_object_class_list_properties(G_OBJECT_GET_CLASS(object), &count);
  std::vector<GParamSpec*> found(specs, specs + count);
  g_free(specs);
  return found;
}

inline void read_properties(gpointer object) {
  for (GParamSpec* spec : properties_of(object)) {
    if (!(spec->flags & G_PARAM_READABLE)) continue;
    GValue value = G_VALUE_INIT;
    g_value_init(&value, spec->value_type);
    g_object_get_property(G_OBJECT(object), spec->name, &value);
    g_value_unset(&value);
  }
}

// Sets each property of the object's own class to the ends of its range and back to what it was.
inline void write_properties(gpointer object) {
  for (GParamSpec* spec : properties_of(object)) {
    constexpr auto both = static_cast<GParamFlags>(G_PARAM_READWRITE);
    if ((spec->flags & both) != both || (spec->flags & G_PARAM_CONSTRUCT_ONLY)) continue;
    if (spec->owner_type != G_OBJECT_TYPE(object)) continue;
    GValue before = G_VALUE_INIT, other = G_VALUE_INIT;
    g_value_init(&before, spec->value_type);
    g_value_init(&other, spec->value_type);
    g_object_get_property(G_OBJECT(object), spec->name, &before);
    const auto set = [&](auto put, auto least, auto most) {
      for (const auto value : {least, most}) {
        put(&other, value);
        g_object_set_property(G_OBJECT(object), spec->name, &other);
      }
    };
    if (auto* uint64 = G_IS_PARAM_SPEC_UINT64(spec) ? G_PARAM_SPEC_UINT64(spec) : nullptr)
      set(g_value_set_uint64, uint64->minimum, uint64->maximum);
    else if (auto* uint = G_IS_PARAM_SPEC_UINT(spec) ? G_PARAM_SPEC_UINT(spec) : nullptr)
      set(g_value_set_uint, uint->minimum, uint->maximum);
    else if (auto* real = G_IS_PARAM_SPEC_DOUBLE(spec) ? G_PARAM_SPEC_DOUBLE(spec) : nullptr)
      set(g_value_set_double, real->minimum, real->maximum);
    else if (auto* kind = G_IS_PARAM_SPEC_ENUM(spec) ? G_PARAM_SPEC_ENUM(spec) : nullptr)
      set(g_value_set_enum, kind->enum_class->minimum, kind->enum_class->maximum);
    else if (G_IS_PARAM_SPEC_BOOLEAN(spec))
      set(g_value_set_boolean, gboolean{FALSE}, gboolean{TRUE});
    g_object_set_property(G_OBJECT(object), spec->name, &before);
    g_value_unset(&other);
    g_value_unset(&before);
  }
}

}  // namespace elements_test
