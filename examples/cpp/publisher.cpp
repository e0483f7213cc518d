// SPDX-License-Identifier: LGPL-2.1-or-later
// Publishes a moving grey bar, 30 frames a second, drawn in place in shared memory.
//
//   publisher cam.sock [FRAMES]
#include <chrono>
#include <cstdlib>
#include <iostream>
#include <thread>

#include <shmring/shmring.hpp>

namespace {

void draw(std::byte* pixels, const shmring_format& format, unsigned number) {
  for (unsigned y = 0; y < format.height; ++y) {
    std::byte* row = pixels + static_cast<std::size_t>(format.planes[0].stride) * y;
    for (unsigned x = 0; x < format.width; ++x) {
      row[x] = static_cast<std::byte>((x + number) % format.width < 16 ? 255 : y);
    }
  }
}

}  // namespace

int main(int argc, char** argv) try {
  if (argc < 2) {
    std::cerr << "usage: " << argv[0] << " SOCKET [FRAMES]\n";
    return EXIT_FAILURE;
  }
  const long frames = argc > 2 ? std::atol(argv[2]) : -1;

  const shmring::Format format(SHMRING_GRAY8, 320, 240);
  shmring::PublisherOptions options;
  options.socket_path = argv[1];
  options.max_readers = 4;
  shmring::Publisher publisher(options, format);

  for (unsigned number = 0; number != frames; ++number) {
    if (auto loan = publisher.loan()) {  // empty: every slot is with a reader; the next frame may find one
      draw(loan->data(), format.get(), number);
      auto info = shmring::frame_info(format.frame_size(), shmring_now());
      publisher.publish(std::move(*loan), info);
    }
    std::this_thread::sleep_for(std::chrono::nanoseconds(33333333));
  }
  publisher.end();
  return EXIT_SUCCESS;
} catch (const shmring::Error& error) {
  std::cerr << error.what() << '\n';
  return EXIT_FAILURE;
}
