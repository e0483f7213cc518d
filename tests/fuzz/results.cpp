// SPDX-License-Identifier: LGPL-2.1-or-later
// Bytes of a result stream, as a stranger may send them: what is taken is within its limits, and is read again as it is written.
#include <cmath>
#include <string>
#include <string_view>

#include "fuzz.hpp"
#include "results/result.hpp"

using namespace shmring;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::string why;
  const auto result = parse_result({reinterpret_cast<const char*>(data), size}, why);
  if (!result) {
    FUZZ_CHECK(!why.empty());
    return 0;
  }
  FUZZ_CHECK(result->objects.size() <= kMaxObjects && result->classes.size() <= kMaxClasses);
  for (std::size_t i = 0; i < result->objects.size(); ++i) {
    const Object& object = result->objects[i];
    FUZZ_CHECK(std::abs(object.score) <= kMaxNumber);
    for (const double number : object.box) FUZZ_CHECK(std::abs(number) <= kMaxNumber);
    FUZZ_CHECK(object.box[2] >= 0 && object.box[3] >= 0);
    FUZZ_CHECK(!object.parent || (*object.parent >= 0 && static_cast<std::size_t>(*object.parent) < i));
    FUZZ_CHECK(!object.track || *object.track >= 0);
  }
  const auto written = to_json(*result, why);
  if (!written) {  // it may be longer than what was read: 0 becomes 0.0
    FUZZ_CHECK(size > kResultSize / 4);
    return 0;
  }
  const auto again = parse_result(*written, why);
  FUZZ_CHECK(again);
  FUZZ_CHECK(to_json(*again, why) == written);
  return 0;
}
