// SPDX-License-Identifier: LGPL-2.1-or-later
// Runs a few threads in every order, on memory as weak as C++ allows, and says what can go wrong.
//
// Memory. Each word has a list of messages in modification order. A thread has a view: for each word the newest message
// that it must know of. A load may read any message that is not older than that. A release store carries the thread's
// view along, an acquire load takes it over; a read-modify-write stands right behind what it read and carries that
// one's view on; fences share one view. This is the promise-free part of the view machine of Kang, Hur, Lahav,
// Vafeiadis and Dreyer (POPL 2017). What it leaves out, loads that read what the thread itself only later causes, is
// caught by rely(): a value that was used must not be overwritten unless the reading happened before. Frames' bytes are
// plain data: unordered access to them is a race and an error.
//
// Threads. A thread is a plain function without memory of its own: to learn its next operation it is run from the start
// with the results that it got so far. So a state is a value, and two orders that lead to the same state are explored
// once.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace model {

constexpr int kThreads = 2;
constexpr int kWords = 16;
constexpr int kMessages = 12;  // a word; more fail the run
constexpr int kFrames = 8;     // slots with plain data

using Order = std::memory_order;

// For each word the newest message known, then for each thread how many of its steps.
using View = std::array<std::uint8_t, kWords + kThreads>;

struct Operation {
  enum class Kind : std::uint8_t {
    load,
    store,
    exchange,
    fetch_or,
    compare_exchange,
    fence,
    rely,
    write_data,
    read_data,
    ring,
    drain,
    sleep,
    join,
    fail
  };
  Kind kind = Kind::fence;
  Order order = Order::relaxed;
  std::uint8_t word = 0;
  std::uint32_t value = 0;     // stored; of data: the slot is `word`
  std::uint32_t expected = 0;  // by a compare-exchange
  Order failure = Order::acquire;
};

struct Outcome {
  std::uint32_t value = 0;
  bool done = true;  // whether a compare-exchange took place
};

// Body of a thread; it calls the functions below.
using Body = std::function<void()>;

struct Verdict {
  std::string fault;               // empty: nothing went wrong in any order
  std::size_t states = 0;          // how many different ones were seen
  std::vector<std::string> story;  // how it came to it
};

// Words are told apart by their addresses, which the scenario names in order; they start as zero but for `initial`.
struct Scenario {
  std::vector<const void*> words;
  std::vector<std::string> names;
  std::vector<std::uint32_t> initial;
  std::array<Body, kThreads> bodies;
  std::uint8_t bell = 0;              // the word that ring, drain and sleep are about: a socket, ordered by the kernel
  std::vector<std::uint8_t> entries;  // words whose reading is relied upon
};
Verdict explore(const Scenario& scenario);

// Called by a body.
Outcome step(const Operation& operation);
std::uint8_t word_of(const void* address);
[[noreturn]] void fail(const char* fault);
void write_data(std::uint32_t slot, std::uint32_t value);
std::uint32_t read_data(std::uint32_t slot);
void rely();   // the last entry that this thread read is used
void ring();   // a byte to the socket
void drain();  // empties it
void sleep();  // until it is not empty
void join();   // until all other threads are done; what they did is known

// Operations of LaneWriter and LaneReader in place of HardwareOps; Failure as HardwareOps has it.
template <Order Failure>
struct OpsWith {
  template <class T>
  static T load(const std::atomic<T>& word, Order order) {
    return static_cast<T>(step({Operation::Kind::load, order, word_of(&word)}).value);
  }
  template <class T>
  static void store(std::atomic<T>& word, T value, Order order) {
    step({Operation::Kind::store, order, word_of(&word), static_cast<std::uint32_t>(value)});
  }
  template <class T>
  static T exchange(std::atomic<T>& word, T value, Order order) {
    return static_cast<T>(
        step({Operation::Kind::exchange, order, word_of(&word), static_cast<std::uint32_t>(value)}).value);
  }
  template <class T>
  static void fetch_or(std::atomic<T>& word, T bits, Order order) {
    step({Operation::Kind::fetch_or, order, word_of(&word), static_cast<std::uint32_t>(bits)});
  }
  template <class T>
  static bool compare_exchange(std::atomic<T>& word, T& expected, T desired, Order success) {
    const Outcome o = step({Operation::Kind::compare_exchange, success, word_of(&word),
                            static_cast<std::uint32_t>(desired), static_cast<std::uint32_t>(expected), Failure});
    if (!o.done) expected = static_cast<T>(o.value);
    return o.done;
  }
  static void fence() { step({Operation::Kind::fence}); }
};
using Ops = OpsWith<Order::acquire>;

}  // namespace model
