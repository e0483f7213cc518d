// SPDX-License-Identifier: LGPL-2.1-or-later
// The enumerations of the ring's elements, as GObject types. Their values are the ring's own.
#pragma once

#include <glib-object.h>

#include <shmring/types.h>

namespace supplier {

enum class OnDisconnect { wait, eos, error, repeat };
enum class ForwardEos { automatic, always, never };

GType policy_type();         // GstShmRingPolicy, of shmringsink
GType reader_policy_type();  // GstShmRingReaderPolicy: the same and "publisher", of shmringsrc
GType wake_type();           // GstShmRingWake
GType on_disconnect_type();  // GstShmRingOnDisconnect
GType forward_eos_type();    // GstShmRingForwardEos

}  // namespace supplier
