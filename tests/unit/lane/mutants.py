# SPDX-License-Identifier: LGPL-2.1-or-later
"""Copies of the two ends of a lane, of the spin lock and of the freed slots, each with one line made wrong, for interleavings_test.cpp to detect.

A line that is not found is an error: whoever changes the algorithm says here again what would be wrong with it.

usage: mutants.py LANE_WRITER LANE_READER SPIN_LOCK FREED_SLOTS OUTPUT
"""
import pathlib
import re
import sys

WRITER, READER, SPIN_LOCK, FREED_SLOTS = range(4)

# name: (file, what is there, what stands there instead)
MUTANTS = {
    # Each order, weakened.
    "head stored without release": (WRITER, "Ops::store(block_->head, head_.get(), std::memory_order_release)",
                                    "Ops::store(block_->head, head_.get(), std::memory_order_relaxed)"),
    "head of what waited stored without release": (WRITER, "Ops::store(block.head, waiting, std::memory_order_release)",
                                                   "Ops::store(block.head, waiting, std::memory_order_relaxed)"),
    "what waited shown one by one": (WRITER, "    Ops::store(block.head, waiting, std::memory_order_release);",
                                     "    for (std::uint64_t n = 1; n <= waiting; ++n) Ops::store(block.head, n, std::memory_order_release);"),
    "ack loaded without acquire": (WRITER, "Ops::load(page_->ack[held_[i].slot], std::memory_order_acquire)",
                                   "Ops::load(page_->ack[held_[i].slot], std::memory_order_relaxed)"),
    "tail followed without acquire": (WRITER, "tail = Ops::load(page_->tail, std::memory_order_acquire)",
                                      "tail = Ops::load(page_->tail, std::memory_order_relaxed)"),
    "evicted without release": (WRITER, "tail_ + 1, std::memory_order_release)", "tail_ + 1, std::memory_order_relaxed)"),
    "head loaded without acquire": (READER, "head = Ops::load(block_.head, std::memory_order_acquire)",
                                    "head = Ops::load(block_.head, std::memory_order_relaxed)"),
    "tail loaded without acquire": (READER, "tail = Ops::load(page_.tail, std::memory_order_acquire)",
                                    "tail = Ops::load(page_.tail, std::memory_order_relaxed)"),
    "taken without release": (READER, "tail + 1, std::memory_order_release)", "tail + 1, std::memory_order_relaxed)"),
    "released without release": (READER, "Ops::store(page_.ack[slot], sequence, std::memory_order_release)",
                                 "Ops::store(page_.ack[slot], sequence, std::memory_order_relaxed)"),
    # Each step left out or in another order.
    "no fence before the last look": (READER, "Ops::fence();", ""),
    "no last look before sleeping": (READER, "return empty();", "return true;"),
    "armed after the last look": (READER, "    Ops::store(page_.waiting, 1u, std::memory_order_relaxed);",
                                  "    if (!empty()) return false;\n    Ops::store(page_.waiting, 1u, std::memory_order_relaxed);\n"
                                  "    Ops::fence();\n    return true;"),
    "taken by a plain store": (READER, "if (Ops::compare_exchange(page_.tail, tail, tail + 1, std::memory_order_release)) return slot;",
                               "Ops::store(page_.tail, tail + 1, std::memory_order_release);\n      return slot;"),
    "evicted by a plain store": (WRITER, "if (!Ops::compare_exchange(page_->tail, expected, tail_ + 1, std::memory_order_release)) return false;",
                                 "static_cast<void>(expected);\n    Ops::store(page_->tail, tail_ + 1, std::memory_order_release);"),
    "given back although the reader was faster": (WRITER, "std::memory_order_release)) return false;",
                                                  "std::memory_order_release)) static_cast<void>(0);"),
    "head before entry": (WRITER, re.compile(r"( +Ops::store\(block_->entry.*?;\n)(.*)( +Ops::store\(block_->head.*?;\n)", re.S), r"\2\3\1"),
    "published before evicted": (WRITER, re.compile(
        r"(    if \(full\(\)\) \{.*?\n    \}\n)(.*?put\(\{slot, sequence\}\);\n)", re.S),
        lambda m: m.group(2) + m.group(1).replace("full()", "queued() > depth_ || queued() + held_.size() > quota_").replace(
            "queued() + held_.size() >= quota_", "queued() + held_.size() > quota_")),
    "an unseen take not looked for after a lost eviction": (WRITER, "!absorb_taken() || tail_ == before", "before == 99"),
    "no share for others": (WRITER, "return queued() == depth_ || queued() + held_.size() >= quota_;", "return queued() == depth_;"),
    "any acknowledgement taken for this frame's": (WRITER, "std::memory_order_acquire) == held_[i].sequence", "std::memory_order_acquire) != 0"),
    "whoever acknowledges early is a liar": (WRITER, "    if (!held_.empty()) collect(slot_refs);",
                                             "    for (std::uint64_t n = tail_; n != head_.get(); ++n)\n"
                                             "      if (Ops::load(page_->ack[queue_[n % depth_].slot], std::memory_order_acquire) == "
                                             "queue_[n % depth_].sequence) return refuse(Offer::violation);\n"
                                             "    if (!held_.empty()) collect(slot_refs);"),
    "ended without taking back what waits": (WRITER, "absorb_taken() && queued() != 0; ++round)\n      if (evict_oldest(slot_refs))",
                                             "absorb_taken() && queued() != 0; ++round)\n      if (true)"),
    # Between the publisher's own threads.
    "spin_lock entered without acquire": (SPIN_LOCK, "Ops::exchange(taken_, true, std::memory_order_acquire)",
                                          "Ops::exchange(taken_, true, std::memory_order_relaxed)"),
    "spin_lock left without release": (SPIN_LOCK, "Ops::store(taken_, false, std::memory_order_release)",
                                       "Ops::store(taken_, false, std::memory_order_relaxed)"),
    "spin_lock entered by looking first": (SPIN_LOCK, "return !Ops::exchange(taken_, true, std::memory_order_acquire);",
                                           "if (Ops::load(taken_, std::memory_order_acquire)) return false;\n"
                                           "    Ops::store(taken_, true, std::memory_order_release);\n    return true;"),
    "slot given back without release": (FREED_SLOTS, "std::uint64_t{1} << (slot % 64), std::memory_order_release)",
                                        "std::uint64_t{1} << (slot % 64), std::memory_order_relaxed)"),
    "returns taken without acquire": (FREED_SLOTS, "std::uint64_t{0}, std::memory_order_acquire)", "std::uint64_t{0}, std::memory_order_relaxed)"),
    "returns taken by a load and a store": (FREED_SLOTS, "bits = Ops::exchange(words_[word], std::uint64_t{0}, std::memory_order_acquire);",
                                            "bits = (Ops::load(words_[word], std::memory_order_acquire)), "
                                            "_ = (Ops::store(words_[word], std::uint64_t{0}, std::memory_order_relaxed), 0);"),
}
# Programs that explore a copy of each file.
EXPLORERS = {WRITER: "explore_lane<{0}::LaneWriter<Ops>, {0}::LaneReader<Ops>>", READER: "explore_lane<{0}::LaneWriter<Ops>, {0}::LaneReader<Ops>>",
             SPIN_LOCK: "explore_spin_lock<{0}::BasicSpinLock<Ops>>", FREED_SLOTS: "explore_freed_slots<{0}::FreedSlots<Ops>>"}


def body(text):
    """Text inside the header's namespace."""
    return text[text.index("namespace shmring {") + len("namespace shmring {"):text.rindex("}  // namespace shmring")]


def mutate(name, text, old, new):
    changed = text.replace(old, new) if isinstance(old, str) else old.sub(new, text)
    if changed == text:
        sys.exit(f"mutants.py: '{name}': there is no such line any more")
    return changed


def main(*paths):
    *inputs, output = paths
    files = [body(pathlib.Path(path).read_text(encoding="utf-8")) for path in inputs]
    text, rows = ["// Made by mutants.py."], []
    text += [f'#pragma GCC diagnostic ignored "-Wunused-{what}"' for what in ("parameter", "variable")]
    for number, (name, (which, old, new)) in enumerate(MUTANTS.items()):
        copies = list(files)
        copies[which] = mutate(name, copies[which], old, new)
        mutant = f"shmring::mutant{number}"
        text.append(f"namespace {mutant} {{{''.join(copies)}}}")
        rows.append(f'    {{"{name}", {EXPLORERS[which].format(mutant)}}},')
    text += ["namespace model {", "inline const Mutant mutants[] = {", *rows, "};", "}"]
    pathlib.Path(output).write_text("\n".join(text) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
