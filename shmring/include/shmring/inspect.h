/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Looking at a live ring from outside, without a lane and without any memory of it.
 */
#ifndef SHMRING_INSPECT_H
#define SHMRING_INSPECT_H

#include <shmring/types.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct shmring_observer shmring_observer;

/* Connects to the publisher at `path`. SHMRING_DISCONNECTED: no publisher is there. Free with shmring_observer_close(). */
SHMRING_API shmring_status shmring_observer_open(const char* path, uint64_t timeout, shmring_observer** observer);
SHMRING_API void shmring_observer_close(shmring_observer* observer);
/* As shmring_publisher_stats(). SHMRING_DISCONNECTED once the publisher is gone. */
SHMRING_API shmring_status shmring_observer_stats(shmring_observer* observer, uint64_t timeout,
                                                  shmring_ring_stats* ring, shmring_reader_account* accounts,
                                                  size_t account_size, size_t capacity, size_t* count);

#ifdef __cplusplus
}
#endif
#endif
