#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# Encoded frames through the ring: each has its own size, slot-size is the largest that may come.
#
#   terminal 1:  jpeg.sh publish
#   terminal 2:  jpeg.sh read
#
# SOCKET, SOURCE and SINK replace the parts, for example SOURCE='v4l2src ! image/jpeg ! jpegdec'.
# shellcheck disable=SC2086  # SOURCE and SINK are several words
set -eu
socket=${SOCKET:-/tmp/example-jpeg.sock}
case ${1:-} in
publish)
  exec gst-launch-1.0 ${SOURCE:-videotestsrc is-live=true} ! videoconvert ! jpegenc ! \
    shmringsink socket-path="$socket" slot-size=1000000 max-readers=8
  ;;
read)
  exec gst-launch-1.0 shmringsrc socket-path="$socket" worker="viewer-$$" drop-policy=latest ! jpegdec ! videoconvert ! \
    ${SINK:-autovideosink}
  ;;
*)
  echo "usage: $0 publish|read" >&2
  exit 2
  ;;
esac
