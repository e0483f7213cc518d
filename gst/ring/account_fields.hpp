// SPDX-License-Identifier: LGPL-2.1-or-later
// The fields of an account in a GstStructure: by the names of the C API, with '-' for '_'.
#pragma once

#include <algorithm>
#include <cstdint>
#include <string>

#include <gst/gst.h>

#include <shmring/fields.hpp>

#include "abi/names.hpp"
#include "base/owned.hpp"

namespace supplier {

inline void set_field(GstStructure* to, const std::string& name, std::uint64_t number) {
  gst_structure_set(to, name.c_str(), G_TYPE_UINT64, guint64{number}, nullptr);
}
inline void set_field(GstStructure* to, const std::string& name, const char* text) {
  gst_structure_set(to, name.c_str(), G_TYPE_STRING, text, nullptr);
}
inline void set_field(GstStructure* to, const std::string& name, shmring_policy value) {
  set_field(to, name, shmring::policy_name(value));
}
inline void set_field(GstStructure* to, const std::string& name, shmring_wake value) {
  set_field(to, name, shmring::wake_name(value));
}
inline void set_field(GstStructure* to, const std::string& name, shmring_reader_state value) {
  set_field(to, name, shmring::reader_state_name(value));
}
inline void set_field(GstStructure* to, const std::string& name, const shmring_times& times) {
  shmring::for_each_field(times,
                          [&](const char* part, std::uint64_t number) { set_field(to, name + "-" + part, number); });
}
inline void set_field(GstStructure* to, const std::string& name, const std::uint64_t (&counts)[SHMRING_VIOLATIONS]) {
  const auto violations = adopt(gst_structure_new_empty(name.c_str()));
  for (int i = 0; i < SHMRING_VIOLATIONS; ++i)
    if (const char* kind = shmring::violation_name(static_cast<shmring_violation>(i)))
      set_field(violations.get(), kind, counts[i]);
  gst_structure_set(to, name.c_str(), GST_TYPE_STRUCTURE, violations.get(), nullptr);
}

// In a structure with the health of a worker `state` and `reason` are those of its health; the account's are `reader-state` and
// `reader-reason` there.
template <class Account>
void set_fields(GstStructure* to, const Account& account, bool with_health = false) {
  shmring::for_each_field(account, [&](std::string name, const auto& value) {
    std::replace(name.begin(), name.end(), '_', '-');
    if (with_health && (name == "state" || name == "reason")) name.insert(0, "reader-");
    set_field(to, name, value);
  });
}

}  // namespace supplier
