// SPDX-License-Identifier: LGPL-2.1-or-later
// The monitor's thread, the properties and the structure, without any of our elements.
#include "base/health_monitor.hpp"

#include <atomic>
#include <chrono>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/clock.hpp"
#include "base/health_message.hpp"
#include "base/health_properties.hpp"
#include "gst_fixture.hpp"

namespace {

using namespace std::chrono_literals;
using supplier::adopt;
using supplier::HealthMonitor;
using supplier::HealthProperties;
using supplier::Limits;
using supplier::monotonic_now;
using supplier::Owned;
using supplier::Watched;
using supplier::WorkerState;
using support::eventually;
using testing::ElementsAre;
using testing::IsEmpty;

constexpr std::uint64_t kMs = 1'000'000;

Watched working(const std::string& name, const std::string& pad = "") {
  Watched worker;
  worker.seen.worker = name;
  worker.seen.pad = pad;
  worker.seen.offered = worker.seen.delivered = worker.seen.last_consumed_sequence = 1;
  worker.seen.last_offered_at = worker.seen.last_consumed_at = monotonic_now();
  return worker;
}

class Monitor : public support::GstFixture {
 protected:
  void SetUp() override {
    element_ = adopt(GST_ELEMENT(gst_object_ref_sink(gst_element_factory_make("fakesink", nullptr))));
    bus_ = adopt(gst_bus_new());
    gst_element_set_bus(element_.get(), bus_.get());
  }
  void TearDown() override { gst_element_set_bus(element_.get(), nullptr); }

  HealthMonitor::Look look() {
    return [this](std::vector<Watched>& workers) {
      std::lock_guard hold(lock_);
      ++looks_;
      workers.insert(workers.end(), workers_.begin(), workers_.end());
    };
  }
  void set(std::vector<Watched> workers) {
    std::lock_guard hold(lock_);
    workers_ = std::move(workers);
  }
  // "worker state" of the next message.
  std::string next(std::chrono::milliseconds limit = 20s) {
    const auto message = adopt(gst_bus_timed_pop_filtered(
        bus_.get(), static_cast<GstClockTime>(std::chrono::nanoseconds(limit).count()), GST_MESSAGE_ELEMENT));
    if (!message) return "";
    EXPECT_TRUE(gst_message_has_name(message.get(), supplier::kHealthMessage));
    EXPECT_EQ(GST_MESSAGE_SRC(message.get()), GST_OBJECT(element_.get()));
    const GstStructure* report = gst_message_get_structure(message.get());
    return std::string(gst_structure_get_string(report, "worker")) + " " + gst_structure_get_string(report, "state");
  }

