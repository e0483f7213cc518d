// SPDX-License-Identifier: LGPL-2.1-or-later
// A frame's metadata as shmringsrc gets it from a publisher: it becomes metas, or is said to make no sense.
#include "base/frame_metas.hpp"

#include <gst/gst.h>

#include "abi/metas.hpp"
#include "base/owned.hpp"
#include "fuzz.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  [[maybe_unused]] static const bool initialized = [] {
    gst_init(nullptr, nullptr);
    gst_debug_set_default_threshold(GST_LEVEL_NONE);  // what is refused need not be told a million times
    g_log_set_default_handler([](const char*, GLogLevelFlags, const char*, void*) {}, nullptr);
    return true;
  }();
  const auto bytes = std::as_bytes(std::span(data, size));
  supplier::MetasReader reader;
  const auto first = supplier::adopt(gst_buffer_new()), second = supplier::adopt(gst_buffer_new());
  const bool sense = reader.add_to(first.get(), bytes);
  FUZZ_CHECK(reader.add_to(second.get(), bytes) == sense);  // what it remembers changes nothing
  // Valid metas are written back as records. GStreamer's parser may not take back all text that its printer gives.
  supplier::MetasWriter writer;
  const auto written = writer.write(first.get());
  FUZZ_CHECK(written.size() <= SHMRING_METADATA_SIZE);
  FUZZ_CHECK(shmring::are_metas(written));
  supplier::MetasReader().add_to(second.get(), written);
  return 0;
}
