// SPDX-License-Identifier: LGPL-2.1-or-later
// Sends what comes before a frame, and the frame.
#include "latestframe/delivery.hpp"

#include <utility>

#include "os/clock.hpp"

GST_DEBUG_CATEGORY_EXTERN(gst_latest_frame_debug);
#define GST_CAT_DEFAULT gst_latest_frame_debug

namespace supplier::latestframe {

GstFlowReturn Delivery::prepare(const Step& step) {
  if (step.resend || step.copies) sent_.reset();
  copies_ |= step.copies;
  if (step.stream_state && step.stream_state != sent_ && !send_stream_state(step)) return GST_FLOW_FLUSHING;
  if (step.kind == Step::Kind::stream_state || !step.stream_state || step.stream_state->headers.empty())
    return GST_FLOW_OK;
  return push_headers(step);
}

bool Delivery::send_stream_state(const Step& step) {
  // The pad knows which of them it has sent already, but for tags.
  const auto sent = std::exchange(sent_, nullptr);
  for (const auto& event : step.stream_state->events) {
    if (sent && sent->has(event.get())) continue;
    if (!enter_(step)) return false;
    GST_LOG_OBJECT(pad_, "sends %" GST_PTR_FORMAT, event.get());
    auto out = copies_ ? adopt(gst_event_copy(event.get())) : share(event.get());
    // The pad sends before the frame what it cannot send now. An event that is not serialized (instant-rate-change) it would
    // send now, and again with the frame.
    if (is_serialized(event.get()))
      gst_pad_push_event(pad_, out.release());
    else
      gst_pad_store_sticky_event(pad_, out.get());
  }
  copies_ = false;
  sent_ = step.stream_state;
  return true;
}

GstFlowReturn Delivery::push_headers(const Step& step) {
  if (std::exchange(generation_, step.generation) != step.generation) header_ = 0;
  for (const Header& header : step.stream_state->headers) {
    if (header.serial <= header_) continue;
    GST_DEBUG_OBJECT(pad_, "pushes stream header %" G_GUINT64_FORMAT, guint64{header.serial});
    if (!enter_(step)) return GST_FLOW_FLUSHING;
    const GstFlowReturn flow = gst_pad_push(pad_, share(header.buffer.get()).release());
    if (flow != GST_FLOW_OK) return flow;
    header_ = header.serial;
  }
  return GST_FLOW_OK;
}

GstFlowReturn Delivery::push(const Step& step) {
  if (!enter_(step)) return GST_FLOW_FLUSHING;
  GstMiniObject* frame = step.item->frame.get();
  GST_LOG_OBJECT(pad_, "pushes frame %" G_GUINT64_FORMAT, guint64{step.item->number});
  if (step.item->is_event()) {
    gst_pad_push_event(pad_, share(GST_EVENT_CAST(frame)).release());
    return GST_FLOW_OK;
  }
  auto out = step.gap && !step.stream_state->raw_video ? with_discont(frame) : share(frame);
  return GST_IS_BUFFER_LIST(out.get()) ? gst_pad_push_list(pad_, GST_BUFFER_LIST_CAST(out.release()))
                                       : gst_pad_push(pad_, GST_BUFFER_CAST(out.release()));
}

std::optional<Wishes> Delivery::ask(const StreamState& stream_state) {
  const bool changed = gst_pad_check_reconfigure(pad_);
  GstCaps* caps = stream_state.caps_of();
  if (!caps || (!changed && asked_ && (caps == asked_.get() || gst_caps_is_equal(caps, asked_.get())))) return {};
  asked_ = share(caps);
  Wishes found{adopt(gst_pad_peer_query_caps(pad_, nullptr)), nullptr, share(caps)};
  const auto query = adopt(gst_query_new_allocation(caps, TRUE));
  if (gst_pad_peer_query(pad_, query.get())) found.allocation = answer_of(query.get());
  GST_DEBUG_OBJECT(pad_, "downstream takes %" GST_PTR_FORMAT "%s", found.caps.get(),
                   found.allocation && found.allocation->pool ? " and offers a pool" : "");
  return found;
}

[[gnu::cold]] void Delivery::log_lost(const Step& step) {
  if (gst_debug_category_get_threshold(GST_CAT_DEFAULT) < GST_LEVEL_DEBUG) return;
  const std::uint64_t now = shmring::now();
  if (step.refused != 0) {
    GST_LOG_OBJECT(pad_, "frame %" G_GUINT64_FORMAT " is older than max-frame-age", guint64{step.refused});
    if (const std::uint64_t count = refused_.due(now))
      GST_DEBUG_OBJECT(pad_,
                       "refused frames older than max-frame-age, last number "
                       "%" G_GUINT64_FORMAT "; times since the last such line: %" G_GUINT64_FORMAT,
                       guint64{step.refused}, guint64{count});
  }
  if (!step.gap || !step.item) return;
  GST_LOG_OBJECT(pad_, "frames before %" G_GUINT64_FORMAT " are missing", guint64{step.item->number});
  if (const std::uint64_t count = missed_.due(now))
    GST_DEBUG_OBJECT(pad_,
                     "dropped frames before number %" G_GUINT64_FORMAT
                     ": newer ones came while the branch was busy; times since "
                     "the last such line: %" G_GUINT64_FORMAT,
                     guint64{step.item->number}, guint64{count});
}

}  // namespace supplier::latestframe