  Owned<GstElement> element_;
  Owned<GstBus> bus_;
  std::mutex lock_;
  std::vector<Watched> workers_;
  std::atomic<int> looks_{0};
};

TEST_F(Monitor, WatchesManyWorkersAndTellsEachOnesState) {
  HealthMonitor sut(element_.get(), look());
  set({working("a"), working("b")});
  ASSERT_TRUE(sut.start());
  EXPECT_EQ(next(), "a ok");
  EXPECT_EQ(next(), "b ok");
  auto dead = working("b");
  dead.seen.gone = true;
  dead.seen.reason = "killed";
  set({working("a"), dead});
  sut.poke();
  EXPECT_EQ(next(), "b dead");
  EXPECT_EQ(sut.state(dead.seen), WorkerState::dead);
  EXPECT_EQ(sut.state(working("a").seen), WorkerState::ok);
}

TEST_F(Monitor, KnowsBranchesByTheirPadThoughTheirWorkersHaveTheSameName) {
  HealthMonitor sut(element_.get(), look());
  auto second = working("person", "src_1");
  second.seen.gone = true;
  set({working("person", "src_0"), second});
  ASSERT_TRUE(sut.start());
  EXPECT_EQ(next(), "person ok");
  EXPECT_EQ(next(), "person dead");
  EXPECT_EQ(next(100ms), "");
}

TEST_F(Monitor, LooksOnlyBetweenStartAndStop) {
  HealthMonitor sut(element_.get(), look());
  auto worker = working("a");
  worker.limits.stall_timeout = 100 * kMs;
  set({worker});
  std::this_thread::sleep_for(50ms);
  EXPECT_EQ(looks_, 0);
  sut.poke();
  ASSERT_TRUE(sut.start());
  EXPECT_TRUE(eventually([&] { return looks_ >= 3; }));
  sut.stop();
  sut.stop();
  const int after = looks_;
  std::this_thread::sleep_for(50ms);
  EXPECT_EQ(looks_, after);
}

TEST_F(Monitor, APauseDoesNotCountAndAForgottenWorkerBeginsAnew) {
  HealthMonitor sut(element_.get(), look());
  auto worker = working("a");
  set({worker});
  ASSERT_TRUE(sut.start());
  EXPECT_EQ(next(), "a ok");
  sut.stop();
  ASSERT_TRUE(sut.start());
  EXPECT_EQ(next(100ms), "") << "nothing changed";
  sut.stop();
  sut.forget();
  EXPECT_EQ(sut.state(worker.seen), WorkerState::waiting);
  ASSERT_TRUE(sut.start());
  EXPECT_EQ(next(), "a ok");
}

TEST_F(Monitor, ForgetsAWorkerThatIsNoLongerThere) {
  HealthMonitor sut(element_.get(), look());
  set({working("a", "src_0")});
  ASSERT_TRUE(sut.start());
  EXPECT_EQ(next(), "a ok");
  set({});
  sut.poke();
  EXPECT_TRUE(eventually([&] { return sut.state(working("a", "src_0").seen) == WorkerState::waiting; }));
}

TEST_F(Monitor, PokesHoweverManyDoNotMakeItSpin) {
  HealthMonitor sut(element_.get(), look());
  set({working("a")});
  ASSERT_TRUE(sut.start());
  const auto start = std::chrono::steady_clock::now();
  while (std::chrono::steady_clock::now() - start < 300ms) sut.poke();
  const auto passed = std::chrono::steady_clock::now() - start;
  EXPECT_LE(looks_, passed / 10ms + 2);
}

TEST_F(Monitor, StartsAndStopsFromManyMessagesWithoutAHang) {
  HealthMonitor sut(element_.get(), look());
  auto worker = working("a");
  worker.limits.interval = 1;
  set({worker});
  for (int i = 0; i < 200; ++i) {
    ASSERT_TRUE(sut.start());
    if (i % 3 == 0) std::this_thread::sleep_for(1ms);
    sut.poke();
    sut.stop();
  }
}

TEST_F(Monitor, MayEndWithItsElementInsideABusHandler) {
  static std::atomic<bool> inside, leave;
  inside = leave = false;
  gst_bus_set_sync_handler(
      bus_.get(),
      [](GstBus*, GstMessage* message, gpointer) {
        inside = true;
        while (!leave) std::this_thread::sleep_for(1ms);
        gst_message_unref(message);
        return GST_BUS_DROP;
      },
      nullptr, nullptr);
  auto sut = std::make_unique<HealthMonitor>(element_.get(), look());
  set({working("a"), working("b")});
  ASSERT_TRUE(sut->start());
  ASSERT_TRUE(eventually([] { return inside.load(); }));
  sut.reset();
  leave = true;
  gst_bus_set_sync_handler(bus_.get(), nullptr, nullptr, nullptr);
  EXPECT_EQ(next(100ms), "") << "it tells nothing more";
}

TEST_F(Monitor, DescribesAWorkerInTheFieldsOfTheMessage) {
  HealthMonitor sut(element_.get(), look());
  auto worker = working("a", "src_3");
  worker.seen.lateness = -5;
  set({worker});
  ASSERT_TRUE(sut.start());
  const auto message = adopt(gst_bus_timed_pop_filtered(bus_.get(), GST_CLOCK_TIME_NONE, GST_MESSAGE_ELEMENT));
  const GstStructure* told = gst_message_get_structure(message.get());
  const auto described = sut.describe("application/x-test-stats", worker.seen);
  EXPECT_STREQ(gst_structure_get_name(described.get()), "application/x-test-stats");
  ASSERT_EQ(gst_structure_n_fields(told), gst_structure_n_fields(described.get()));
  for (int i = 0; i < gst_structure_n_fields(told); ++i) {
    const char* field = gst_structure_nth_field_name(told, static_cast<guint>(i));
    ASSERT_TRUE(gst_structure_has_field(described.get(), field)) << field;
    const GValue* here = gst_structure_get_value(described.get(), field);
    EXPECT_EQ(gst_value_compare(gst_structure_get_value(told, field), here), GST_VALUE_EQUAL) << field;
  }
  EXPECT_STREQ(gst_structure_get_string(told, "pad"), "src_3");
}

TEST(MonitorTick, IsATenthOfTheShortestLimitWithinBounds) {
  EXPECT_EQ(HealthMonitor::tick({}), 1000 * kMs);
  const auto with = [](std::uint64_t stall_timeout, std::uint64_t interval) {
    Watched worker;
    worker.limits.stall_timeout = stall_timeout;
    worker.limits.interval = interval;
    return worker;
  };
  EXPECT_EQ(HealthMonitor::tick({with(30'000 * kMs, 0)}), 1000 * kMs);
  EXPECT_EQ(HealthMonitor::tick({with(30'000 * kMs, 0), with(2'000 * kMs, 0)}), 200 * kMs);
  EXPECT_EQ(HealthMonitor::tick({with(30'000 * kMs, 50 * kMs)}), 50 * kMs);
  EXPECT_EQ(HealthMonitor::tick({with(1, 1)}), 10 * kMs);
  EXPECT_EQ(HealthMonitor::tick({with(0, 0)}), 1000 * kMs);
}

// An object with the properties of many workers: no name of its own.
class Properties : public support::GstFixture {};

TEST_F(Properties, HaveTheDefaultsOfTheModelAndKeepWhatIsSet) {
  HealthProperties sut(10);
  GValue value = G_VALUE_INIT;
  g_value_init(&value, G_TYPE_UINT64);
  ASSERT_TRUE(sut.get(11, &value));
  EXPECT_EQ(g_value_get_uint64(&value), Limits().stall_timeout);
  g_value_set_uint64(&value, 5);
  EXPECT_TRUE(sut.set(11, &value));
  EXPECT_EQ(sut.limits().stall_timeout, 5u);
  EXPECT_FALSE(sut.set(9, &value));
  EXPECT_FALSE(sut.set(10 + HealthProperties::kCount, &value));
  EXPECT_FALSE(sut.get(10 + HealthProperties::kCount, &value));
  g_value_unset(&value);
}

TEST_F(Properties, TheNameFallsBackToTheObjectsOwnAndComesBackWithNull) {
  HealthProperties sut(1);
  GValue name = G_VALUE_INIT;
  g_value_init(&name, G_TYPE_STRING);
  EXPECT_EQ(sut.worker("src_0"), "src_0");
  g_value_set_string(&name, "person");
  sut.set(1, &name);
  EXPECT_EQ(sut.worker("src_0"), "person");
  g_value_set_string(&name, nullptr);
  sut.set(1, &name);
  EXPECT_EQ(sut.worker("src_0"), "src_0");
  g_value_unset(&name);
}

TEST(WorkerNames, AreUtf8OfOneTo63BytesWithoutControlCharacters) {
  for (const char* good : {"a", "person-detector", "Füße", "検出", "with space"})
    EXPECT_TRUE(supplier::valid_worker_name(good)) << good;
  EXPECT_TRUE(supplier::valid_worker_name(std::string(63, 'x').c_str()));
  for (const char* bad : {"", "\xc3", "a\x01", "a\x7f", "a\n"}) EXPECT_FALSE(supplier::valid_worker_name(bad));
  EXPECT_FALSE(supplier::valid_worker_name(std::string(64, 'x').c_str()));
}

}  // namespace
