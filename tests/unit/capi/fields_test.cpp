// SPDX-License-Identifier: LGPL-2.1-or-later
// The table of fields lists every field of the accounts, and every value of an enumeration has a name of its own.
#include <cstddef>
#include <set>
#include <string>

#include <gtest/gtest.h>

#include <shmring/fields.hpp>
#include <shmring/shmring.h>

namespace {

// The structures have no padding, so a field that is not listed is missing here.
template <class Account>
constexpr std::size_t listed_bytes() {
  std::size_t bytes = 0;
  shmring::for_each_field(Account{}, [&](const char*, const auto& value) { bytes += sizeof value; });
  return bytes;
}
constexpr std::size_t kStructSize = sizeof(std::size_t);  // struct_size is no field of the account
static_assert(listed_bytes<shmring_times>() == sizeof(shmring_times));
static_assert(listed_bytes<shmring_reader_account>() == sizeof(shmring_reader_account));
static_assert(listed_bytes<shmring_ring_stats>() + kStructSize == sizeof(shmring_ring_stats));
static_assert(listed_bytes<shmring_reader_stats>() + kStructSize == sizeof(shmring_reader_stats));

template <class Account>
void each_name_once() {
  std::set<std::string> names;
  shmring::for_each_field(Account{},
                          [&](const char* name, const auto&) { EXPECT_TRUE(names.insert(name).second) << name; });
}

TEST(Fields, AreListedOnce) {
  each_name_once<shmring_times>();
  each_name_once<shmring_reader_account>();
  each_name_once<shmring_ring_stats>();
  each_name_once<shmring_reader_stats>();
}

// The names of the values 0 to `count` - 1 differ, and the one after them is unknown.
template <class Enum>
void named(const char* (*name)(Enum), int count) {
  std::set<std::string> names{"unknown"};
  for (int i = 0; i < count; ++i)
    EXPECT_TRUE(names.insert(name(static_cast<Enum>(i))).second) << i << ": " << name(static_cast<Enum>(i));
  EXPECT_STREQ(name(static_cast<Enum>(count)), "unknown");
  EXPECT_STREQ(name(static_cast<Enum>(-1)), "unknown");
}

TEST(Fields, EachValueOfAnEnumerationHasItsName) {
  named(shmring_status_name, SHMRING_FORKED + 1);
  named(shmring_policy_name, SHMRING_LATEST + 1);
  named(shmring_wake_name, SHMRING_WAKE_ADAPTIVE + 1);
  named(shmring_reader_state_name, SHMRING_READER_GONE + 1);
  EXPECT_STREQ(shmring_policy_name(SHMRING_POLICY_DEFAULT), "publisher");
}

TEST(Fields, EachViolationHasItsNameAndFreePlacesHaveNone) {
  std::set<std::string> names;
  for (int i = 0; i <= SHMRING_VIOLATION_WAKEUPS; ++i)
    EXPECT_TRUE(names.insert(shmring_violation_name(static_cast<shmring_violation>(i))).second) << i;
  for (int i = SHMRING_VIOLATION_WAKEUPS + 1; i <= SHMRING_VIOLATIONS; ++i)
    EXPECT_EQ(shmring_violation_name(static_cast<shmring_violation>(i)), nullptr) << i;
}

}  // namespace
