// SPDX-License-Identifier: LGPL-2.1-or-later
// Statuses, their error messages, the clock.
#include "capi/status.hpp"

#include <algorithm>
#include <cstring>
#include <string>
#include <string_view>

#include <shmring/version.h>

#include "abi/array.hpp"
#include "abi/names.hpp"
#include "abi/video.hpp"
#include "os/clock.hpp"
#include "os/log.hpp"
#include "publisher/publisher.hpp"

static_assert(std::string_view(SHMRING_VERSION_STRING) == PROJECT_VERSION,
              "shmring/version.h and the version of the project in meson.build differ: change both");

namespace shmring::capi {
namespace {
thread_local std::string last_error;

// For statuses that are returned without a text of their own, some of them often.
const char* message_of(Status status) {
  if (status == SHMRING_FULL)
    return "no slot is free: frames that readers hold or loans have them all; release some, or raise slots or loans";
  return status_name(status);
}
}  // namespace

Status fail(Status status, std::string text) {
  if (text.empty())
    last_error.assign(message_of(status));  // in the place that it has
  else
    last_error = std::move(text);
  return status;
}

Status failed(const std::exception& thrown) noexcept {
  try {
    return fail(SHMRING_SYSTEM, thrown.what());
  } catch (const std::exception&) {
    last_error.clear();
    return SHMRING_SYSTEM;
  }
}

Status not_initialised(const char* structure, const char* macro) {
  return fail(SHMRING_INVALID, std::string(structure) + ".struct_size is 0: initialise the structure with " + macro);
}

}  // namespace shmring::capi

extern "C" {

const char* shmring_last_error(void) { return shmring::capi::last_error.c_str(); }

const char* shmring_version(void) { return SHMRING_VERSION_STRING; }

void shmring_set_log(shmring_log_callback callback, void* user, shmring_log_level level) {
  shmring::set_log(callback, user, level);
}

uint64_t shmring_now(void) { return shmring::now(); }

const char* shmring_status_name(shmring_status status) { return shmring::status_name(status); }
const char* shmring_policy_name(shmring_policy policy) { return shmring::policy_name(policy); }
const char* shmring_wake_name(shmring_wake wake) { return shmring::wake_name(wake); }
const char* shmring_reader_state_name(shmring_reader_state state) { return shmring::reader_state_name(state); }
const char* shmring_violation_name(shmring_violation violation) { return shmring::violation_name(violation); }

const shmring_pixel_layout* shmring_pixel_layout_of(shmring_pixel_format format) {
  return shmring::pixel_layout(format);
}

shmring_pixel_format shmring_pixel_format_of(const char* name) {
  return name ? shmring::pixel_format_of(name) : SHMRING_BYTES;
}

shmring_status shmring_array_of(const shmring_format* given_format, const shmring_frame_info* given_info, int plane,
                                shmring_array* array) {
  using namespace shmring;
  return capi::guarded([&] {
    if (!given_format || !given_info || !array)
      return capi::fail(SHMRING_INVALID, "format, info and the place for the array must not be NULL");
    if (given_format->struct_size == 0) return capi::not_initialised("shmring_format", "SHMRING_FORMAT_INIT");
    if (given_info->struct_size == 0) return capi::not_initialised("shmring_frame_info", "SHMRING_FRAME_INFO_INIT");
    shmring_format format = SHMRING_FORMAT_INIT;
    shmring_frame_info info = SHMRING_FRAME_INFO_INIT;
    std::memcpy(&format, given_format, std::min(given_format->struct_size, sizeof format));
    std::memcpy(&info, given_info, std::min(given_info->struct_size, sizeof info));
    if (info.plane_count == 0) {  // the format's planes apply
      info.plane_count = std::min<std::uint32_t>(format.plane_count, SHMRING_MAX_PLANES);
      std::copy_n(format.planes, info.plane_count, info.planes);
    }
    if (plane < SHMRING_WHOLE)
      return capi::fail(SHMRING_INVALID, "plane " + std::to_string(plane) +
                                             " does not exist: the first is 0, and SHMRING_WHOLE the whole picture");
    auto found = plane == SHMRING_WHOLE ? whole_array(format, info)
                                        : plane_array(format, info, static_cast<std::uint32_t>(plane));
    if (!found) return capi::status_of(found);
    return capi::fill(array, *found, "shmring_array", "SHMRING_ARRAY_INIT");
  });
}

}  // extern "C"
