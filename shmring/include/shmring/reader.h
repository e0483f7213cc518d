/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The reader's side: finds the publisher, waits for frames, holds them without copying.
 *
 * Threads: one thread at a time may call read and latest; interrupt, stats, release and everything on frames may be called by any
 * thread. In a forked child the frames stay readable, releasing them does nothing, and read returns SHMRING_FORKED.
 */
#ifndef SHMRING_READER_H
#define SHMRING_READER_H

#include <shmring/types.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct shmring_reader shmring_reader;
typedef struct shmring_frame shmring_frame;

typedef struct shmring_reader_options {
  size_t struct_size;
  const char* socket_path;    /* of the publisher's socket; the publisher need not be there yet */
  const char* worker;         /* the worker's name, UTF-8, 1 to 63 bytes; NULL: the program's name and process number */
  shmring_policy drop_policy; /* SHMRING_POLICY_DEFAULT: as the publisher set */
  shmring_wake wake;
  uint32_t depth;         /* frames that may wait (0: as many as the publisher grants; `latest` is always 1) */
  uint32_t max_held;      /* frames held at once, of all rings together (0: as many as the publisher grants) */
  uint64_t max_frame_age; /* ns; older frames are released unseen and counted as stale (0: off) */
  bool reconnect;         /* after the publisher's death: wait for the next one (true), or SHMRING_DISCONNECTED */
  double
      max_rate; /* frames taken a second at most (0: no limit): a read waits for its turn, and the publisher wakes it for none in
                             between; with SHMRING_LATEST it then gets the newest one */
} shmring_reader_options;
#define SHMRING_READER_OPTIONS_INIT \
  { sizeof(shmring_reader_options), NULL, NULL, SHMRING_POLICY_DEFAULT, SHMRING_WAKE_BLOCK, 0, 0, 0, true, 0 }

/* Checks whether a publisher may be at this path one day. SHMRING_INVALID, with the reason in shmring_last_error(), where a folder or a file of
 * another kind is in its place, or its folder is missing. A reader waits there nevertheless; with reconnect false it fails to open. */
SHMRING_API shmring_status shmring_reader_check_path(const char* path);
/* Fails only for wrong arguments: a publisher that is not there yet is waited for in read. The first frame is the publisher's newest, unless
 * it was taken under the same name before. Free with shmring_reader_close(). */
SHMRING_API shmring_status shmring_reader_open(const shmring_reader_options* options, shmring_reader** reader);
/* Detaches. Frames still held stay valid until they are released. NULL is allowed. */
SHMRING_API void shmring_reader_close(shmring_reader* reader);

/* Takes the next frame, waiting up to `timeout` ns (0: do not wait; SHMRING_WAIT_FOREVER). The caller releases *frame.
 * After SHMRING_END a read waits for the next stream: of this publisher, or (with `reconnect`) of the next one. Until that begins a
 * waiting read returns SHMRING_END again every 0.5 s, so a loop that goes on after the end neither spins nor hangs.
 * SHMRING_TOO_MANY_HELD is returned at once, but where frames of former rings count in it and there is a time limit: then the read waits for
 * another thread to release one, and returns SHMRING_TIMEOUT if none does. */
SHMRING_API shmring_status shmring_reader_read(shmring_reader* reader, uint64_t timeout, shmring_frame** frame);
/* The same, but skips to the newest frame there is (those skipped count as delivered). */
SHMRING_API shmring_status shmring_reader_latest(shmring_reader* reader, uint64_t timeout, shmring_frame** frame);
/* Makes a waiting read return SHMRING_INTERRUPTED, and every later one until `on` is false again. */
SHMRING_API void shmring_reader_interrupt(shmring_reader* reader, bool on);
/* Gives up everything that is pending now, unseen (counted as delivered and stale). */
SHMRING_API void shmring_reader_flush(shmring_reader* reader);
/* Readable when a read would not wait: a frame, the end, a publisher that came or went. For poll, select, epoll, asyncio. Owned by the
 * reader. After it was readable, read with timeout 0 until SHMRING_TIMEOUT. */
SHMRING_API int shmring_reader_fileno(shmring_reader* reader);
/* Tells whether a publisher is attached now and offers every frame from now on; learned while reading. */
SHMRING_API bool shmring_reader_connected(shmring_reader* reader);
/* The publisher's latency (ns) as it last said; 0 where it said nothing. */
SHMRING_API uint64_t shmring_reader_latency(shmring_reader* reader);

/* Asks the publisher for a key frame, as after a loss in an encoded stream. Publisher and application decide: they hear of the requests of all
 * readers together at most once in 500 ms. Any thread; does not wait. SHMRING_DISCONNECTED: no publisher is attached; SHMRING_REFUSED: its version
 * knows no such request. */
