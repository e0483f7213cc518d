// SPDX-License-Identifier: LGPL-2.1-or-later
// Decides who may read a ring, and with which share of its slots. Pure: values in, values out.
#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "abi/result.hpp"
#include "publisher/lane.hpp"
#include "publisher/publisher.hpp"

namespace shmring {

// One that has a place in the ring: it reads, is being let in, or is gone and keeps slots.
struct Resident {
  std::string name;
  std::uint32_t pid;
  std::uint32_t index;  // its place
  bool reads;           // or is about to
  std::uint32_t share;  // slots that are its own: depth + max held, or what it keeps
  bool spins;           // its wake is adaptive
};

struct RingShape {
  std::uint32_t slots, loans, places;
};

struct Admitted {
  std::uint32_t index;
  Lane::Grant grant;
};

// IN_USE: the name belongs to a reader that lives, or the ring has as many readers as it takes. REFUSED: too few slots are left.
Result<Admitted> admit(const std::string& name, const Lane::Ask& asked, const PublisherOptions& options,
                       const RingShape& ring, std::span<const Resident> residents);

}  // namespace shmring
