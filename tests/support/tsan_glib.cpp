// SPDX-License-Identifier: LGPL-2.1-or-later
// Tells ThreadSanitizer what GLib and GStreamer order between threads. Both were built without it, and their locks,
// conditions and reference counts are invisible to it: each is called through here. Only calls
// from one library to another come by; what a library does within itself is in tsan.supp.
#include <dlfcn.h>

#include <gst/gst.h>
#include <sanitizer/tsan_interface.h>

#undef g_object_ref
#undef g_once_init_enter
#undef g_once_init_leave

namespace {

template <class Function>
Function* next(Function*, const char* name) {
  return reinterpret_cast<Function*>(dlsym(RTLD_NEXT, name));
}

void acquire(const volatile void* object) { __tsan_acquire(const_cast<void*>(object)); }
void release(const volatile void* object) { __tsan_release(const_cast<void*>(object)); }

}  // namespace

// The function of that name in the library behind this one.
#define REAL(name) static auto* const real = next(&name, #name)

// Functions that lock, try to lock and unlock what they are given.
#define ACQUIRES(name, Lock) \
  void name(Lock* lock) {    \
    REAL(name);              \
    real(lock);              \
    acquire(lock);           \
  }
#define TRIES(name, Lock)               \
  gboolean name(Lock* lock) {           \
    REAL(name);                         \
    const gboolean locked = real(lock); \
    if (locked) acquire(lock);          \
    return locked;                      \
  }
#define RELEASES(name, Lock) \
  void name(Lock* lock) {    \
    REAL(name);              \
    release(lock);           \
    real(lock);              \
  }

extern "C" {

ACQUIRES(g_mutex_lock, GMutex)
TRIES(g_mutex_trylock, GMutex)
RELEASES(g_mutex_unlock, GMutex)
ACQUIRES(g_rec_mutex_lock, GRecMutex)
TRIES(g_rec_mutex_trylock, GRecMutex)
RELEASES(g_rec_mutex_unlock, GRecMutex)
ACQUIRES(g_rw_lock_reader_lock, GRWLock)
RELEASES(g_rw_lock_reader_unlock, GRWLock)
ACQUIRES(g_rw_lock_writer_lock, GRWLock)
RELEASES(g_rw_lock_writer_unlock, GRWLock)

void g_cond_wait(GCond* condition, GMutex* mutex) {
  REAL(g_cond_wait);
  release(mutex);
  real(condition, mutex);
  acquire(mutex);
}
gboolean g_cond_wait_until(GCond* condition, GMutex* mutex, gint64 end) {
  REAL(g_cond_wait_until);
  release(mutex);
  const gboolean signalled = real(condition, mutex, end);
  acquire(mutex);
  return signalled;
}

void g_bit_lock(volatile gint* address, gint bit) {
  REAL(g_bit_lock);
  real(address, bit);
  acquire(address);
}
void g_bit_unlock(volatile gint* address, gint bit) {
  REAL(g_bit_unlock);
  release(address);
  real(address, bit);
}

gboolean(g_once_init_enter)(volatile void* location) {
  REAL(g_once_init_enter);
  const gboolean first = real(location);
  if (!first) acquire(location);
  return first;
}
void(g_once_init_leave)(volatile void* location, gsize result) {
  REAL(g_once_init_leave);
  release(location);
  real(location, result);
}

// The last one to let go sees what all others did with it.
gpointer g_object_ref(gpointer object) {
  REAL(g_object_ref);
  gpointer same = real(object);
  acquire(object);
  return same;
}
void g_object_unref(gpointer object) {
  REAL(g_object_unref);
  release(object);
  acquire(object);
  real(object);
}
void gst_mini_object_unref(GstMiniObject* object) {
  REAL(gst_mini_object_unref);
  release(object);
  acquire(object);
  real(object);
}
gboolean gst_mini_object_is_writable(const GstMiniObject* object) {
  REAL(gst_mini_object_is_writable);
  const gboolean writable = real(object);
  acquire(object);
  return writable;
}

// A handler that was connected, and what it is given.
gulong g_signal_connect_data(gpointer instance, const gchar* signal, GCallback handler, gpointer data,
                             GClosureNotify destroy, GConnectFlags flags) {
  REAL(g_signal_connect_data);
  release(instance);
  return real(instance, signal, handler, data, destroy, flags);
}
void g_signal_emit_valist(gpointer instance, guint signal, GQuark detail, va_list arguments) {
  REAL(g_signal_emit_valist);
  acquire(instance);
  real(instance, signal, detail, arguments);
}
void g_signal_emit(gpointer instance, guint signal, GQuark detail, ...) {
  va_list arguments;
  va_start(arguments, detail);
  g_signal_emit_valist(instance, signal, detail, arguments);
  va_end(arguments);
}

gulong gst_pad_add_probe(GstPad* pad, GstPadProbeType mask, GstPadProbeCallback callback, gpointer data,
                         GDestroyNotify destroy) {
  REAL(gst_pad_add_probe);
  release(pad);
  return real(pad, mask, callback, data, destroy);
}

// A call on its way to a thread of GStreamer's pool, which takes it from GLib.
void gst_element_call_async(GstElement* element, GstElementCallAsyncFunc function, gpointer data,
                            GDestroyNotify destroy) {
  REAL(gst_element_call_async);
  struct Call {
    GstElementCallAsyncFunc function;
    gpointer data;
    GDestroyNotify destroy;
  };
  auto* call = new Call{function, data, destroy};
  release(element);
  real(
      element,
      [](GstElement* called, gpointer what) {
        acquire(called);
        const auto* due = static_cast<Call*>(what);
        due->function(called, due->data);
      },
      call,
      [](gpointer what) {
        const auto* done = static_cast<Call*>(what);
        if (done->destroy) done->destroy(done->data);
        delete done;
      });
}

// Messages on their way through a bus: its queue is without locks. All buses alike: which one it is is known inside only.
static char messages;

gboolean gst_bus_post(GstBus* bus, GstMessage* message) {
  REAL(gst_bus_post);
  release(&messages);
  return real(bus, message);
}
gboolean gst_element_post_message(GstElement* element, GstMessage* message) {
  REAL(gst_element_post_message);
  release(&messages);
  return real(element, message);
}
GstMessage* gst_bus_timed_pop_filtered(GstBus* bus, GstClockTime timeout, GstMessageType types) {
  REAL(gst_bus_timed_pop_filtered);
  GstMessage* message = real(bus, timeout, types);
  acquire(&messages);
  return message;
}

}  // extern "C"
