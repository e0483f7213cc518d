// SPDX-License-Identifier: LGPL-2.1-or-later
// A value, or a status with an error message for the user.
#pragma once

#include <string>
#include <utility>
#include <variant>

#include <shmring/types.h>

namespace shmring {

using Status = shmring_status;

struct [[nodiscard]] Error {
  Error() = default;
  // cold: the compiler moves code that leads here out of the way of what runs for every frame, which then fits few pages.
  [[gnu::cold, gnu::noinline]] Error(Status why, std::string message) : status(why), text(std::move(message)) {}
  Status status = SHMRING_OK;
  std::string text;
};

// Holds a T or an Error; never both. value() on an error is a bug of the caller.
template <class T>
class [[nodiscard]] Result {
 public:
  Result(T value) : state_(std::in_place_index<0>, std::move(value)) {}
  Result(Error error) : state_(std::in_place_index<1>, std::move(error)) {}
  Result(Status status, std::string text = {}) : state_(std::in_place_index<1>, status, std::move(text)) {}

  explicit operator bool() const { return state_.index() == 0; }
  T& value() & { return std::get<0>(state_); }
  T&& value() && { return std::get<0>(std::move(state_)); }
  T& operator*() & { return value(); }
  T&& operator*() && { return std::move(*this).value(); }
  T* operator->() { return &value(); }
  Status status() const { return state_.index() == 0 ? SHMRING_OK : std::get<1>(state_).status; }
  Error error() const { return state_.index() == 0 ? Error{} : std::get<1>(state_); }

 private:
  std::variant<T, Error> state_;
};

// Success, or an Error.
template <>
class [[nodiscard]] Result<void> {
 public:
  Result() = default;
  Result(Error error) : error_(std::move(error)) {}
  Result(Status status, std::string text = {}) : error_(status, std::move(text)) {}

  explicit operator bool() const { return error_.status == SHMRING_OK; }
  Status status() const { return error_.status; }
  const Error& error() const { return error_; }

 private:
  Error error_;
};

}  // namespace shmring
