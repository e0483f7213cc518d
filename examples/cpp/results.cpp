// SPDX-License-Identifier: LGPL-2.1-or-later
// A worker that sends what it finds: the box around everything bright, in frames of one byte a pixel, as GRAY8 and the first plane of I420.
// Print it with: shmring.ResultReader in Python, or another reader of the ring RESULTS.
//
//   results CAMERA.sock RESULTS.sock [FRAMES]
#include <algorithm>
#include <cstdlib>
#include <iostream>

#include <shmring/results.hpp>

namespace {

constexpr unsigned char kBright = 200;

std::vector<shmring::Object> bright(const shmring::Frame& frame) {
  const shmring_array plane = frame.array(0);  // rows and columns
  std::int64_t left = plane.shape[1], top = plane.shape[0], right = -1, bottom = -1;
  for (std::int64_t row = 0; row < plane.shape[0]; ++row) {
    const auto* pixels = reinterpret_cast<const unsigned char*>(frame.data()) + plane.offset + row * plane.strides[0];
    for (std::int64_t column = 0; column < plane.shape[1]; ++column) {
      if (pixels[column * plane.strides[1]] < kBright) continue;
      left = std::min(left, column);
      right = std::max(right, column);
      top = std::min(top, row);
      bottom = row;
    }
  }
  if (right < 0) return {};
  return {{"bright",
           1,
           {static_cast<double>(left), static_cast<double>(top), static_cast<double>(right + 1 - left),
            static_cast<double>(bottom + 1 - top)}}};
}

}  // namespace

int main(int argc, char** argv) try {
  if (argc < 3) {
    std::cerr << "usage: " << argv[0] << " CAMERA-SOCKET RESULTS-SOCKET [FRAMES]\n";
    return EXIT_FAILURE;
  }
  const long frames = argc > 3 ? std::atol(argv[3]) : -1;

  shmring::ReaderOptions options;
  options.socket_path = argv[1];
  options.worker = "bright";
  options.drop_policy = SHMRING_LATEST;
  shmring::Reader reader(options);
  shmring::Results results({argv[2], "bright", "threshold", argv[1]});

  for (long number = 0; number != frames; ++number) {
    const auto frame = reader.read();
    if (!frame) break;  // the stream ended
    results.send(*frame, bright(*frame));
  }
  return EXIT_SUCCESS;
} catch (const shmring::Error& error) {
  std::cerr << error.what() << '\n';
  return EXIT_FAILURE;
}
