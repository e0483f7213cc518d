// SPDX-License-Identifier: LGPL-2.1-or-later
// One dictionary a structure: the same names everywhere, times in ns.
#include "stats.hpp"

#include <chrono>
#include <string>
#include <string_view>

#include "arguments.hpp"
#include "errors.hpp"
#include "gil.hpp"

namespace py = pybind11;

namespace shmring::python {
namespace {

// The value that `name_of` calls by that name; Invalid lists the names that there are.
template <class Enum>
Enum value_of(const char* (*name_of)(Enum), const py::handle& value, const char* argument) {
  std::string known;
  const std::string wanted = string_of(value, argument);
  for (int i = 0;; ++i) {
    const std::string_view name = name_of(static_cast<Enum>(i));
    if (name == "unknown") break;
    if (wanted == name) return static_cast<Enum>(i);
    known.append(i == 0 ? "" : ", ").append(name);
  }
  raise(SHMRING_INVALID, std::string(argument) + " is one of " + known + ", not \"" + wanted + "\"");
}

template <class Account>
py::dict fields(const Account& account);

py::object to_python(std::uint64_t number) { return py::int_(number); }
py::object to_python(shmring_policy value) { return py::str(shmring_policy_name(value)); }
py::object to_python(shmring_wake value) { return py::str(shmring_wake_name(value)); }
py::object to_python(shmring_reader_state value) { return py::str(shmring_reader_state_name(value)); }
py::object to_python(const char* value) { return text(value); }
py::object to_python(const shmring_times& times) { return fields(times); }
py::object to_python(const std::uint64_t (&violations)[SHMRING_VIOLATIONS]) { return fields(violations); }

template <class Account>
py::dict fields(const Account& account) {
  py::dict dictionary;
  for_each_field(account, [&](const char* name, const auto& value) { dictionary[name] = to_python(value); });
  return dictionary;
}

}  // namespace

py::object text(const char* bytes) {
  return py::reinterpret_steal<py::object>(
      PyUnicode_DecodeUTF8(bytes, static_cast<py::ssize_t>(std::char_traits<char>::length(bytes)), "replace"));
}

shmring_policy policy_of(const py::handle& name) {
  return name.is_none() ? SHMRING_POLICY_DEFAULT : value_of(shmring_policy_name, name, "drop_policy");
}

shmring_wake wake_of(const py::handle& name) { return value_of(shmring_wake_name, name, "wake"); }

py::dict to_dict(const shmring_reader_stats& stats) { return fields(stats); }

py::dict to_dict(const Stats& stats) {
  py::dict dictionary = fields(stats.ring);
  py::list accounts;
  for (const auto& account : stats.accounts) accounts.append(fields(account));
  dictionary["accounts"] = accounts;
  return dictionary;
}

py::dict inspect(const py::object& place, const py::object& timeout) {
  const std::string path = string_of(place, "socket_path");
  const std::uint64_t limit = nanoseconds(timeout, "timeout");
  Stats stats;
  try {
    const WithoutGil others_may_run;
    stats = shmring::inspect(path, limit > INT64_MAX ? forever : std::chrono::nanoseconds(limit));
  } catch (const Error& error) {
    raise(error.status(), error.what());
  }
  return to_dict(stats);
}

}  // namespace shmring::python
