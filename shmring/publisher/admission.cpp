// SPDX-License-Identifier: LGPL-2.1-or-later
#include "publisher/admission.hpp"

#include <algorithm>
#include <array>

namespace shmring {
namespace {

std::string names_of_readers(std::span<const Resident> residents) {
  std::string text;
  for (const Resident& one : residents)
    if (one.reads) text += (text.empty() ? "'" : ", '") + one.name + "' (process " + std::to_string(one.pid) + ")";
  return text;
}

}  // namespace

Result<Admitted> admit(const std::string& name, const Lane::Ask& asked, const PublisherOptions& options,
                       const RingShape& ring, std::span<const Resident> residents) {
  std::uint32_t readers = 0, used = 1 + ring.loans;
  bool spinner = false;
  const Resident* namesake = nullptr;
  std::array<bool, kMaxLanes> taken{};
  for (const Resident& one : residents) {
    taken[one.index] = true;
    used += one.share;
    if (!one.reads) continue;
    ++readers;
    spinner |= one.spins;
    if (one.name == name) namesake = &one;
  }
  if (namesake)
    return {SHMRING_IN_USE, "the name '" + name + "' belongs to process " + std::to_string(namesake->pid) +
                                ", which lives: stop that one, or give this reader another name"};
  if (readers >= options.max_readers)
    return {SHMRING_IN_USE, "this ring takes " + std::to_string(options.max_readers) +
                                (options.max_readers == 1 ? " reader, and " : " readers, and ") +
                                names_of_readers(residents) + (readers == 1 ? " has it" : " have them") +
                                ": raise max-readers, or stop one"};
  const auto free = std::find(taken.begin(), taken.begin() + ring.places, false);
  const std::uint32_t left = ring.slots > used ? ring.slots - used : 0;
  if (free == taken.begin() + ring.places || left < 2)
    return {SHMRING_REFUSED,
            "of " + std::to_string(ring.slots) + " slots " + std::to_string(left) +
                " are left, a reader needs 2: readers that closed still hold frames, or slots is too small; keep "
                "copies of frames (in Python frame.copy()), release them, or raise slots"};

  Lane::Grant grant;
  grant.name = name;
  grant.asked = asked;
  grant.policy =
      asked.policy == SHMRING_POLICY_DEFAULT ? options.drop_policy : static_cast<shmring_policy>(asked.policy);
  grant.wake = spinner ? SHMRING_WAKE_BLOCK : static_cast<shmring_wake>(asked.wake);
  grant.depth = grant.policy == SHMRING_LATEST ? 1 : std::min(asked.depth ? asked.depth : options.depth, options.depth);
  grant.depth = std::min(grant.depth, left - 1);
  grant.max_held = std::min({asked.max_held ? asked.max_held : options.max_held, options.max_held, left - grant.depth});
  return Admitted{static_cast<std::uint32_t>(free - taken.begin()), std::move(grant)};
}

}  // namespace shmring
