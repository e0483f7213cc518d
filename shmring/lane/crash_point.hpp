// SPDX-License-Identifier: LGPL-2.1-or-later
// Steps at which a test kills a process, to show that no other process suffers. They are compiled only in
// tests/chaos, which builds a copy of the library with SHMRING_CRASH_POINTS and defines crash_point().
#pragma once

// number by order: name, what has just been done when it is reached
#define SHMRING_PUBLISHER_CRASH_POINTS(X)                         \
  X(ring_allocated, "memory of a ring allocated, not yet sealed") \
  X(ring_sealed, "a ring sealed")                                 \
  X(path_locked, "the file made that locks its path")             \
  X(path_cleared, "a dead publisher's file removed")              \
  X(socket_bound, "the socket's file made, not listening yet")    \
  X(listening, "listening, not accepting yet")                    \
  X(accepted, "a connection accepted")                            \
  X(hello_heard, "HELLO understood")                              \
  X(lane_allocated, "memory of a lane made")                      \
  X(welcome_sent, "WELCOME sent")                                 \
  X(mapped_heard, "MAPPED understood")                            \
  X(lane_sealed, "the lane sealed for good")                      \
  X(lane_added, "the lane handed over to the publishing side")    \
  X(lane_activated, "the lane's first frame offered")             \
  X(format_set, "another format set")                             \
  X(slot_lent, "a slot lent")                                     \
  X(descriptor_written, "a frame's descriptor written")           \
  X(format_written, "a frame's format written into its slot")     \
  X(oldest_evicted, "a waiting frame evicted")                    \
  X(entry_stored, "an entry stored, head not yet")                \
  X(head_stored, "a head stored")                                 \
  X(lane_offered, "a frame offered to one lane of several")       \
  X(fence_passed, "all heads stored, the waiting flags not read") \
  X(wakeup_claimed, "a waiting flag cleared, not yet notified")   \
  X(notified, "a reader notified")                                \
  X(slot_taken_back, "an acknowledged slot taken back")           \
  X(ring_replaced, "a new ring made, readers not told")           \
  X(readers_sent_on, "readers told to come again")                \
  X(end_told, "a reader told of the end")                         \
  X(lane_retired, "a lane retired")                               \
  X(lane_freed, "a lane freed")                                   \
  X(lane_forgotten, "a lane's account added up")                  \
  X(goodbye_said, "closing, readers told")                        \
  X(file_removed, "closing, the socket's file removed")

#define SHMRING_READER_CRASH_POINTS(X)                    \
  X(connected, "connected")                               \
  X(hello_sent, "HELLO sent")                             \
  X(welcome_heard, "WELCOME understood, nothing mapped")  \
  X(ring_mapped, "the ring mapped")                       \
  X(lane_mapped, "the lane mapped, not yet told")         \
  X(mapped_sent, "MAPPED sent")                           \
  X(entry_read, "an entry read, tail not yet moved")      \
  X(tail_moved, "a frame taken, its descriptor not read") \
  X(descriptor_checked, "its descriptor checked")         \
  X(frame_held, "the frame held and counted")             \
  X(release_begun, "a release counted, not acknowledged") \
  X(acknowledged, "a frame acknowledged")                 \
  X(socket_emptied, "its socket emptied before sleeping") \
  X(armed, "waiting set, not looked again")               \
  X(falling_asleep, "about to sleep")                     \
  X(woken, "woken")                                       \
  X(end_heard, "END understood")                          \
  X(again_heard, "told to come again")                    \
  X(goodbye_sent, "BYE sent, still mapped")               \
  X(detached, "detached")

namespace shmring {

enum class CrashPoint {
#define SHMRING_CRASH_POINT_NAME(name, after) name,
  SHMRING_PUBLISHER_CRASH_POINTS(SHMRING_CRASH_POINT_NAME) SHMRING_READER_CRASH_POINTS(SHMRING_CRASH_POINT_NAME)
#undef SHMRING_CRASH_POINT_NAME
};

#if defined(SHMRING_CRASH_POINTS)
void crash_point(CrashPoint point);
#define SHMRING_CRASH_POINT(name) ::shmring::crash_point(::shmring::CrashPoint::name)
#else
#define SHMRING_CRASH_POINT(name) static_cast<void>(::shmring::CrashPoint::name)
#endif

}  // namespace shmring
