// SPDX-License-Identifier: LGPL-2.1-or-later
#include "memory_model.hpp"

#include <algorithm>
#include <cstring>
#include <stdexcept>
#include <unordered_set>

namespace model {
namespace {

using Kind = Operation::Kind;

struct Message {
  std::uint32_t value = 0;
  bool follows = false;  // a read-modify-write's: nothing ever comes between it and the one before
  View view{};
};

struct Word {
  std::array<Message, kMessages> messages;
  std::uint8_t count = 1;
};

struct Data {
  std::uint32_t value = 0;
  std::array<std::uint8_t, kThreads> written{}, read{};  // the thread's step that last did
};

struct Thread {
  View current{}, acquired{}, released{};
  std::vector<Outcome> results;
  Operation next;  // what it is about to do
  bool finished = false;
  std::uint8_t last_entry = 0, last_entry_read = 0;  // which it read last, and at which step
  std::array<std::uint8_t, kWords> relied{};         // the step at which it read what it used
};

struct State {
  std::array<Word, kWords> words;
  std::array<Data, kFrames> data;
  std::array<Thread, kThreads> threads;
  View fences{};
};

struct Pending {};  // thrown where a body's known past ends
struct Fault {
  std::string text;
};

// The body that is being run now.
struct Run {
  const Scenario* scenario = nullptr;
  const std::vector<Outcome>* results = nullptr;
  std::size_t at = 0;
  Operation next;
};
thread_local Run run;

bool acquires(Order order) { return order == Order::acquire || order == Order::acq_rel || order == Order::seq_cst; }
bool releases(Order order) { return order == Order::release || order == Order::acq_rel || order == Order::seq_cst; }

void join_into(View& view, const View& other) {
  for (std::size_t i = 0; i < view.size(); ++i) view[i] = std::max(view[i], other[i]);
}

class Explorer {
 public:
  explicit Explorer(const Scenario& scenario) : scenario_(scenario) {}

  Verdict run_all() {
    State start;
    for (std::size_t w = 0; w < scenario_.initial.size(); ++w) start.words[w].messages[0].value = scenario_.initial[w];
    try {
      for (int t = 0; t < kThreads; ++t) advance(start, t);
      visit(start);
    } catch (const Fault& fault) {
      verdict_.fault = fault.text;
      verdict_.story = story_;
    }
    verdict_.states = seen_.size();
    return verdict_;
  }

 private:
  void visit(const State& state) {
    if (!seen_.insert(digest(state)).second) return;
    bool moved = false, all_finished = true;
    for (int t = 0; t < kThreads; ++t) {
      const Thread& thread = state.threads[t];
      all_finished &= thread.finished;
      if (!thread.finished) moved |= each_outcome(state, t);
    }
    if (!moved && !all_finished) throw Fault{"asleep for ever"};
  }

  // Tries everything that the thread's next operation may come to; false: it cannot go on now.
  bool each_outcome(const State& before, int t) {
    const Operation& op = before.threads[t].next;
    const Word& word = before.words[op.word];
    const std::uint8_t oldest = before.threads[t].current[op.word];
    switch (op.kind) {
      case Kind::load:
        for (std::uint8_t i = oldest; i < word.count; ++i) next(before, t, [&](State& s) { return load(s, t, op, i); });
        return true;
      case Kind::store:
        for (auto at = static_cast<std::uint8_t>(oldest + 1); at <= word.count; ++at)
          if (at == word.count || !word.messages[at].follows)
            next(before, t, [&](State& s) { return store(s, t, op, at, false, View{}); });
        return true;
      case Kind::exchange:
      case Kind::fetch_or:
      case Kind::compare_exchange:
        for (std::uint8_t i = oldest; i < word.count; ++i) {
          if (op.kind == Kind::compare_exchange && word.messages[i].value != op.expected)
            next(before, t, [&](State& s) {
              Operation failure = op;
              failure.order = op.failure;
              const Outcome seen = load(s, t, failure, i);
              return Outcome{seen.value, false};
            });
          else if (i + 1 == word.count || !word.messages[i + 1].follows)
            next(before, t, [&](State& s) { return modify(s, t, op, i); });
        }
        return true;
      case Kind::ring:
      case Kind::drain:
        next(before, t, [&](State& s) {
          Operation strongest = op;
          strongest.order = Order::acq_rel;
          return modify(s, t, strongest, static_cast<std::uint8_t>(word.count - 1));
        });
        return true;
      case Kind::sleep:
        if (word.messages[word.count - 1].value == 0) return false;
        next(before, t, [&](State& s) {
          Operation strongest = op;
          strongest.order = Order::acquire;
          return load(s, t, strongest, static_cast<std::uint8_t>(word.count - 1));
        });
        return true;
      case Kind::join:
        for (int other = 0; other < kThreads; ++other)
          if (other != t && !before.threads[other].finished) return false;
        next(before, t, [&](State& s) {
          for (const Thread& other : s.threads) join_into(s.threads[t].current, other.current);
          return Outcome{};
        });
        return true;
      case Kind::fence:
        next(before, t, [&](State& s) {
          Thread& me = s.threads[t];
          join_into(me.current, me.acquired);
          join_into(s.fences, me.current);
          me.current = me.acquired = me.released = s.fences;
          return Outcome{};
        });
        return true;
      default:
        throw std::logic_error("not a step of its own");
    }
  }

