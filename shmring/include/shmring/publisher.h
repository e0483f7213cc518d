/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The publisher's side: owns the ring, never waits for a reader.
 *
 * Threads: any thread may call any function at any time but close, which must be the last. Frames of several threads are published one
 * after the other, each whole. A handle must not be used in a forked child (SHMRING_FORKED).
 */
#ifndef SHMRING_PUBLISHER_H
#define SHMRING_PUBLISHER_H

#include <shmring/types.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct shmring_publisher shmring_publisher;

typedef struct shmring_publisher_options {
  size_t struct_size;
  const char* socket_path;    /* of the socket; its folder must exist; at most 107 bytes */
  uint32_t perms;             /* permission bits of the socket file (0600: this user may connect) */
  uint64_t slot_size;         /* the largest frame, bytes (1 to 2^32) */
  uint32_t slots;             /* 0 = 1 + loans + max_readers × (depth + max_held) */
  uint32_t loans;             /* frames that may be filled, or shared in this process, at once (2) */
  uint32_t max_readers;       /* 1 = exclusive; at most SHMRING_MAX_READERS */
  uint32_t depth;             /* the most frames that a reader may ask to have wait for it (5; 1 to 256) */
  uint32_t max_held;          /* the most frames that a reader may ask to hold at once (4; 1 to 256) */
  shmring_policy drop_policy; /* for readers that do not ask */
} shmring_publisher_options;
#define SHMRING_PUBLISHER_OPTIONS_INIT \
  { sizeof(shmring_publisher_options), NULL, 0600, 0, 0, 2, 1, 5, 4, SHMRING_DROP_NEWEST }

/* A slot being filled. `data` has `capacity` writable bytes until publish or discard. */
typedef struct shmring_loan {
  size_t struct_size;
  void* data;
  uint64_t capacity;
  uint64_t ticket; /* the library's own; 0: no loan */
} shmring_loan;
#define SHMRING_LOAN_INIT \
  { sizeof(shmring_loan), NULL, 0, 0 }

/* Makes the ring and begins to listen. SHMRING_IN_USE names the live publisher of the path. A socket file left behind by a
 * dead publisher is replaced. The caller frees *publisher with shmring_publisher_close(). */
SHMRING_API shmring_status shmring_publisher_open(const shmring_publisher_options* options,
                                                  shmring_publisher** publisher);
/* Says goodbye to the readers, removes the socket file, frees the handle. Frames that readers hold stay valid. NULL is allowed. */
SHMRING_API void shmring_publisher_close(shmring_publisher* publisher);

/* Sets the format of the frames published from now on. Copies what it needs. Readers find it on each frame. */
SHMRING_API shmring_status shmring_publisher_set_format(shmring_publisher* publisher, const shmring_format* format);
/* Sets the latency of the pipeline before the ring (ns), a part of a frame's age; readers report it in their own latency. Without a call it is
 * measured: the longest time from a frame's pts to its publication, up to 10 s. */
SHMRING_API void shmring_publisher_set_latency(shmring_publisher* publisher, uint64_t latency);
/* A new ring with larger (or smaller) slots on the same path; readers move over by themselves after draining the old one.
 * SHMRING_NO_MEMORY: there is no room for it, or so many former rings are held (shmring_last_error() names the holders); the present one goes on. */
SHMRING_API shmring_status shmring_publisher_resize(shmring_publisher* publisher, uint64_t slot_size);

/* Borrows a slot to fill. SHMRING_FULL at once when none is free (nothing is counted until a frame is offered). */
SHMRING_API shmring_status shmring_publisher_loan(shmring_publisher* publisher, shmring_loan* loan);
/* Publishes a filled loan: `info->size` bytes, with its times, flags and planes (sequence and published_at are set by the ring, and
 * written back). Returns SHMRING_OK also when no reader is there; SHMRING_INVALID, and counts the frame as malformed, if the format is
 * raw video whose rows do not lie within the frame. The loan ends, unless an argument is NULL or was not initialised. */
SHMRING_API shmring_status shmring_publisher_publish(shmring_publisher* publisher, shmring_loan* loan,
                                                     shmring_frame_info* info);
/* Gives a loan back unpublished. */
SHMRING_API void shmring_publisher_discard(shmring_publisher* publisher, shmring_loan* loan);
/* Copies `info->size` bytes into a slot and publishes it. SHMRING_FULL: dropped and counted for every reader;
 * SHMRING_INVALID as in shmring_publisher_publish(). */
SHMRING_API shmring_status shmring_publisher_write(shmring_publisher* publisher, const void* data,
                                                   shmring_frame_info* info);

/* Tells whether readers ask for a key frame: true once for all requests that came since it was last, and at most once in 500 ms, because each key
 * frame takes bit rate from every reader. Cheap: ask before each frame that is encoded. Who never asks ignores them. */
SHMRING_API bool shmring_publisher_key_frame_requested(shmring_publisher* publisher);

/* End of stream: readers take what is pending, then get SHMRING_END. Closing alone does not end them: they wait for the next publisher. */
SHMRING_API shmring_status shmring_publisher_end(shmring_publisher* publisher);

/* The ring's stats, and up to `capacity` accounts (of readers attached now, then gone); *count receives how many there are.
 * `account_size` is sizeof(shmring_reader_account): a library that knows less of an account fills the rest of each with zeros. `accounts`
 * and `count` may be NULL. */
SHMRING_API shmring_status shmring_publisher_stats(shmring_publisher* publisher, shmring_ring_stats* ring,
                                                   shmring_reader_account* accounts, size_t account_size,
                                                   size_t capacity, size_t* count);

#ifdef __cplusplus
}
#endif
#endif
