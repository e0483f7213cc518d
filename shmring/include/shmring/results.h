/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Results: what a worker found in a frame, as JSON in a ring of its own. docs/results.md has the fields.
 */
#ifndef SHMRING_RESULTS_H
#define SHMRING_RESULTS_H

#include <shmring/types.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Caps of a stream of results. The time of each (pts) is that of the frame which it is of. */
#define SHMRING_RESULT_CAPS "application/x-frame-results, format=(string)json"
#define SHMRING_RESULT_SIZE 65536 /* the largest JSON */

/* Checks whether the bytes are a result: SHMRING_INVALID, and shmring_last_error() says what is wrong. */
SHMRING_API shmring_status shmring_result_check(const void* json, size_t size);

#ifdef __cplusplus
}
#endif
#endif
