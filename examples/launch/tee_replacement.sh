#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# One source, a fast branch and a slow one. With tee the slow one would stop the fast one; with latestframe each gets the newest frame
# when it has time. The health of both is on the bus (-m).
#
#   tee_replacement.sh
#
# SOURCE and SINK replace the parts, for example SOURCE=v4l2src.
# shellcheck disable=SC2086  # SOURCE and SINK are several words
set -eu
exec gst-launch-1.0 -m ${SOURCE:-videotestsrc is-live=true} ! latestframe name=frames src_0::worker=viewer src_1::worker=slow \
  frames.src_0 ! videoconvert ! ${SINK:-autovideosink} \
  frames.src_1 ! identity sleep-time=300000 ! fakesink
