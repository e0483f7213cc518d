// SPDX-License-Identifier: LGPL-2.1-or-later
#include "metas.hpp"

#include <string>
#include <string_view>

#include <shmring/shmring.h>

#include "arguments.hpp"
#include "errors.hpp"

namespace py = pybind11;

namespace shmring::python {
namespace {

py::bytes bytes_of(const void* data, std::size_t size) { return {static_cast<const char*>(data), size}; }

// All records; none, and false, where one of them is none.
bool read(const void* metadata, std::size_t size, std::vector<shmring_meta>& metas) {
  std::size_t offset = 0;
  shmring_meta meta = SHMRING_META_INIT;
  shmring_status status;
  while ((status = shmring_meta_next(metadata, size, &offset, &meta)) == SHMRING_OK) metas.push_back(meta);
  return status == SHMRING_END;
}

bool read(const shmring_frame_info& info, std::vector<shmring_meta>& metas) {
  return read(info.metadata, info.metadata_size, metas);
}

bool is_row(std::uint32_t kind) { return kind == SHMRING_META_ANALYTICS || kind == SHMRING_META_CLASSIFICATION; }

// As _metas.py has them; data of a row are its records.
py::list records_of(const std::vector<shmring_meta>& metas) {
  py::list records;
  for (const shmring_meta& meta : metas) {
    py::object data = bytes_of(meta.data, meta.data_size);
    if (std::vector<shmring_meta> inner; is_row(meta.kind) && read(meta.data, meta.data_size, inner))
      data = records_of(inner);
    records.append(py::make_tuple(meta.kind, bytes_of(meta.name, meta.name_size), data, meta.timestamp, meta.duration,
                                  py::make_tuple(meta.x, meta.y, meta.width, meta.height), meta.id, meta.parent,
                                  meta.confidence, meta.rotation, meta.track, meta.last_seen, meta.lost));
  }
  return records;
}

}  // namespace

py::bytes application_bytes(const shmring_frame_info& info) {
  std::vector<shmring_meta> metas;
  if (!read(info, metas)) return bytes_of(info.metadata, info.metadata_size);
  for (const shmring_meta& meta : metas)
    if (meta.kind == SHMRING_META_BYTES) return bytes_of(meta.data, meta.data_size);
  return py::bytes();
}

py::tuple metas_of(const shmring_frame_info& info) {
  std::vector<shmring_meta> metas;
  if (info.metadata_size == 0 || !read(info, metas)) return py::tuple(0);
  return py::module_::import("shmring._metas").attr("decode")(records_of(metas));
}

void Metadata::add_capture_utc(std::uint64_t time) {
  constexpr std::string_view clock = "timestamp/x-unix";
  shmring_meta meta = SHMRING_META_INIT;
  meta.kind = SHMRING_META_TIMESTAMP;
  meta.timestamp = time;
  meta.name = clock.data();
  meta.name_size = clock.size();
  add(meta);
}

void Metadata::add_metas(const py::handle& metas) {
  for (const py::handle& each : py::module_::import("shmring._metas").attr("encode")(metas)) add_record(each);
}

void Metadata::add_record(const py::handle& given) {
  const auto record = given.cast<py::tuple>();
  shmring_meta meta = SHMRING_META_INIT;
  meta.kind = record[0].cast<std::uint32_t>();
  const auto name = record[1].cast<std::string>();
  std::string data;
  Metadata row;
  if (is_row(meta.kind)) {
    for (const py::handle& inner : record[2]) row.add_record(inner);
    meta.data = row.bytes_.data();
    meta.data_size = row.size_;
  } else {
    data = record[2].cast<std::string>();
    meta.data = data.data();
    meta.data_size = data.size();
  }
  // The time of a track may be missing, that of a timestamp not.
  const std::uint64_t latest = meta.kind == SHMRING_META_TIMESTAMP ? SHMRING_TIME_NONE - 1 : SHMRING_TIME_NONE;
  meta.timestamp = whole_number(record[3], "time of a meta", 0, latest);
  meta.duration = whole_number(record[4], "duration of a meta", 0, SHMRING_TIME_NONE);
  const auto box = record[5].cast<py::tuple>();
  std::uint32_t* const sides[] = {&meta.x, &meta.y, &meta.width, &meta.height};
  for (std::size_t i = 0; i < 4; ++i) *sides[i] = small_number(box[i], "x, y, width or height of a region");
  try {
    meta.id = record[6].cast<std::int32_t>();
    meta.parent = record[7].cast<std::int32_t>();
  } catch (const py::cast_error&) {
    raise(SHMRING_INVALID, "id and parent of a region are whole numbers of 32 bits with a sign");
  }
  try {
    meta.confidence = record[8].cast<float>();
    meta.rotation = record[9].cast<float>();
  } catch (const py::cast_error&) {
    raise(SHMRING_INVALID, "confidence and rotation are numbers");
  }
  meta.track = whole_number(record[10], "id of a Tracking", 0, UINT64_MAX);
  meta.last_seen = whole_number(record[11], "last_seen of a Tracking", 0, SHMRING_TIME_NONE);
  meta.lost = record[12].cast<bool>() ? 1 : 0;
  meta.name = name.data();
  meta.name_size = name.size();
  add(meta);
}

void Metadata::add_bytes(const py::handle& bytes) {
  if (!PyBytes_Check(bytes.ptr())) {
    const std::string text = "metadata is bytes, not " + type_name(bytes) + ": text as text.encode()";
    PyErr_SetString(PyExc_TypeError, text.c_str());
    throw py::error_already_set();
  }
  shmring_meta meta = SHMRING_META_INIT;
  meta.kind = SHMRING_META_BYTES;
  meta.data = PyBytes_AsString(bytes.ptr());
  meta.data_size = static_cast<std::size_t>(PyBytes_Size(bytes.ptr()));
  if (meta.data_size != 0) add(meta);
}

void Metadata::add(const shmring_meta& meta) {
  bytes_.resize(SHMRING_METADATA_SIZE);
  check(shmring_meta_add(bytes_.data(), bytes_.size(), &size_, &meta));
}

void Metadata::put_into(shmring_frame_info& info) const {
  if (size_ == 0) return;
  info.metadata = bytes_.data();
  info.metadata_size = size_;
}

}  // namespace shmring::python
