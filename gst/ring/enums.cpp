// SPDX-License-Identifier: LGPL-2.1-or-later
// The enumerations of the ring's elements, as GObject types.
#include "ring/enums.hpp"

namespace supplier {
namespace {

constexpr GEnumValue kDropNewest{
    SHMRING_DROP_NEWEST, "First in, first out: the new frame is dropped while depth frames wait", "drop-newest"};
constexpr GEnumValue kDropOldest{SHMRING_DROP_OLDEST, "The oldest waiting frame gives way", "drop-oldest"};
constexpr GEnumValue kLatest{SHMRING_LATEST, "One frame waits, always the newest", "latest"};
constexpr GEnumValue kEnd{0, nullptr, nullptr};

const GEnumValue kPolicies[] = {kDropNewest, kDropOldest, kLatest, kEnd};
const GEnumValue kReaderPolicies[] = {
    kDropNewest, kDropOldest, kLatest, {SHMRING_POLICY_DEFAULT, "As the publisher sets it", "publisher"}, kEnd};
const GEnumValue kWakes[] = {
    {SHMRING_WAKE_BLOCK, "Sleep until a frame comes", "block"},
    {SHMRING_WAKE_ADAPTIVE, "Sleep until just before the next frame is due, then spin briefly", "adaptive"},
    kEnd};
const GEnumValue kOnDisconnects[] = {
    {static_cast<int>(OnDisconnect::wait), "Wait for the next publisher", "wait"},
    {static_cast<int>(OnDisconnect::eos), "End the stream", "eos"},
    {static_cast<int>(OnDisconnect::error), "Post an error", "error"},
    {static_cast<int>(OnDisconnect::repeat),
     "Wait for the next publisher, and meanwhile repeat the last picture or give silence, marked GAP", "repeat"},
    kEnd};
const GEnumValue kForwardEos[] = {
    {static_cast<int>(ForwardEos::automatic), "Unless upstream is live", "auto"},
    {static_cast<int>(ForwardEos::always), "Unless the pipeline posted an error before", "always"},
    {static_cast<int>(ForwardEos::never), "Readers never get an end of the stream", "never"},
    kEnd};

}  // namespace

GType policy_type() {
  static const GType type = g_enum_register_static("GstShmRingPolicy", kPolicies);
  return type;
}

GType reader_policy_type() {
  static const GType type = g_enum_register_static("GstShmRingReaderPolicy", kReaderPolicies);
  return type;
}

GType wake_type() {
  static const GType type = g_enum_register_static("GstShmRingWake", kWakes);
  return type;
}

GType on_disconnect_type() {
  static const GType type = g_enum_register_static("GstShmRingOnDisconnect", kOnDisconnects);
  return type;
}

GType forward_eos_type() {
  static const GType type = g_enum_register_static("GstShmRingForwardEos", kForwardEos);
  return type;
}

const char* policy_name(shmring_policy policy) {
  for (const GEnumValue& value : kReaderPolicies)
    if (value.value_nick && value.value == static_cast<int>(policy)) return value.value_nick;
  return "unknown";
}

const char* wake_name(shmring_wake wake) { return wake == SHMRING_WAKE_ADAPTIVE ? "adaptive" : "block"; }

}  // namespace supplier
