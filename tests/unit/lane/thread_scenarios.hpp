// SPDX-License-Identifier: LGPL-2.1-or-later
// Two of the publisher's own threads at the spin lock, and one that gives slots back to the other, for model::explore().
#pragma once

#include "lane_scenarios.hpp"

namespace model {

// As ControlLoop::follow_lanes tries it beside Publisher::publish: whoever is in writes to the slot references, here a frame's data.
template <class SpinLock>
Verdict explore_spin_lock(const Shape&, const Callers& = {}) {
  SpinLock spin_lock;
  const auto pass = [&spin_lock](std::uint32_t mine) {
    return [&spin_lock, mine] {
      for (std::uint32_t attempt = 0; attempt < 2; ++attempt) {
        if (!spin_lock.try_lock()) continue;
        const std::uint32_t found = read_data(0);
        write_data(0, found + mine);
        if (read_data(0) != found + mine) fail("two are in at once");
        spin_lock.unlock();
      }
    };
  };
  Scenario scenario;
  scenario.words = {&spin_lock};
  scenario.names = {"taken"};
  scenario.initial = {0};
  scenario.bodies = {pass(1), pass(16)};
  return explore(scenario);
}

// As Loan's end and Ring::lend: the other thread's slots are written again once they are back.
template <class FreedSlots>
Verdict explore_freed_slots(const Shape&, const Callers& = {}) {
  FreedSlots returns(4);
  Scenario scenario;
  scenario.words = {returns.first_word()};
  scenario.names = {"returned"};
  scenario.initial = {0};
  scenario.bodies = {[&] {
                       std::uint32_t back = 0;
                       const auto take = [&] {
                         returns.take([&](std::uint32_t slot) {
                           write_data(slot, 100 + slot);
                           ++back;
                         });
                       };
                       take();
                       take();
                       join();
                       take();
                       if (back != 2) fail("a slot is lost, or comes back twice");
                     },
                     [&] {
                       for (const std::uint32_t slot : {1u, 2u}) {
                         write_data(slot, slot);
                         returns.give(slot);
                       }
                     }};
  return explore(scenario);
}

}  // namespace model
