// SPDX-License-Identifier: LGPL-2.1-or-later
// A page of `shmring top`. Pure.
#pragma once

#include <string>
#include <vector>

#include "rings.hpp"

namespace shmring::tools {

enum class Order { name, rate, drops, age };
std::vector<std::string> order_names();
// Of one of order_names().
Order order_of(const std::string& name);

struct Sorting {
  Order by = Order::name;
  bool reverse = false;
};

// Rates are of the time between the two looks; a ring or reader that is new in `now` has none. By name it begins with a, by any figure with
// the largest.
std::string top_page(const std::vector<Look>& before, const std::vector<Look>& now, Sorting sorting);

}  // namespace shmring::tools
