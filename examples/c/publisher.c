// SPDX-License-Identifier: LGPL-2.1-or-later
// Publishes a moving grey bar, 30 frames a second, drawn in place in shared memory.
//
//   publisher cam.sock [FRAMES]
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <threads.h>

#include <shmring/shmring.h>

static int fail(const char* what) {
  fprintf(stderr, "%s: %s\n", what, shmring_last_error());
  return EXIT_FAILURE;
}

static void draw(unsigned char* pixels, const shmring_format* format, unsigned number) {
  const size_t stride = (size_t)format->planes[0].stride;
  for (uint32_t y = 0; y < format->height; ++y) {
    for (uint32_t x = 0; x < format->width; ++x) {
      pixels[y * stride + x] = (unsigned char)((x + number) % format->width < 16 ? 255 : y);
    }
  }
}

int main(int argc, char** argv) {
  if (argc < 2) {
    fprintf(stderr, "usage: %s SOCKET [FRAMES]\n", argv[0]);
    return EXIT_FAILURE;
  }
  const unsigned frames = argc > 2 ? (unsigned)atoi(argv[2]) : 0;

  char caps[256];
  shmring_format format = SHMRING_FORMAT_INIT;
  const uint64_t size = shmring_format_video(&format, SHMRING_GRAY8, 320, 240, caps, sizeof caps);

  shmring_publisher_options options = SHMRING_PUBLISHER_OPTIONS_INIT;
  options.socket_path = argv[1];
  options.slot_size = size;
  options.max_readers = 4;
  shmring_publisher* publisher;
  if (shmring_publisher_open(&options, &publisher) != SHMRING_OK) return fail(argv[1]);
  if (shmring_publisher_set_format(publisher, &format) != SHMRING_OK) return fail("format");

  for (unsigned number = 0; frames == 0 || number < frames; ++number) {
    shmring_loan loan = SHMRING_LOAN_INIT;
    const shmring_status status = shmring_publisher_loan(publisher, &loan);
    if (status == SHMRING_OK) {
      draw(loan.data, &format, number);
      shmring_frame_info info = SHMRING_FRAME_INFO_INIT;
      info.size = size;
      info.pts = shmring_now();
      if (shmring_publisher_publish(publisher, &loan, &info) != SHMRING_OK) return fail("publish");
    } else if (status != SHMRING_FULL) {  // full: every slot is with a reader; the next frame may find one
      return fail("loan");
    }
    thrd_sleep(&(struct timespec){.tv_nsec = 33333333}, NULL);
  }
  shmring_publisher_end(publisher);
  shmring_publisher_close(publisher);
  return EXIT_SUCCESS;
}
