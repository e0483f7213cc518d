/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * A ring of frames in shared memory: one publisher that never waits, readers that share each frame without a copy.
 *
 *   shmring_publisher_options o = SHMRING_PUBLISHER_OPTIONS_INIT;   shmring_reader_options o = SHMRING_READER_OPTIONS_INIT;
 *   o.socket_path = "/run/cam/cam.sock"; o.slot_size = 1 << 20;     o.socket_path = "/run/cam/cam.sock"; o.worker = "worker";
 *   shmring_publisher *p;                                           shmring_reader *r; shmring_frame *f;
 *   shmring_publisher_open(&o, &p);                                 shmring_reader_open(&o, &r);
 *   shmring_loan loan = SHMRING_LOAN_INIT;                          while (shmring_reader_read(r, SHMRING_WAIT_FOREVER, &f) == SHMRING_OK) {
 *   shmring_frame_info info = SHMRING_FRAME_INFO_INIT;                look_at(shmring_frame_data(f));
 *   if (shmring_publisher_loan(p, &loan) == SHMRING_OK) {             shmring_frame_release(f);
 *     info.size = fill(loan.data, loan.capacity);                   }
 *     shmring_publisher_publish(p, &loan, &info); }
 */
#ifndef SHMRING_SHMRING_H
#define SHMRING_SHMRING_H

#include <shmring/inspect.h>
#include <shmring/publisher.h>
#include <shmring/reader.h>
#include <shmring/results.h>
#include <shmring/types.h>
#include <shmring/version.h>

#endif
