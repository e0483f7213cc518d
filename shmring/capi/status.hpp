// SPDX-License-Identifier: LGPL-2.1-or-later
// Converts results and exceptions to statuses of the C API.
#pragma once

#include <algorithm>
#include <cstring>
#include <exception>
#include <new>
#include <string>
#include <utility>

#include "abi/result.hpp"

namespace shmring::capi {

// Stores the error message for shmring_last_error() of this thread.
Status fail(Status status, std::string text);

// The same for what was thrown; itself throws nothing.
Status failed(const std::exception& thrown) noexcept;

template <class T>
Status status_of(const Result<T>& result) {
  return result ? SHMRING_OK : fail(result.status(), result.error().text);
}

// A structure whose struct_size was never set.
Status not_initialised(const char* structure, const char* macro);

// Fills the caller's structure as far as it reaches, and says in it how far that is.
template <class T>
Status fill(T* out, const T& value, const char* structure, const char* macro) {
  if (out->struct_size == 0) return not_initialised(structure, macro);
  const std::size_t size = std::min(out->struct_size, sizeof value);
  std::memcpy(out, &value, size);
  out->struct_size = size;
  return SHMRING_OK;
}

// Runs a call's body; no exception crosses into C.
template <class Body>
Status guarded(Body&& body) noexcept {
  try {
    return std::forward<Body>(body)();
  } catch (const std::bad_alloc&) {
    return fail(SHMRING_NO_MEMORY, {});  // its name is short enough to need no heap
  } catch (const std::exception& e) {
    return failed(e);
  }
}

}  // namespace shmring::capi
