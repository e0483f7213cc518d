// SPDX-License-Identifier: LGPL-2.1-or-later
// Loan: arrays that can be written, and the count of them.
#include "loan.hpp"

#include <algorithm>

#include "arguments.hpp"
#include "errors.hpp"
#include "frame.hpp"
#include "views.hpp"

namespace py = pybind11;

namespace shmring::python {

shmring_frame_info Format::info() const {
  shmring_frame_info info = SHMRING_FRAME_INFO_INIT;
  info.size = size;
  info.plane_count = format.plane_count;
  std::copy_n(format.planes, SHMRING_MAX_PLANES, info.planes);
  return info;
}

Loan::Loan(std::shared_ptr<Ring> ring, std::shared_ptr<const Format> format)
    : slot_(std::make_shared<Slot>(std::move(ring))), format_(std::move(format)) {
  Slot& slot = *slot_;
  const shmring_status status = shmring_publisher_loan(slot.ring->handle, &slot.loan);
  if (status == SHMRING_FULL)
    raise(status,
          "no slot is free for a loan, or as many loans as agreed are out: publish or discard one and delete its "
          "arrays, or give "
          "the Publisher more loans or slots");
  check(status);
}

Loan::Slot& Loan::get() const {
  if (slot_ == nullptr)
    raise(SHMRING_INVALID, "the loan has ended: it was published or discarded; ask the publisher for another loan()");
  return *slot_;
}

// Owner that arrays hold for the memory.
py::object Loan::keeper(const std::shared_ptr<Slot>& slot) {
  using Kept = std::shared_ptr<Slot>;
  auto kept = std::make_unique<Kept>(slot);
  auto* capsule = PyCapsule_New(kept.get(), nullptr, [](PyObject* dying) {
    auto* held = static_cast<Kept*>(PyCapsule_GetPointer(dying, nullptr));
    --(*held)->arrays;
    delete held;
  });
  if (capsule == nullptr) throw py::error_already_set();
  kept.release();
  ++slot->arrays;
  return py::reinterpret_steal<py::object>(capsule);
}

py::object Loan::array() const {
  Slot& slot = get();
  shmring_frame_info info = format_->info();
  info.size = default_size();
  return make_array(slot.loan.data, whole_view(format_->format, info), keeper(slot_), true);
}

py::tuple Loan::planes() const {
  Slot& slot = get();
  shmring_frame_info info = format_->info();
  info.size = default_size();
  return make_arrays(slot.loan.data, plane_views(format_->format, info), keeper(slot_), true);
}

shmring_status Loan::publish(const Ring& ring, shmring_frame_info& info) {
  Slot& slot = get();
  if (slot.ring.get() != &ring) raise(SHMRING_INVALID, "the loan is of another publisher");
  if (slot.arrays != 0) {
    PyErr_SetString(PyExc_BufferError,
                    "an array of the loan is still alive; a published frame never changes, so delete the array first");
    throw py::error_already_set();
  }
  const auto ended = std::exchange(slot_, nullptr);
  const shmring_status status = shmring_publisher_publish(slot.ring->handle, &slot.loan, &info);
  slot.loan.ticket = 0;
  return status;
}

void Loan::bind(py::module_& module) {
  static PyMethodDef methods[] = {
      method("discard", without_arguments<&Loan::discard>,
             "discard($self, /)\n--\n\nEnds the loan; its slot goes back when no array of it is left."),
      method("__enter__", enter, nullptr),
      {"__exit__", without_arguments<&Loan::discard>, METH_VARARGS, nullptr},
      {nullptr, nullptr, 0, nullptr}};
  py::class_<Loan>(module, "Loan", "A slot of the ring, to be filled in place and given to Publisher.publish().",
                   py::custom_type_setup([](PyHeapTypeObject* type) { type->ht_type.tp_methods = methods; }))
      .def_property_readonly("array", &Loan::array)
      .def_property_readonly("planes", &Loan::planes)
      .def_property_readonly("capacity", &Loan::capacity)
      .def("__repr__", [](const Loan& self) {
        if (self.ended()) return std::string("<shmring.Loan, ended>");
        return "<shmring.Loan, " + std::to_string(self.capacity()) + " bytes>";
      });
}

}  // namespace shmring::python
