// SPDX-License-Identifier: LGPL-2.1-or-later
// The publisher's end of a lane whose reader may change every word between any two looks at it: whatever the publisher reads, the fuzzer
// says. The slot references stay whole, the lane within its share, every call within its bound, the account balanced.
#include <array>
#include <memory>
#include <vector>

#include "fuzz.hpp"
#include "lane/lane_writer.hpp"
#include "lane/slot_refs.hpp"

namespace {

// A lane page is the fuzzer's; the publisher's own block is memory.
struct HostileOps {
  static inline fuzz::Input* input = nullptr;
  static inline std::uint64_t near = 0;  // the head: numbers about it are the interesting ones
  static inline std::uint32_t looks = 0;

  static std::uint64_t any() {
    ++looks;
    return input->up_to(7) == 7 ? input->number() : near - 4 + input->up_to(7);
  }
  template <class T>
  static T load(const std::atomic<T>&, std::memory_order) {
    return static_cast<T>(any());
  }
  template <class T>
  static void store(std::atomic<T>& word, T value, std::memory_order) {
    word = value;
    near = value;  // head last
  }
  template <class T>
  static T exchange(std::atomic<T>&, T, std::memory_order) {
    return static_cast<T>(any());
  }
  template <class T>
  static bool compare_exchange(std::atomic<T>&, T& expected, T, std::memory_order) {
    if (input->up_to(1) == 0) return ++looks, true;
    expected = static_cast<T>(any());
    return false;
  }
  static void fence() {}
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using Writer = shmring::LaneWriter<HostileOps>;
  fuzz::Input input(data, size);
  HostileOps::input = &input;
  HostileOps::near = 0;
  const std::uint32_t depth = 1 + input.up_to(3), held = 1 + input.up_to(3), share = depth + held;
  const std::uint32_t slots = share + 1 + input.up_to(2);
  alignas(shmring::kLine) std::array<unsigned char, shmring::kLine> block{};
  std::vector<std::uint64_t> page(sizeof(shmring::LanePage) / sizeof(std::uint64_t) + slots);
  auto& words = *reinterpret_cast<shmring::LanePage*>(page.data());
  shmring::SlotRefs slot_refs(slots);
  Writer writer(*reinterpret_cast<shmring::LaneBlock*>(block.data()), words, depth, held, input.up_to(1) == 1);

  std::uint64_t sequence = 0;
  for (bool retired = false; !input.empty();) {
    HostileOps::looks = 0;
    switch (input.up_to(6)) {
      default:
        if (retired || !slot_refs.any_free()) break;
        {
          const std::uint32_t slot = slot_refs.acquire();
          const auto what = writer.offer(slot, ++sequence, slot_refs);
          slot_refs.unref(slot);
          if (what == Writer::Offer::violation) writer.retire(slot_refs), retired = true;
        }
        break;
      case 3:
        if (writer.absorb_taken()) writer.collect(slot_refs);
        break;
      case 4:
        writer.claim_wakeup();
        break;
      case 5:
        words.tail = input.number();
        break;
      case 6:
        writer.retire(slot_refs);
        retired = true;
        break;
    }
    FUZZ_CHECK(HostileOps::looks <= 8 * share + 8);
    FUZZ_CHECK(slot_refs.free_slots() <= slots && slots - slot_refs.free_slots() <= share);
    FUZZ_CHECK(writer.held() <= share);
    const auto account = writer.account();
    FUZZ_CHECK(account.offered == account.delivered + account.dropped + account.pending);
  }
  writer.free_all(slot_refs);
  FUZZ_CHECK(slot_refs.free_slots() == slots && writer.owns_nothing());
  return 0;
}
