// SPDX-License-Identifier: LGPL-2.1-or-later
// A worker's health as a GstStructure: the message "frame-health" and the stats properties. docs/health.md is its
// schema.
#pragma once

#include "base/health.hpp"
#include "base/owned.hpp"

namespace supplier {

inline constexpr const char* kHealthMessage = "frame-health";

Owned<GstStructure> health_structure(const char* name, const Observation& seen, const Verdict& verdict);

}  // namespace supplier
