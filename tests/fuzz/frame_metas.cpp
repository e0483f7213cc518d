// SPDX-License-Identifier: LGPL-2.1-or-later
// A frame's metadata as shmringsrc gets it from a publisher: it becomes metas, or is said to make no sense.
#include "base/frame_metas.hpp"

#include <algorithm>
#include <cstring>

#include <gst/gst.h>

#include "abi/metas.hpp"
#include "base/owned.hpp"
#include "fuzz.hpp"

namespace {

using Bytes = std::span<const std::byte>;

// Rows inside rows, as readers in C and Python take them apart. Relations of analytics are between items that are there.
void read_row(Bytes row, bool analytics) {
  std::size_t items = 0, named = 0;
  shmring_meta meta;
  while (shmring::take_meta(row, meta)) {
    const Bytes data(static_cast<const std::byte*>(meta.data), meta.data_size);
    fuzz::touch({reinterpret_cast<const std::byte*>(meta.name), meta.name_size});
    fuzz::touch(data);
    if (meta.kind == SHMRING_META_ANALYTICS || meta.kind == SHMRING_META_CLASSIFICATION) {
      FUZZ_CHECK(shmring::are_metas(data));
      read_row(data, meta.kind == SHMRING_META_ANALYTICS);
    }
    if (meta.kind != SHMRING_META_RELATIONS) {
      ++items;
      continue;
    }
    for (std::size_t at = 0; at < data.size(); at += sizeof(shmring_relation)) {
      shmring_relation relation;
      FUZZ_CHECK(data.size() - at >= sizeof relation);
      std::memcpy(&relation, data.data() + at, sizeof relation);
      named = std::max<std::size_t>({named, relation.first + 1u, relation.second + 1u});
    }
  }
  FUZZ_CHECK(!analytics || (row.empty() && named <= items));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  [[maybe_unused]] static const bool initialized = [] {
    gst_init(nullptr, nullptr);
    gst_debug_set_default_threshold(GST_LEVEL_NONE);  // what is refused need not be told a million times
    g_log_set_default_handler([](const char*, GLogLevelFlags, const char*, void*) {}, nullptr);
    return true;
  }();
  const auto bytes = std::as_bytes(std::span(data, size));
  read_row(bytes, false);
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
