// SPDX-License-Identifier: LGPL-2.1-or-later
#include "base/audio_samples.hpp"

namespace supplier {
namespace {

bool is_planar(const GstAudioInfo& audio) { return GST_AUDIO_INFO_LAYOUT(&audio) == GST_AUDIO_LAYOUT_NON_INTERLEAVED; }

gsize channel_size(const GstAudioInfo& audio, gsize samples) {
  return samples * static_cast<gsize>(GST_AUDIO_INFO_BPF(&audio) / GST_AUDIO_INFO_CHANNELS(&audio));
}

}  // namespace

Samples samples_in(GstBuffer* buffer, const GstAudioInfo& audio) {
  const gsize size = gst_buffer_get_size(buffer);
  const auto all_channels = static_cast<gsize>(GST_AUDIO_INFO_BPF(&audio));
  const GstAudioMeta* meta = gst_buffer_get_audio_meta(buffer);
  if (!meta) return size % all_channels == 0 ? Samples::plain : Samples::broken;
  if (GST_AUDIO_INFO_BPF(&meta->info) != GST_AUDIO_INFO_BPF(&audio) ||
      GST_AUDIO_INFO_CHANNELS(&meta->info) != GST_AUDIO_INFO_CHANNELS(&audio) ||
      GST_AUDIO_INFO_LAYOUT(&meta->info) != GST_AUDIO_INFO_LAYOUT(&audio) || meta->samples > size / all_channels)
    return Samples::broken;
  const bool whole = meta->samples * all_channels == size;
  if (!is_planar(audio)) return whole ? Samples::plain : Samples::scattered;
  if (!meta->offsets) return Samples::broken;
  const gsize channel = channel_size(audio, meta->samples);
  bool plain = whole;
  for (gint i = 0; i < GST_AUDIO_INFO_CHANNELS(&audio); ++i) {
    if (meta->offsets[i] > size || channel > size - meta->offsets[i]) return Samples::broken;
    plain = plain && meta->offsets[i] == static_cast<gsize>(i) * channel;
  }
  return plain ? Samples::plain : Samples::scattered;
}

MappedSamples::MappedSamples(GstBuffer* buffer, const GstAudioInfo& audio)
    : mapped_(gst_audio_buffer_map(&buffer_, &audio, buffer, GST_MAP_READ)) {
  if (!mapped_) return;
  const gsize part = is_planar(audio) ? channel_size(audio, buffer_.n_samples)
                                      : buffer_.n_samples * static_cast<gsize>(GST_AUDIO_INFO_BPF(&audio));
  for (gint i = 0; i < buffer_.n_planes; ++i)
    parts_.push_back(std::as_bytes(std::span(static_cast<const guint8*>(buffer_.planes[i]), part)));
}

MappedSamples::~MappedSamples() {
  if (mapped_) gst_audio_buffer_unmap(&buffer_);
}

bool add_samples_meta(GstBuffer* buffer, const GstAudioInfo& audio) {
  const gsize size = gst_buffer_get_size(buffer);
  const auto all_channels = static_cast<gsize>(GST_AUDIO_INFO_BPF(&audio));
  if (size % all_channels != 0) return false;
  if (is_planar(audio) && size != 0 && !gst_buffer_get_audio_meta(buffer))
    gst_buffer_add_audio_meta(buffer, &audio, size / all_channels, nullptr);
  return true;
}

}  // namespace supplier
