// SPDX-License-Identifier: LGPL-2.1-or-later
//
// RAII wrapper of the C API (C++17, header-only). Errors throw; a timeout, the end of the stream and a full ring return
// an empty optional.
//
//   shmring::Reader reader({"/run/cam/cam.sock", "worker"});
//   while (auto frame = reader.read()) look_at(frame->data(), frame->size());
#ifndef SHMRING_SHMRING_HPP
#define SHMRING_SHMRING_HPP

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include <shmring/fields.hpp>
#include <shmring/shmring.h>

namespace shmring {
inline namespace face {  // its own symbols: the library's internal classes have the same names

class Error : public std::runtime_error {
 public:
  explicit Error(shmring_status status) : std::runtime_error(shmring_last_error()), status_(status) {}
  shmring_status status() const noexcept { return status_; }

 private:
  shmring_status status_;
};

inline void check(shmring_status status) {
  if (status != SHMRING_OK) throw Error(status);
}

using FrameInfo = shmring_frame_info;
inline FrameInfo frame_info(std::uint64_t size = 0, std::uint64_t pts = SHMRING_TIME_NONE) {
  FrameInfo info = SHMRING_FRAME_INFO_INIT;
  info.size = size;
  info.pts = pts;
  return info;
}

namespace detail {

// As numpy names kinds of number.
template <class T>
constexpr std::uint32_t kind_of() {
  if constexpr (std::is_same_v<T, bool>) return 'b';
  if constexpr (std::is_floating_point_v<T>) return 'f';
  if constexpr (!std::is_arithmetic_v<T>) return 'c';
  return std::is_signed_v<T> ? 'i' : 'u';
}

}  // namespace detail

// A format with the text of its caps.
class Format {
 public:
  // Anything that is not raw video in a known pixel format; `caps` may be empty.
  explicit Format(std::string caps = {}) : caps_(std::move(caps)) {}
  // Raw video, laid out as GStreamer does.
  Format(shmring_pixel_format pixel_format, std::uint32_t width, std::uint32_t height) : caps_(256, '\0') {
    frame_size_ = shmring_format_video(&format_, pixel_format, width, height, caps_.data(), caps_.size());
    if (frame_size_ == 0) throw std::invalid_argument("shmring: no such video format");
    caps_.resize(caps_.find('\0'));
  }
  // Arrays of T, as std::int16_t, float or std::complex<float>, one number after the other.
  template <class T>
  static Format array(const std::vector<std::int64_t>& shape) {
    shmring_array array = SHMRING_ARRAY_INIT;
    array.kind = detail::kind_of<T>();
    array.item_size = sizeof(T);
    if (shape.size() > SHMRING_MAX_DIMENSIONS) throw std::invalid_argument("shmring: an array has at most 8 sides");
    array.dimensions = static_cast<std::uint32_t>(shape.size());
    for (std::size_t i = 0; i < shape.size(); ++i) array.shape[i] = shape[i];
    Format made(std::string(256, '\0'));
    made.frame_size_ = shmring_format_array(&made.format_, &array, made.caps_.data(), made.caps_.size());
    if (made.frame_size_ == 0) throw std::invalid_argument(std::string("shmring: ") + shmring_last_error());
    made.caps_.resize(made.caps_.find('\0'));
    return made;
  }
  const shmring_format& get() const {
    format_.caps = caps_.c_str();
    return format_;
  }
  const std::string& caps() const { return caps_; }
  std::uint64_t frame_size() const { return frame_size_; }  // 0: frames of any size

 private:
  mutable shmring_format format_ = SHMRING_FORMAT_INIT;
  std::string caps_;
  std::uint64_t frame_size_ = 0;
};

struct Stats {
  shmring_ring_stats ring = SHMRING_RING_STATS_INIT;
  std::vector<shmring_reader_account> accounts;
};

namespace detail {

inline std::uint64_t wait(std::chrono::nanoseconds timeout) {
  if (timeout == std::chrono::nanoseconds::max()) return SHMRING_WAIT_FOREVER;
  return timeout.count() > 0 ? static_cast<std::uint64_t>(timeout.count()) : 0;
}

}  // namespace detail

// Stats by a function of the C API, for programs that hold its handles: calls until the array of accounts was large enough.
template <class Call>
Stats collect_stats(Call call) {
  Stats all;
  std::size_t count = 16;
  do {
    all.accounts.resize(count);
    check(call(&all.ring, all.accounts.data(), sizeof(shmring_reader_account), all.accounts.size(), &count));
  } while (count > all.accounts.size());
  all.accounts.resize(count);
  return all;
}

constexpr std::chrono::nanoseconds forever = std::chrono::nanoseconds::max();

// A frame held: read-only, valid until destroyed, whatever becomes of reader and publisher. Any thread.
class Frame {
 public:
  explicit Frame(shmring_frame* frame) noexcept : frame_(frame) { (void)shmring_frame_info_get(frame_, &info_); }
  Frame(Frame&& other) noexcept : frame_(std::exchange(other.frame_, nullptr)), info_(other.info_) {}
  Frame& operator=(Frame&& other) noexcept {
    std::swap(frame_, other.frame_);
    std::swap(info_, other.info_);
    return *this;
  }
  ~Frame() { shmring_frame_release(frame_); }

  const std::byte* data() const { return static_cast<const std::byte*>(shmring_frame_data(frame_)); }
  std::size_t size() const { return static_cast<std::size_t>(info_.size); }
  const FrameInfo& info() const { return info_; }
  // `caps` in it is valid as long as the frame.
  shmring_format format() const {
    shmring_format format = SHMRING_FORMAT_INIT;
    check(shmring_frame_format(frame_, &format));
    return format;
  }
  // The whole picture, or one plane, as an array in data(). Throws where there is no single array or no such plane.
  shmring_array array(int plane = SHMRING_WHOLE) const {
    const shmring_format described = format();
    shmring_array array = SHMRING_ARRAY_INIT;
    check(shmring_array_of(&described, &info_, plane, &array));
    return array;
  }
  // Records of the frame's metadata, valid as long as the frame; none where its bytes are not records.
  std::vector<shmring_meta> metas() const {
    std::vector<shmring_meta> found;
    std::size_t offset = 0;
    shmring_meta meta = SHMRING_META_INIT;
    shmring_status status;
    while ((status = shmring_meta_next(info_.metadata, info_.metadata_size, &offset, &meta)) == SHMRING_OK)
      found.push_back(meta);
    if (status != SHMRING_END) found.clear();
    return found;
  }
  // UTC of the capture, if the metadata has it.
  std::optional<std::chrono::time_point<std::chrono::system_clock, std::chrono::nanoseconds>> captured_at() const {
    const std::uint64_t time = shmring_captured_at(&info_);
    if (time > static_cast<std::uint64_t>(std::chrono::nanoseconds::max().count())) return std::nullopt;
    return std::chrono::time_point<std::chrono::system_clock, std::chrono::nanoseconds>(std::chrono::nanoseconds(time));
  }
  std::chrono::nanoseconds age() const { return std::chrono::nanoseconds(shmring_now() - info_.published_at); }
  const shmring_frame* get() const { return frame_; }  // for the C API

 private:
  shmring_frame* frame_;
  FrameInfo info_ = SHMRING_FRAME_INFO_INIT;
};

struct ReaderOptions {
  std::string socket_path;
  std::string worker = {};  // empty: the program's name and process number
  shmring_policy drop_policy = SHMRING_POLICY_DEFAULT;
  shmring_wake wake = SHMRING_WAKE_BLOCK;
  std::uint32_t depth = 0;     // 0: as granted
  std::uint32_t max_held = 0;  // 0: as granted
  std::chrono::nanoseconds max_frame_age{0};
  bool reconnect = true;
  double max_rate = 0;  // frames a second, 0: no limit

  // The same in C, valid as long as this.
  shmring_reader_options raw() const {
    shmring_reader_options to = SHMRING_READER_OPTIONS_INIT;
    to.socket_path = socket_path.c_str();
    to.worker = worker.empty() ? nullptr : worker.c_str();
    to.drop_policy = drop_policy;
    to.wake = wake;
    to.depth = depth;
    to.max_held = max_held;
    to.max_frame_age = detail::wait(max_frame_age);
    to.reconnect = reconnect;
    to.max_rate = max_rate;
    return to;
  }
};

// The ring that a reader is attached to, mapped as long as this lives, whatever becomes of reader and publisher. See shmring_reader_memory().
class Memory {
 public:
  explicit Memory(shmring_reader* reader) { check(shmring_reader_memory(reader, &memory_)); }
  Memory(Memory&& other) noexcept : memory_(std::exchange(other.memory_, SHMRING_MEMORY_INIT)) {}
  Memory& operator=(Memory&& other) noexcept {
    std::swap(memory_, other.memory_);
    return *this;
  }
  ~Memory() { shmring_memory_release(&memory_); }

  const std::byte* data() const { return static_cast<const std::byte*>(memory_.data); }
  std::size_t size() const { return memory_.size; }
  std::uint64_t generation() const { return memory_.generation; }

 private:
  shmring_memory memory_ = SHMRING_MEMORY_INIT;
};

class Reader {
 public:
  explicit Reader(const ReaderOptions& options) {
    const shmring_reader_options raw = options.raw();
    check(shmring_reader_open(&raw, &reader_));
  }
  Reader(Reader&& other) noexcept : reader_(std::exchange(other.reader_, nullptr)), ended_(other.ended_) {}
  Reader& operator=(Reader&& other) noexcept {
    std::swap(reader_, other.reader_);
    std::swap(ended_, other.ended_);
    return *this;
  }
  ~Reader() { shmring_reader_close(reader_); }

  // Empty when the time is over, or, ended() says so, when the stream is. Everything else throws.
  std::optional<Frame> read(std::chrono::nanoseconds timeout = forever) { return take(shmring_reader_read, timeout); }
  // The same, but passes over everything older than the newest frame.
  std::optional<Frame> latest(std::chrono::nanoseconds timeout = forever) {
    return take(shmring_reader_latest, timeout);
  }
  bool ended() const { return ended_; }
  // For functions of the C API.
  shmring_reader* get() const { return reader_; }

  void interrupt(bool on = true) { shmring_reader_interrupt(reader_, on); }
  void flush() { shmring_reader_flush(reader_); }
  int fileno() const { return shmring_reader_fileno(reader_); }
  bool connected() const { return shmring_reader_connected(reader_); }
  std::chrono::nanoseconds latency() const { return std::chrono::nanoseconds(shmring_reader_latency(reader_)); }
  // Throws while it is attached to no publisher. Any thread.
  Memory memory() const { return Memory(reader_); }
  // Asks the publisher for a key frame. False: none is attached, or its version knows no such request. Any thread.
  bool request_key_frame() {
    const shmring_status status = shmring_reader_request_key_frame(reader_);
    if (status == SHMRING_DISCONNECTED || status == SHMRING_REFUSED) return false;
    check(status);
    return true;
  }
  // How often a publisher was found. Cheap.
  std::uint64_t attachments() const { return shmring_reader_attachments(reader_); }
  shmring_reader_stats stats() const {
    shmring_reader_stats stats = SHMRING_READER_STATS_INIT;
    check(shmring_reader_stats_get(reader_, &stats));
    return stats;
  }

 private:
  template <class Take>
  std::optional<Frame> take(Take call, std::chrono::nanoseconds timeout) {
    shmring_frame* frame = nullptr;
    const shmring_status status = call(reader_, detail::wait(timeout), &frame);
    ended_ = status == SHMRING_END;
    if (status == SHMRING_OK) return Frame(frame);
    if (status == SHMRING_TIMEOUT || ended_) return std::nullopt;
    throw Error(status);
  }

  shmring_reader* reader_ = nullptr;
  bool ended_ = false;
};

// One of several readers, and what its read came to; without a frame `status` says why, as SHMRING_END.
struct Selected {
  Reader* reader;
  shmring_status status;
  std::optional<Frame> frame;
};

// Waits until a reader has a frame or something else to tell: those that have, each with its next frame. Empty when the time is over.
inline std::vector<Selected> select(const std::vector<Reader*>& readers, std::chrono::nanoseconds timeout = forever) {
  std::vector<shmring_reader*> raw;
  for (const Reader* reader : readers) raw.push_back(reader->get());
  std::vector<shmring_frame*> frames(raw.size());
  std::vector<shmring_status> statuses(raw.size());
  const shmring_status status =
      shmring_select(raw.data(), raw.size(), detail::wait(timeout), frames.data(), statuses.data());
  if (status != SHMRING_TIMEOUT) check(status);
  std::vector<Selected> found;
  for (std::size_t i = 0; i < raw.size(); ++i) {
    if (statuses[i] == SHMRING_TIMEOUT) continue;
    found.push_back({readers[i], statuses[i], std::nullopt});
    if (frames[i] != nullptr) found.back().frame.emplace(frames[i]);
  }
  return found;
}

// Batches for one model: the newest frames of several readers, at most one of each. The readers outlive it.
class Batch {
 public:
  // `size`: frames of a batch at most, 0: one of each reader. `wait`: for others, once there is a frame.
  explicit Batch(std::vector<Reader*> readers, std::size_t size = 0, std::chrono::nanoseconds wait = {})
      : readers_(std::move(readers)),
        size_(size != 0 ? size : readers_.size()),
        wait_(detail::wait(wait)),
        statuses_(readers_.size()),
        frames_(readers_.size()) {
    for (const Reader* reader : readers_) raw_.push_back(reader->get());
  }

  // Empty when the time is over, or, ended() says so, when all streams are. With more readers than `size` all get their turn.
  std::vector<Selected> next(std::chrono::nanoseconds timeout = forever) {
    const shmring_status status = shmring_batch(raw_.data(), raw_.size(), size_, wait_, detail::wait(timeout), &next_,
                                                frames_.data(), statuses_.data());
    std::vector<Selected> found;
    for (std::size_t i = 0; i < raw_.size(); ++i) {
      if (frames_[i] == nullptr) continue;
      found.push_back({readers_[i], SHMRING_OK, std::nullopt});
      found.back().frame.emplace(std::exchange(frames_[i], nullptr));
    }
    ended_ = status == SHMRING_END;
    if (status != SHMRING_TIMEOUT && !ended_) check(status);
    return found;
  }
  bool ended() const { return ended_; }

 private:
  std::vector<Reader*> readers_;
  std::size_t size_, next_ = 0;
  std::uint64_t wait_;
  std::vector<shmring_status> statuses_;
  std::vector<shmring_frame*> frames_;
  std::vector<shmring_reader*> raw_;
  bool ended_ = false;
};

// A slot to fill; given back unless it is published. Must not outlive its publisher.
class Loan {
 public:
  Loan(Loan&& other) noexcept : publisher_(other.publisher_), loan_(std::exchange(other.loan_, {})) {}
  Loan& operator=(Loan&& other) noexcept {
    std::swap(publisher_, other.publisher_);
    std::swap(loan_, other.loan_);
    return *this;
  }
  ~Loan() {
    if (loan_.ticket != 0) shmring_publisher_discard(publisher_, &loan_);
  }

  std::byte* data() const { return static_cast<std::byte*>(loan_.data); }
  std::size_t capacity() const { return static_cast<std::size_t>(loan_.capacity); }

 private:
  friend class Publisher;
  Loan(shmring_publisher* publisher, const shmring_loan& loan) : publisher_(publisher), loan_(loan) {}

  shmring_publisher* publisher_;
  shmring_loan loan_;
};

struct PublisherOptions {
  std::string socket_path;
  std::uint64_t slot_size = 0;  // 0: as the format's frames
  std::uint32_t max_readers = 1;
  std::uint32_t depth = 5;
  std::uint32_t max_held = 4;
  std::uint32_t slots = 0;  // 0: as many as the others come to
  std::uint32_t loans = 2;
  std::uint32_t perms = 0600;
  shmring_policy drop_policy = SHMRING_DROP_NEWEST;
};

class Publisher {
 public:
  explicit Publisher(const PublisherOptions& options, const Format& format = Format()) {
    shmring_publisher_options raw = SHMRING_PUBLISHER_OPTIONS_INIT;
    raw.socket_path = options.socket_path.c_str();
    raw.slot_size = options.slot_size != 0 ? options.slot_size : format.frame_size();
    raw.max_readers = options.max_readers;
    raw.depth = options.depth;
    raw.max_held = options.max_held;
    raw.slots = options.slots;
    raw.loans = options.loans;
    raw.perms = options.perms;
    raw.drop_policy = options.drop_policy;
    check(shmring_publisher_open(&raw, &publisher_));
    const shmring_status status = shmring_publisher_set_format(publisher_, &format.get());
    if (status == SHMRING_OK) return;
    const Error error(status);
    shmring_publisher_close(publisher_);
    throw error;
  }
  Publisher(Publisher&& other) noexcept : publisher_(std::exchange(other.publisher_, nullptr)) {}
  Publisher& operator=(Publisher&& other) noexcept {
    std::swap(publisher_, other.publisher_);
    return *this;
  }
  ~Publisher() { shmring_publisher_close(publisher_); }

  void set_format(const Format& format) { check(shmring_publisher_set_format(publisher_, &format.get())); }
  void set_latency(std::chrono::nanoseconds latency) {
    shmring_publisher_set_latency(publisher_, detail::wait(latency));
  }
  void resize(std::uint64_t slot_size) { check(shmring_publisher_resize(publisher_, slot_size)); }

  // Empty when no slot is free.
  std::optional<Loan> loan() {
    shmring_loan loan = SHMRING_LOAN_INIT;
    if (!had_slot(shmring_publisher_loan(publisher_, &loan))) return std::nullopt;
    return Loan(publisher_, loan);
  }
  // Publishes info.size bytes of the loan; sequence and publish time come back in `info`.
  void publish(Loan loan, FrameInfo& info) {
    shmring_loan raw = std::exchange(loan.loan_, {});
    check(shmring_publisher_publish(publisher_, &raw, &info));
  }
  // Copies info.size bytes. False: no slot was free; the frame is dropped and counted.
  bool write(const void* data, FrameInfo& info) { return had_slot(shmring_publisher_write(publisher_, data, &info)); }

  // True once for all requests of readers, and at most once in 500 ms: ask before each frame that is encoded.
  bool key_frame_requested() { return shmring_publisher_key_frame_requested(publisher_); }
  void end() { check(shmring_publisher_end(publisher_)); }
  Stats stats() const {
    return collect_stats([this](auto... to) { return shmring_publisher_stats(publisher_, to...); });
  }

 private:
  static bool had_slot(shmring_status status) {
    if (status == SHMRING_FULL) return false;
    check(status);
    return true;
  }

  shmring_publisher* publisher_ = nullptr;
};

// Looks at a live ring: takes no lane and maps no memory.
class Observer {
 public:
  explicit Observer(const std::string& path, std::chrono::nanoseconds timeout = std::chrono::seconds(1))
      : timeout_(detail::wait(timeout)) {
    check(shmring_observer_open(path.c_str(), timeout_, &observer_));
  }
  Observer(Observer&& other) noexcept : timeout_(other.timeout_), observer_(std::exchange(other.observer_, nullptr)) {}
  Observer& operator=(Observer&& other) noexcept {
    std::swap(timeout_, other.timeout_);
    std::swap(observer_, other.observer_);
    return *this;
  }
  ~Observer() { shmring_observer_close(observer_); }

  Stats stats() const {
    return collect_stats([this](auto... to) { return shmring_observer_stats(observer_, timeout_, to...); });
  }

 private:
  std::uint64_t timeout_;
  shmring_observer* observer_ = nullptr;
};

inline Stats inspect(const std::string& path, std::chrono::nanoseconds timeout = std::chrono::seconds(1)) {
  return Observer(path, timeout).stats();
}

}  // namespace face
}  // namespace shmring

#endif