  template <class Effect>
  void next(const State& before, int t, Effect&& effect) {
    State state = before;
    Thread& thread = state.threads[t];
    const Operation op = thread.next;
    ++thread.current[kWords + t];
    const Outcome outcome = effect(state);
    thread.results.push_back(outcome);
    story_.push_back(told(t, op, outcome));
    advance(state, t);
    visit(state);
    story_.pop_back();
  }

  static void take_over(Thread& me, const Message& message, bool acquire) {
    join_into(acquire ? me.current : me.acquired, message.view);
  }

  Outcome load(State& s, int t, const Operation& op, std::uint8_t i) {
    Thread& me = s.threads[t];
    const Message& message = s.words[op.word].messages[i];
    me.current[op.word] = std::max(me.current[op.word], i);
    take_over(me, message, acquires(op.order));
    if (is_entry(op.word)) {
      me.last_entry = op.word;
      me.last_entry_read = me.current[kWords + t];
    }
    return {message.value};
  }

  Outcome store(State& s, int t, const Operation& op, std::uint8_t at, bool follows, const View& carried) {
    Word& word = s.words[op.word];
    if (word.count == kMessages) throw std::logic_error("more messages than the model has room for");
    if (is_entry(op.word))
      for (int other = 0; other < kThreads; ++other)
        if (other != t && s.threads[other].relied[op.word] > s.threads[t].current[kWords + other])
          throw Fault{"an entry may be overwritten before it is read"};
    // Those behind move on by one, and so does everybody's knowledge of them.
    std::copy_backward(&word.messages[at], &word.messages[word.count], &word.messages[word.count + 1]);
    ++word.count;
    const auto shift = [&](View& view) {
      if (view[op.word] >= at) ++view[op.word];
    };
    for (Word& w : s.words)
      for (int i = 0; i < w.count; ++i) shift(w.messages[i].view);
    for (Thread& thread : s.threads) shift(thread.current), shift(thread.acquired), shift(thread.released);
    shift(s.fences);
    Thread& me = s.threads[t];
    me.current[op.word] = at;
    Message& message = word.messages[at];
    message.value = op.value;
    message.follows = follows;
    message.view = releases(op.order) ? me.current : me.released;
    message.view[op.word] = at;
    join_into(message.view, carried);
    return {};
  }

  Outcome modify(State& s, int t, const Operation& op, std::uint8_t i) {
    const Message read = s.words[op.word].messages[i];
    Thread& me = s.threads[t];
    me.current[op.word] = std::max(me.current[op.word], i);
    take_over(me, read, acquires(op.order));
    Operation stored = op;
    if (op.kind == Kind::fetch_or) stored.value |= read.value;
    store(s, t, stored, static_cast<std::uint8_t>(i + 1), true, read.view);
    return {read.value};
  }

  // Finds the thread's next operation; plain data is accessed at once, which hides no race: each access checks against
  // all before.
  void advance(State& s, int t) {
    Thread& me = s.threads[t];
    for (;;) {
      run = {&scenario_, &me.results, 0, {}};
      try {
        scenario_.bodies[static_cast<std::size_t>(t)]();
        me.finished = true;
        return;
      } catch (const Pending&) {
        me.next = run.next;
      }
      const Operation& op = me.next;
      if (op.kind == Kind::rely) {
        me.relied[me.last_entry] = me.last_entry_read;
        me.results.emplace_back();
      } else if (op.kind == Kind::write_data || op.kind == Kind::read_data) {
        me.results.push_back(access(s, t, op));
      } else {
        return;
      }
    }
  }

