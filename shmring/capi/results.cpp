// SPDX-License-Identifier: LGPL-2.1-or-later
// The functions of the C API for results.
#include <string>
#include <string_view>

#include <shmring/results.h>

#include "capi/status.hpp"
#include "results/result.hpp"

using namespace shmring;
using capi::fail;
using capi::guarded;

static_assert(std::string_view(SHMRING_RESULT_CAPS) == kResultCaps && SHMRING_RESULT_SIZE == kResultSize);

namespace {

Status refused(const std::string& why) { return fail(SHMRING_INVALID, "the result is refused: " + why); }

}  // namespace

extern "C" {

shmring_status shmring_result_check(const void* json, size_t size) {
  return guarded([&] {
    if (!json) return fail(SHMRING_INVALID, "json must not be NULL");
    std::string why;
    return parse_result({static_cast<const char*>(json), size}, why) ? SHMRING_OK : refused(why);
  });
}

}  // extern "C"