SHMRING_API shmring_status shmring_reader_request_key_frame(shmring_reader* reader);
/* How often a publisher was found, as `attachments` in the stats, but cheap: for each frame. Any thread. */
SHMRING_API uint64_t shmring_reader_attachments(shmring_reader* reader);

/* Several readers in one thread: waits until one of them has a frame or something else to tell, at most `timeout` ns, and asks each once. frames[i]
 * is the next frame of readers[i], which the caller releases, or NULL; statuses[i] is what its read came to: SHMRING_OK, SHMRING_TIMEOUT (nothing),
 * SHMRING_END or another one, for which shmring_last_error() has the reason of the last. Both arrays have `count` places. SHMRING_TIMEOUT: there was
 * nothing of any. */
SHMRING_API shmring_status shmring_select(shmring_reader* const* readers, size_t count, uint64_t timeout,
                                          shmring_frame** frames, shmring_status* statuses);
/* A batch for one model: the newest frames of at most `size` readers, at most one of each. Waits for the first one at most `timeout` ns, then at most
 * `wait` ns for the others. Results are as those of shmring_select(). `next` and `statuses` are zero at first, and then left as they are between
 * calls: with more readers than `size` all get their turn, and streams that had ended are asked but not waited for. SHMRING_END: all have ended. */
SHMRING_API shmring_status shmring_batch(shmring_reader* const* readers, size_t count, size_t size, uint64_t wait,
                                         uint64_t timeout, size_t* next, shmring_frame** frames,
                                         shmring_status* statuses);

/* This reader's own account. */
typedef struct shmring_reader_stats {
  size_t struct_size;
  uint64_t taken;       /* frames taken, over all attachments */
  uint64_t stale;       /* of these, refused as too old or flushed */
  uint64_t missed;      /* sequence numbers never seen between taken ones */
  uint64_t attachments; /* how often a publisher was found */
  uint32_t held;
  uint32_t publisher_pid;
  shmring_policy drop_policy; /* granted; the next three too */
  shmring_wake wake;
  uint32_t depth;
  uint32_t max_held;
  uint64_t last_sequence;
  shmring_times age;  /* publish to take */
  shmring_times hold; /* take to release */
  uint64_t
      protocol_violations; /* publishers left for a protocol violation; the call that found it returned SHMRING_PROTOCOL */
} shmring_reader_stats;
#define SHMRING_READER_STATS_INIT                                                                                      \
  {                                                                                                                    \
    sizeof(shmring_reader_stats), 0, 0, 0, 0, 0, 0, SHMRING_POLICY_DEFAULT, SHMRING_WAKE_BLOCK, 0, 0, 0, {0, 0, 0, 0}, \
        {0, 0, 0, 0}, 0                                                                                                \
  }
SHMRING_API shmring_status shmring_reader_stats_get(shmring_reader* reader, shmring_reader_stats* stats);

/* The ring that a reader is attached to, as it is mapped here: read-only, every frame of that ring lies in it. For those who register memory with
 * a device or the kernel (cuMemHostRegister, io_uring), which is done once for a ring and not for each frame. */
typedef struct shmring_memory {
  size_t struct_size;
  const void* data;
  uint64_t size;       /* bytes */
  uint64_t generation; /* differs for each ring: after a reader has moved to another one, ask again */
  void* owner;         /* the library's own; NULL: nothing to release */
} shmring_memory;
#define SHMRING_MEMORY_INIT \
  { sizeof(shmring_memory), NULL, 0, 0, NULL }
/* Any thread. SHMRING_DISCONNECTED while the reader is attached to no publisher. The memory stays mapped until the release, whatever becomes of
 * reader and publisher; undo a registration before. */
SHMRING_API shmring_status shmring_reader_memory(shmring_reader* reader, shmring_memory* memory);
/* Any thread; a second one does nothing. NULL is allowed. */
SHMRING_API void shmring_memory_release(shmring_memory* memory);

/* A frame's bytes: read-only memory shared with the publisher, valid until the release, whatever happens to reader or publisher. */
SHMRING_API const void* shmring_frame_data(const shmring_frame* frame);
/* Size, times, flags, planes (the format's where the frame has none). Fails only for wrong arguments; the next too. */
SHMRING_API shmring_status shmring_frame_info_get(const shmring_frame* frame, shmring_frame_info* info);
/* When this reader took it; 0 for NULL. */
SHMRING_API uint64_t shmring_frame_taken_at(const shmring_frame* frame);
/* The format; `caps` is valid until the release. */
SHMRING_API shmring_status shmring_frame_format(const shmring_frame* frame, shmring_format* format);
/* Gives the slot back. NULL is allowed. */
SHMRING_API void shmring_frame_release(shmring_frame* frame);

#ifdef __cplusplus
}
#endif
#endif
