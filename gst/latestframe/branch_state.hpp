// SPDX-License-Identifier: LGPL-2.1-or-later
// The states of a branch and the table of what leads from one to the other. Pure: no GStreamer, no thread.
//
// Where the branch's thread is, inside a push or not, is no state: a branch can be unlinked, flushed or made inactive
// during a push, and the result of that push then no longer matters. An input that the table does not have for a state
// is ignored.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>

namespace supplier::latestframe {

enum class BranchState : std::uint8_t {
  inactive,  // the pad is not active
  unlinked,  // the pad has no peer
  waiting,   // linked, but the peer does not take frames yet
  offered,   // frames are offered
  resting,   // nothing is linked further down
  refused,   // downstream does not take the caps; upstream has some time to choose others
  ending,    // ended, and the warning about it is still to be posted
  ended,     // downstream failed, wants no more, or took no caps in time
  flushing,  // from the beginning of a flush until downstream has its end
  released,  // the pad is given back; for good
};

enum class BranchInput : std::uint8_t {
  activate,     // the pad becomes active
  deactivate,   // or inactive
  release,      // or is given back
  link,         // the pad got a peer
  unlink,       // or lost it
  flush,        // a flush begins
  unflush,      // downstream has the end of it
  ready,        // the peer takes frames
  unready,      // the peer does not take frames now
  no_consumer,  // a push said that nothing is linked further down
  refuse,       // a push said that the caps are not accepted
  end,          // a push failed or said EOS, or no other caps came in time
  warned,       // the warning about the end is being posted
  retry,        // other caps came, or something changed downstream
};

struct BranchTransition {
  BranchState from;
  BranchInput input;
  BranchState to;
};

inline constexpr auto kBranchTransitions = [] {
  using enum BranchState;
  using enum BranchInput;
  return std::to_array<BranchTransition>({
      // clang-format off
      {inactive, activate,    unlinked},
      {inactive, release,     released},

      {unlinked, deactivate,  inactive},
      {unlinked, release,     released},
      {unlinked, link,        waiting},
      {unlinked, flush,       flushing},
      {unlinked, end,         ending},  // by a push that was under way when the pad was unlinked

      {waiting,  deactivate,  inactive},
      {waiting,  release,     released},
      {waiting,  unlink,      unlinked},
      {waiting,  flush,       flushing},
      {waiting,  ready,       offered},

      {offered,  deactivate,  inactive},
      {offered,  release,     released},
      {offered,  link,        waiting},
      {offered,  unlink,      unlinked},
      {offered,  flush,       flushing},
      {offered,  unready,     waiting},
      {offered,  no_consumer, resting},
      {offered,  refuse,      refused},
      {offered,  end,         ending},

      {resting,  deactivate,  inactive},
      {resting,  release,     released},
      {resting,  link,        waiting},
      {resting,  unlink,      unlinked},
      {resting,  flush,       flushing},
      {resting,  retry,       waiting},

      {refused,  deactivate,  inactive},
      {refused,  release,     released},
      {refused,  link,        waiting},
      {refused,  unlink,      unlinked},
      {refused,  flush,       flushing},
      {refused,  retry,       waiting},
      {refused,  end,         ending},

      {ending,   deactivate,  inactive},
      {ending,   release,     released},
      {ending,   link,        waiting},
      {ending,   flush,       flushing},
      {ending,   retry,       waiting},  // here and below only where the caps were the reason
      {ending,   warned,      ended},

      {ended,    deactivate,  inactive},
      {ended,    release,     released},
      {ended,    link,        waiting},
      {ended,    flush,       flushing},
      {ended,    retry,       waiting},

      {flushing, deactivate,  inactive},
      {flushing, release,     released},
      {flushing, unflush,     unlinked},  // and on by `link` if it has a peer
      // clang-format on
  });
}();

constexpr std::optional<BranchState> next(BranchState from, BranchInput input) {
  for (const BranchTransition& transition : kBranchTransitions)
    if (transition.from == from && transition.input == input) return transition.to;
  return std::nullopt;
}

// The pad is active: it has a thread, and what upstream sends is for it too.
constexpr bool is_active(BranchState state) { return state != BranchState::inactive && state != BranchState::released; }

constexpr const char* name_of(BranchState state) {
  constexpr std::array names{"inactive", "unlinked", "waiting", "offered",  "resting",
                             "refused",  "ending",   "ended",   "flushing", "released"};
  return names[static_cast<std::size_t>(state)];
}

}  // namespace supplier::latestframe
