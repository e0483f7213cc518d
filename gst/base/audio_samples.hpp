// SPDX-License-Identifier: LGPL-2.1-or-later
// Where the samples of a raw audio buffer are. In the ring they lie as caps alone say: interleaved, or one channel after
// the other.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include <gst/audio/audio.h>
#include <gst/gst.h>

namespace supplier {

enum class Samples {
  plain,      // as in the ring
  scattered,  // a GstAudioMeta says where: MappedSamples gathers them
  broken,     // not within the buffer
};
Samples samples_in(GstBuffer* buffer, const GstAudioInfo& audio);

// Maps the samples of a buffer for reading, in the order in which they lie in the ring.
class MappedSamples {
 public:
  MappedSamples(GstBuffer* buffer, const GstAudioInfo& audio);
  ~MappedSamples();
  MappedSamples(const MappedSamples&) = delete;
  MappedSamples& operator=(const MappedSamples&) = delete;

  bool complete() const { return mapped_; }
  std::span<const std::span<const std::byte>> parts() const { return parts_; }

 private:
  GstAudioBuffer buffer_{};
  bool mapped_;
  std::vector<std::span<const std::byte>> parts_;
};

// Adds the GstAudioMeta without which GStreamer cannot map planar audio from the ring. False: `buffer` has no whole
// number of samples.
bool add_samples_meta(GstBuffer* buffer, const GstAudioInfo& audio);

}  // namespace supplier
