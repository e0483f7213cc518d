// SPDX-License-Identifier: LGPL-2.1-or-later
// Takes the newest frame, always, and prints its mean brightness. Starts before or after the publisher, and outlives
// its restarts.
//
//   reader cam.sock [FRAMES]
#include <cstdlib>
#include <iostream>
#include <numeric>

#include <shmring/shmring.hpp>

int main(int argc, char** argv) try {
  if (argc < 2) {
    std::cerr << "usage: " << argv[0] << " SOCKET [FRAMES]\n";
    return EXIT_FAILURE;
  }
  const long frames = argc > 2 ? std::atol(argv[2]) : -1;

  shmring::ReaderOptions options;
  options.socket_path = argv[1];
  options.worker = "example-cpp";
  options.drop_policy = SHMRING_LATEST;
  shmring::Reader reader(options);

  for (long number = 0; number != frames; ++number) {
    const auto frame = reader.read();
    if (!frame) break;  // the stream ended
    const auto* bytes = reinterpret_cast<const unsigned char*>(frame->data());
    const auto sum = std::accumulate(bytes, bytes + frame->size(), std::uint64_t{0});
    std::cout << "frame " << frame->info().sequence << ", " << static_cast<double>(frame->age().count()) / 1e6
              << " ms old, mean " << static_cast<double>(sum) / static_cast<double>(frame->size()) << '\n';
  }
  return EXIT_SUCCESS;
} catch (const shmring::Error& error) {
  std::cerr << error.what() << '\n';
  return EXIT_FAILURE;
}
