// SPDX-License-Identifier: LGPL-2.1-or-later
// Ownership of GStreamer's reference-counted things, in the type.
#pragma once

#include <memory>
#include <type_traits>

#include <gst/gst.h>

namespace supplier {

// A type not listed here does not compile.
template <class T>
struct Unref;
template <>
struct Unref<GstBuffer> {
  void operator()(GstBuffer* p) const { gst_buffer_unref(p); }
};
template <>
struct Unref<GstBufferList> {
  void operator()(GstBufferList* p) const { gst_buffer_list_unref(p); }
};
template <>
struct Unref<GstMiniObject> {
  void operator()(GstMiniObject* p) const { gst_mini_object_unref(p); }
};
template <>
struct Unref<GstEvent> {
  void operator()(GstEvent* p) const { gst_event_unref(p); }
};
template <>
struct Unref<GstQuery> {
  void operator()(GstQuery* p) const { gst_query_unref(p); }
};
template <>
struct Unref<GstMessage> {
  void operator()(GstMessage* p) const { gst_message_unref(p); }
};
template <>
struct Unref<GstCaps> {
  void operator()(GstCaps* p) const { gst_caps_unref(p); }
};
template <>
struct Unref<GstSample> {
  void operator()(GstSample* p) const { gst_sample_unref(p); }
};
template <>
struct Unref<GstStructure> {
  void operator()(GstStructure* p) const { gst_structure_free(p); }
};
template <>
struct Unref<GstObject> {
  void operator()(GstObject* p) const { gst_object_unref(p); }
};
template <>
struct Unref<GstElement> {
  void operator()(GstElement* p) const { gst_object_unref(p); }
};
template <>
struct Unref<GstPad> {
  void operator()(GstPad* p) const { gst_object_unref(p); }
};
template <>
struct Unref<GstBus> {
  void operator()(GstBus* p) const { gst_object_unref(p); }
};
template <>
struct Unref<GstClock> {
  void operator()(GstClock* p) const { gst_object_unref(p); }
};
template <>
struct Unref<GstBufferPool> {
  void operator()(GstBufferPool* p) const { gst_object_unref(p); }
};
template <>
struct Unref<GstAllocator> {
  void operator()(GstAllocator* p) const { gst_object_unref(p); }
};
template <>
struct Unref<GError> {
  void operator()(GError* p) const { g_error_free(p); }
};
template <>
struct Unref<gchar> {
  void operator()(gchar* p) const { g_free(p); }
};

template <class T>
using Owned = std::unique_ptr<T, Unref<T>>;

// Takes what a call hands over ("transfer full").
template <class T>
Owned<T> adopt(T* p) {
  return Owned<T>(p);
}

// A share of our own in a mini object or object that is only borrowed.
template <class T>
Owned<T> share(T* p) {
  if constexpr (std::is_same_v<T, GstMiniObject> || std::is_same_v<T, GstBufferList> || requires { p->mini_object; })
    return Owned<T>(p ? reinterpret_cast<T*>(gst_mini_object_ref(GST_MINI_OBJECT_CAST(p))) : nullptr);
  else
    return Owned<T>(p ? static_cast<T*>(gst_object_ref(p)) : nullptr);
}

}  // namespace supplier
