// SPDX-License-Identifier: LGPL-2.1-or-later
// Pages of shmring top: rates, order, and text that strangers choose.
#include "top_page.hpp"

#include <cstring>
#include <sstream>

#include <gtest/gtest.h>

namespace {

using namespace shmring::tools;

constexpr std::uint64_t kSecond = 1'000'000'000;

shmring_reader_account reader(const char* worker, std::uint64_t delivered, std::uint64_t dropped) {
  shmring_reader_account account{};
  std::strcpy(account.worker, worker);
  account.state = SHMRING_READER_ACTIVE;
  account.pid = 20;
  account.delivered = delivered;
  account.dropped = dropped;
  return account;
}

Look look(const std::string& name, std::uint64_t at, std::uint64_t offered,
          std::vector<shmring_reader_account> accounts = {}) {
  Look made{name, "/run/" + name, at, {}};
  made.stats.ring.publisher_pid = 10;
  made.stats.ring.offered = offered;
  made.stats.ring.readers = static_cast<std::uint32_t>(accounts.size());
  made.stats.accounts = std::move(accounts);
  return made;
}

// The first words of the lines below the head.
std::vector<std::string> names_in(const std::string& page) {
  std::istringstream lines(page.substr(page.find("RING / READER")));
  std::vector<std::string> names;
  for (std::string line, name; std::getline(lines, line);)
    if (std::istringstream(line) >> name && name != "RING") names.push_back(name);
  return names;
}

TEST(TopPage, ShowsRatesOfTheTimeBetweenTwoLooks) {
  const std::string page = top_page({look("front", 1 * kSecond, 100, {reader("person", 50, 40)})},
                                    {look("front", 3 * kSecond, 160, {reader("person", 70, 80)})}, {});
  std::istringstream lines(page.substr(page.find("\nfront")));
  std::string name, readers, word, pid, rate, drops;
  lines >> name >> readers >> word >> pid >> rate >> drops;
  EXPECT_EQ(rate + " " + drops, "30.0 0.0") << page;
  lines.str(page.substr(page.find("person")));
  lines >> name >> word >> pid >> rate >> drops;
  EXPECT_EQ(rate + " " + drops, "10.0 20.0") << page;
  EXPECT_EQ(page.substr(0, page.find(',', 10)), "rings 1, readers 1") << page;
}

TEST(TopPage, ShowsNoRatesOfWhatWasNotThereBefore) {
  auto other = look("front", 1 * kSecond, 100);
  other.stats.ring.publisher_pid = 11;
  for (const auto& before : {std::vector<Look>{}, std::vector<Look>{other}}) {
    const std::string page = top_page(before, {look("front", 2 * kSecond, 160, {reader("person", 1, 0)})}, {});
    EXPECT_NE(page.find("0.0 frames a second"), std::string::npos) << page;
    EXPECT_EQ(page.find("160.0"), std::string::npos) << page;
  }
}

TEST(TopPage, SortsRingsAndTheReadersOfEach) {
  const std::vector<Look> before = {look("a", 0, 0, {reader("x", 0, 0), reader("y", 0, 0)}), look("b", 0, 0)};
  const std::vector<Look> now = {look("a", kSecond, 10, {reader("x", 5, 0), reader("y", 9, 3)}),
                                 look("b", kSecond, 30)};
  using Names = std::vector<std::string>;
  EXPECT_EQ(names_in(top_page(before, now, {})), (Names{"a", "x", "y", "b"}));
  EXPECT_EQ(names_in(top_page(before, now, {Order::name, true})), (Names{"b", "a", "y", "x"}));
  EXPECT_EQ(names_in(top_page(before, now, {Order::rate})), (Names{"b", "a", "y", "x"}));
  EXPECT_EQ(names_in(top_page(before, now, {Order::drops})), (Names{"a", "y", "x", "b"}));
}

TEST(TopPage, ShowsNoControlCharactersOfNames) {
  const std::string page = top_page({}, {look("front\033[2J", kSecond, 0, {reader("per\nson", 0, 0)})}, {});
  EXPECT_EQ(page.find('\033'), std::string::npos);
  EXPECT_NE(page.find("per?son"), std::string::npos) << page;
}

TEST(TopPage, HasAnOrderForEachName) {
  EXPECT_EQ(order_names(), (std::vector<std::string>{"name", "rate", "drops", "age"}));
  EXPECT_EQ(order_of("age"), Order::age);
}

}  // namespace