  Outcome access(State& s, int t, const Operation& op) {
    Thread& me = s.threads[t];
    Data& data = s.data.at(op.word);
    const bool writes = op.kind == Kind::write_data;
    for (int other = 0; other < kThreads; ++other) {
      if (other == t) continue;
      const std::uint8_t known = me.current[kWords + other];
      if (data.written[other] > known)
        throw Fault{"a frame is " + std::string(writes ? "written" : "read") + " while it is written"};
      if (writes && data.read[other] > known) throw Fault{"a frame is written while it is read"};
    }
    // Its next step is the first that can tell anybody of this.
    (writes ? data.written : data.read)[t] = static_cast<std::uint8_t>(me.current[kWords + t] + 1);
    if (writes) data.value = op.value;
    return {data.value};
  }

  bool is_entry(std::uint8_t word) const {
    return std::find(scenario_.entries.begin(), scenario_.entries.end(), word) != scenario_.entries.end();
  }

  static std::uint64_t digest(const State& s) {
    std::uint64_t h = 0xCBF29CE484222325;
    const auto mix = [&](std::uint64_t v) {
      h = (h ^ v) * 0x9E3779B97F4A7C15;
      h ^= h >> 29;
    };
    const auto mix_view = [&](const View& view) {
      for (std::size_t i = 0; i < view.size(); i += 8) {
        std::uint64_t v = 0;
        std::memcpy(&v, view.data() + i, std::min<std::size_t>(8, view.size() - i));
        mix(v);
      }
    };
    for (const Word& word : s.words) {
      mix(word.count);
      for (int i = 0; i < word.count; ++i) {
        mix(word.messages[i].value * 2ull + word.messages[i].follows);
        mix_view(word.messages[i].view);
      }
    }
    for (const Data& data : s.data) {
      mix(data.value);
      for (int t = 0; t < kThreads; ++t) mix(data.written[t] * 256ull + data.read[t]);
    }
    for (const Thread& thread : s.threads) {
      mix_view(thread.current);
      mix_view(thread.acquired);
      mix_view(thread.released);
      mix(thread.results.size());
      for (const Outcome& o : thread.results) mix(o.value * 2ull + o.done);
    }
    mix_view(s.fences);
    return h;
  }

  std::string told(int t, const Operation& op, const Outcome& o) const {
    static const char* const kinds[] = {"load",  "store", "exchange",   "fetch-or",  "compare-exchange",
                                        "fence", "rely",  "write data", "read data", "ring",
                                        "drain", "sleep", "join",       "fail"};
    std::string text = std::string(t == 0 ? "publisher: " : "reader:    ") + kinds[static_cast<int>(op.kind)];
    if (op.kind == Kind::fence || op.kind == Kind::join) return text;
    text += " " + scenario_.names[op.word];
    if (op.kind == Kind::store) return text + " = " + std::to_string(op.value);
    text += " -> " + std::to_string(o.value);
    if (op.kind == Kind::compare_exchange) text += o.done ? ", now " + std::to_string(op.value) : ", not done";
    return text;
  }

  const Scenario& scenario_;
  Verdict verdict_;
  std::vector<std::string> story_;
  std::unordered_set<std::uint64_t> seen_;
};

}  // namespace

Verdict explore(const Scenario& scenario) { return Explorer(scenario).run_all(); }

Outcome step(const Operation& operation) {
  if (run.at < run.results->size()) return (*run.results)[run.at++];
  run.next = operation;
  throw Pending{};
}

std::uint8_t word_of(const void* address) {
  const auto& words = run.scenario->words;
  const auto found = std::find(words.begin(), words.end(), address);
  if (found == words.end()) throw std::logic_error("a word that the scenario does not name");
  return static_cast<std::uint8_t>(found - words.begin());
}

void fail(const char* fault) { throw Fault{fault}; }
void write_data(std::uint32_t slot, std::uint32_t value) {
  step({Kind::write_data, Order::relaxed, static_cast<std::uint8_t>(slot), value});
}
std::uint32_t read_data(std::uint32_t slot) {
  return step({Kind::read_data, Order::relaxed, static_cast<std::uint8_t>(slot)}).value;
}
void rely() { step({Kind::rely}); }
void ring() { step({Kind::ring, Order::acq_rel, run.scenario->bell, 1}); }
void drain() { step({Kind::drain, Order::acq_rel, run.scenario->bell, 0}); }
void sleep() { step({Kind::sleep, Order::acquire, run.scenario->bell}); }
void join() { step({Kind::join}); }

}  // namespace model
