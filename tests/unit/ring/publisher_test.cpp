// SPDX-License-Identifier: LGPL-2.1-or-later
// The publisher: options, loans, formats, sizes, and that it never needs a reader.
#include <array>
#include <cstring>
#include <thread>

#include "ring_fixture.hpp"

namespace shmring {
namespace {

class PublisherTest : public RingFixture {};

TEST_F(PublisherTest, RefusesOptionsOutOfRangeWithTheFigure) {
  const auto text = [&](auto&& change) {
    auto o = publisher_options();
    change(o);
    const auto opened = Publisher::open(o);
    EXPECT_EQ(opened.status(), SHMRING_INVALID);
    return opened.error().text;
  };
  EXPECT_NE(text([](auto& o) { o.max_readers = 0; }).find("max-readers 0"), std::string::npos);
  EXPECT_NE(text([](auto& o) { o.max_readers = 64; }).find("max-readers 64"), std::string::npos);
  EXPECT_NE(text([](auto& o) { o.depth = 257; }).find("depth 257"), std::string::npos);
  EXPECT_NE(text([](auto& o) { o.max_held = 0; }).find("max-held 0"), std::string::npos);
  EXPECT_NE(text([](auto& o) { o.loans = 0; }).find("loans 0"), std::string::npos);
  EXPECT_NE(text([](auto& o) { o.slot_size = 0; }).find("slot size 0"), std::string::npos);
  EXPECT_NE(text([](auto& o) { o.slots = 4; }).find("4 slots are too few"), std::string::npos);
  EXPECT_NE(text([](auto& o) { o.socket_path = ""; }).find("empty"), std::string::npos);
  EXPECT_NE(text([](auto& o) { o.max_readers = 63, o.depth = 256, o.max_held = 256; }).find("more than 16384"),
            std::string::npos);
  EXPECT_TRUE(dir.names().empty());
}

TEST_F(PublisherTest, PublishesWithoutAnyReader) {
  open_publisher();
  for (int i = 0; i < 100; ++i) EXPECT_EQ(publish(), SHMRING_OK);
  const auto s = publisher->stats().ring;
  EXPECT_EQ(s.offered, 100u);
  EXPECT_EQ(s.published, 100u);
  EXPECT_EQ(s.owned, 1u);  // the newest, for whoever comes
  expect_balance();
}

TEST_F(PublisherTest, LeavesNothingButItsSocketAndTakesThatAlong) {
  open_publisher();
  EXPECT_EQ(dir.names(), std::set<std::string>{"ring"});
  for (const auto& name : support::shared_memory_names()) EXPECT_EQ(name.find("ring"), std::string::npos) << name;
  publisher.reset();
  EXPECT_TRUE(dir.names().empty());
}

TEST_F(PublisherTest, ASecondOneOnThePathIsRefusedAndTheFirstIsNamed) {
  open_publisher();
  const auto second = Publisher::open(publisher_options());
  EXPECT_EQ(second.status(), SHMRING_IN_USE);
  EXPECT_NE(second.error().text.find("process " + std::to_string(::getpid())), std::string::npos);
  EXPECT_EQ(publish(), SHMRING_OK);
}

TEST_F(PublisherTest, LendsAsManySlotsAsConfiguredAndNoMore) {
  auto o = publisher_options();
  o.loans = 3;
  publisher = open(o);
  std::vector<Loan> loans;
  for (auto loan = publisher->loan(); loan; loan = publisher->loan()) loans.push_back(*std::move(loan));
  EXPECT_EQ(loans.size(), 3u);
  EXPECT_EQ(publisher->stats().ring.loaned, 3u);
  loans.clear();
  EXPECT_TRUE(publisher->loan());
  EXPECT_TRUE(all_slots_back());
}

TEST_F(PublisherTest, ALoanWrittenInPlaceArrivesWithoutACopy) {
  open_publisher();
  const auto reader = attach();
  auto loan = publisher->loan();
  ASSERT_TRUE(loan);
  support::fill_payload(loan->bytes().first(kFrameSize), 1);
  shmring_frame_info info = SHMRING_FRAME_INFO_INIT;
  info.size = kFrameSize;
  ASSERT_TRUE(publisher->publish(*loan, info));
  EXPECT_EQ(info.sequence, 1u);
  EXPECT_NE(info.published_at, 0u);
  EXPECT_EQ(next(*reader), 1u);
  EXPECT_EQ(publisher->stats().ring.copied, 0u);
}

TEST_F(PublisherTest, ALoanIsPublishedOnce) {
  open_publisher();
  auto loan = publisher->loan();
  shmring_frame_info info = SHMRING_FRAME_INFO_INIT;
  ASSERT_TRUE(publisher->publish(*loan, info));
  EXPECT_EQ(publisher->publish(*loan, info).status(), SHMRING_INVALID);
  EXPECT_TRUE(loan->published());
}

TEST_F(PublisherTest, APublishedLoanKeepsItsSlotUntilItIsDroppedByAnyThread) {
  open_publisher();
  auto loan = *publisher->loan();
  shmring_frame_info info = SHMRING_FRAME_INFO_INIT;
  ASSERT_TRUE(publisher->publish(loan, info));
  std::byte* const bytes = loan.bytes().data();
  for (int i = 0; i < 50; ++i) {
    auto other = publisher->loan();
    ASSERT_TRUE(other);
    EXPECT_NE(other->bytes().data(), bytes);
    ASSERT_TRUE(publisher->publish(*other, info));
  }
  std::thread([l = std::move(loan)]() mutable { Loan().operator=(std::move(l)); }).join();
  EXPECT_TRUE(all_slots_back());
}

TEST_F(PublisherTest, ALoanOutlivesItsPublisher) {
  open_publisher();
  auto loan = *publisher->loan();
  publisher.reset();
  support::fill_payload(loan.bytes(), 7);
  EXPECT_TRUE(support::payload_intact(loan.bytes()));
}

TEST_F(PublisherTest, RefusesAFrameThatIsLargerThanASlotAndCountsItOnce) {
  open_publisher();
  const auto reader = attach();
  const std::vector<std::byte> large(kFrameSize + 1);
  shmring_frame_info info = SHMRING_FRAME_INFO_INIT;
  const std::span<const std::byte> part(large);
  const auto refused = publisher->write({&part, 1}, info);
  EXPECT_EQ(refused.status(), SHMRING_TOO_LARGE);
  EXPECT_NE(refused.error().text.find("1001 bytes, a slot 1000"), std::string::npos) << refused.error().text;
  EXPECT_EQ(publisher->stats().ring.dropped_too_large, 1u);
  EXPECT_EQ(lane("worker").offered, 1u);
  EXPECT_EQ(lane("worker").dropped, 1u);
  publish();
  EXPECT_EQ(next(*reader), 2u);
  EXPECT_EQ(reader->stats().missed, 0u);  // it had taken none before
  expect_balance();
}

TEST_F(PublisherTest, RefusesAPictureThatIsNotWholeAndCountsItOnce) {
  open_publisher();
  const auto reader = attach();
  shmring_format format = SHMRING_FORMAT_INIT;
  format.pixel_format = SHMRING_NV12;
  format.width = 20;
  format.height = 10;
  format.plane_count = 2;
  format.planes[0] = {0, 20, 0};
  format.planes[1] = {200, 20, 0};
  ASSERT_TRUE(publisher->set_format(format));
  const std::vector<std::byte> bytes(400);
  const auto written = [&](std::size_t size, std::vector<shmring_plane> planes = {}) {
    shmring_frame_info info = SHMRING_FRAME_INFO_INIT;
    info.plane_count = static_cast<std::uint32_t>(planes.size());
    std::copy(planes.begin(), planes.end(), info.planes);
    const auto part = std::span(bytes).first(size);
    return publisher->write(std::array{std::span<const std::byte>(part)}, info);
  };
  EXPECT_TRUE(written(300));
  const auto refused = written(299);
  EXPECT_EQ(refused.status(), SHMRING_INVALID);
  EXPECT_NE(refused.error().text.find("299 bytes"), std::string::npos) << refused.error().text;
  EXPECT_NE(refused.error().text.find("NV12 of 20x10"), std::string::npos) << refused.error().text;
  EXPECT_TRUE(written(400, {{0, 30, 0}, {250, 30, 0}})) << "the last row needs no padding";
  EXPECT_FALSE(written(389, {{0, 30, 0}, {250, 30, 0}}));
  EXPECT_FALSE(written(400, {{0, 30, 0}}));
  EXPECT_FALSE(written(400, {{0, 19, 0}, {200, 20, 0}}));
  EXPECT_FALSE(written(400, {{0, 20, 0}, {UINT64_MAX, 20, 0}}));
  EXPECT_TRUE(written(300, {{180, -20, 0}, {200, 20, 0}})) << "from the last row upwards";
  EXPECT_FALSE(written(300, {{179, -20, 0}, {200, 20, 0}}));

  auto loan = *publisher->loan();
  shmring_frame_info info = SHMRING_FRAME_INFO_INIT;
  info.size = 10;
  EXPECT_EQ(publisher->publish(loan, info).status(), SHMRING_INVALID);
  info.size = 300;
  EXPECT_TRUE(publisher->publish(loan, info));
  const shmring_ring_stats stats = publisher->stats().ring;
  EXPECT_EQ(stats.dropped_malformed, 7u);
  EXPECT_EQ(stats.published, 4u);
  EXPECT_EQ(stats.offered, 11u);
  expect_balance();
}

TEST_F(PublisherTest, CountsAFrameWithoutASlotForEveryLane) {
  open_publisher();
  const auto a = attach("a"), b = attach("b");
  std::vector<Loan> loans;
  for (auto loan = publisher->loan(); loan; loan = publisher->loan()) loans.push_back(*std::move(loan));
  EXPECT_EQ(publish(), SHMRING_FULL);
  EXPECT_EQ(publisher->stats().ring.dropped_no_slot, 1u);
  EXPECT_EQ(lane("a").dropped, 1u);
  EXPECT_EQ(lane("b").dropped, 1u);
  expect_balance();
}

TEST_F(PublisherTest, JoinsThePartsOfAFrame) {
  open_publisher();
  const auto reader = attach();
  std::vector<std::byte> whole(kFrameSize);
  support::fill_payload(whole, 1);
  const std::span<const std::byte> all(whole), parts[] = {all.first(1), {}, all.subspan(1, 500), all.subspan(501)};
  shmring_frame_info info = SHMRING_FRAME_INFO_INIT;
  ASSERT_TRUE(publisher->write(parts, info));
  EXPECT_EQ(info.size, kFrameSize);
  EXPECT_EQ(next(*reader), 1u);
}

TEST_F(PublisherTest, EachFrameSaysItsOwnFormat) {
  open_publisher();
  const auto reader = attach();
  shmring_format format = SHMRING_FORMAT_INIT;
  for (const char* caps : {"image/jpeg", "video/x-h264"}) {
    format.caps = caps;
    ASSERT_TRUE(publisher->set_format(format));
    ASSERT_EQ(publish(), SHMRING_OK);
  }
  const auto first = reader->read(kPatience), second = reader->read(kPatience);
  EXPECT_STREQ(const_cast<Result<Frame>&>(first)->format().caps, "image/jpeg");
  EXPECT_STREQ(const_cast<Result<Frame>&>(second)->format().caps, "video/x-h264");
  EXPECT_NE(const_cast<Result<Frame>&>(first)->format_id(), const_cast<Result<Frame>&>(second)->format_id());
}

TEST_F(PublisherTest, AFramesOwnPlanesGoBeforeItsFormats) {
  open_publisher();
  const auto reader = attach();
  shmring_format format = SHMRING_FORMAT_INIT;
  format.plane_count = 1;
  format.planes[0] = {0, 40, 0};
  ASSERT_TRUE(publisher->set_format(format));
  ASSERT_EQ(publish(), SHMRING_OK);
  shmring_frame_info info = SHMRING_FRAME_INFO_INIT;
  info.plane_count = 2;
  info.planes[1] = {100, 64, 0};
  info.offset = 77;
  std::vector<std::byte> bytes(kFrameSize);
  const std::span<const std::byte> part(bytes);
  ASSERT_TRUE(publisher->write({&part, 1}, info));
  auto first = *reader->read(kPatience), second = *reader->read(kPatience);
  EXPECT_EQ(first.info().plane_count, 1u);
  EXPECT_EQ(first.info().planes[0].stride, 40);
  EXPECT_EQ(first.info().offset, SHMRING_TIME_NONE);
  EXPECT_EQ(second.info().plane_count, 2u);
  EXPECT_EQ(second.info().planes[1].offset, 100u);
  EXPECT_EQ(second.info().offset, 77u);
}

TEST_F(PublisherTest, RefusesCapsThatDoNotFit) {
  open_publisher();
  shmring_format format = SHMRING_FORMAT_INIT;
  const std::string caps(20'000, 'x');
  format.caps = caps.c_str();
  const auto refused = publisher->set_format(format);
  EXPECT_EQ(refused.status(), SHMRING_INVALID);
  EXPECT_NE(refused.error().text.find("20000 bytes"), std::string::npos);
}

}  // namespace
}  // namespace shmring
