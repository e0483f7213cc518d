// SPDX-License-Identifier: LGPL-2.1-or-later
// The enumerations of the ring's elements, as GObject types.
#include "ring/enums.hpp"

#include "abi/names.hpp"

namespace supplier {
namespace {

constexpr GEnumValue policy(shmring_policy value, const char* meaning) {
  return {value, meaning, shmring::policy_name(value)};
}
constexpr GEnumValue wake(shmring_wake value, const char* meaning) {
  return {value, meaning, shmring::wake_name(value)};
}

constexpr GEnumValue kDropNewest = policy(SHMRING_DROP_NEWEST, "Drop the new frame while depth frames are queued");
constexpr GEnumValue kDropOldest = policy(SHMRING_DROP_OLDEST, "Drop the oldest queued frame");
constexpr GEnumValue kLatest = policy(SHMRING_LATEST, "Queue the newest frame only");
constexpr GEnumValue kEnd{0, nullptr, nullptr};

const GEnumValue kPolicies[] = {kDropNewest, kDropOldest, kLatest, kEnd};
const GEnumValue kReaderPolicies[] = {kDropNewest, kDropOldest, kLatest,
                                      policy(SHMRING_POLICY_DEFAULT, "Drop policy of the publisher"), kEnd};
const GEnumValue kWakes[] = {
    wake(SHMRING_WAKE_BLOCK, "Block until a frame arrives"),
    wake(SHMRING_WAKE_ADAPTIVE, "Block until just before the next frame is due, then spin briefly"), kEnd};
const GEnumValue kOnDisconnects[] = {
    {static_cast<int>(OnDisconnect::wait), "Wait for the next publisher", "wait"},
    {static_cast<int>(OnDisconnect::eos), "End the stream", "eos"},
    {static_cast<int>(OnDisconnect::error), "Post an error", "error"},
    {static_cast<int>(OnDisconnect::repeat),
     "Wait for the next publisher; until then repeat the last picture or push silence, flagged GAP", "repeat"},
    kEnd};
const GEnumValue kForwardEos[] = {
    {static_cast<int>(ForwardEos::automatic), "Forward EOS unless upstream is live", "auto"},
    {static_cast<int>(ForwardEos::always), "Forward EOS unless the pipeline posted an error", "always"},
    {static_cast<int>(ForwardEos::never), "Never forward EOS", "never"},
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

}  // namespace supplier
