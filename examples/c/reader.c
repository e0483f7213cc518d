// SPDX-License-Identifier: LGPL-2.1-or-later
// Takes the newest frame, always, and prints its mean brightness. Starts before or after the publisher, and outlives
// its restarts.
//
//   reader cam.sock [FRAMES]
#include <stdio.h>
#include <stdlib.h>

#include <shmring/shmring.h>

int main(int argc, char** argv) {
  if (argc < 2) {
    fprintf(stderr, "usage: %s SOCKET [FRAMES]\n", argv[0]);
    return EXIT_FAILURE;
  }
  const unsigned frames = argc > 2 ? (unsigned)atoi(argv[2]) : 0;

  shmring_reader_options options = SHMRING_READER_OPTIONS_INIT;
  options.socket_path = argv[1];
  options.worker = "example-c";
  options.drop_policy = SHMRING_LATEST;
  shmring_reader* reader;
  if (shmring_reader_open(&options, &reader) != SHMRING_OK) {
    fprintf(stderr, "%s: %s\n", argv[1], shmring_last_error());
    return EXIT_FAILURE;
  }

  shmring_status status = SHMRING_OK;
  for (unsigned number = 0; frames == 0 || number < frames; ++number) {
    shmring_frame* frame;
    status = shmring_reader_read(reader, SHMRING_WAIT_FOREVER, &frame);
    if (status != SHMRING_OK) break;

    shmring_frame_info info = SHMRING_FRAME_INFO_INIT;
    shmring_frame_info_get(frame, &info);
    const unsigned char* bytes = shmring_frame_data(frame);
    uint64_t sum = 0;
    for (uint64_t i = 0; i < info.size; ++i) sum += bytes[i];
    printf("frame %llu, %.3f ms old, mean %.1f\n", (unsigned long long)info.sequence,
           (double)(shmring_now() - info.published_at) / 1e6, (double)sum / (double)info.size);
    shmring_frame_release(frame);
  }
  if (status != SHMRING_OK && status != SHMRING_END) fprintf(stderr, "%s: %s\n", argv[1], shmring_last_error());
  shmring_reader_close(reader);
  return status == SHMRING_OK || status == SHMRING_END ? EXIT_SUCCESS : EXIT_FAILURE;
}
