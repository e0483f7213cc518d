#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# A camera in one terminal, a viewer in the other. Kill and restart either: the other goes on.
#
#   terminal 1:  two_terminals.sh publish
#   terminal 2:  two_terminals.sh read
#
# SOCKET, SOURCE and SINK replace the parts, for example SOURCE=v4l2src.
# shellcheck disable=SC2086  # SOURCE and SINK are several words
set -eu
socket=${SOCKET:-/tmp/example.sock}
case ${1:-} in
publish)
  exec gst-launch-1.0 ${SOURCE:-videotestsrc is-live=true} ! videoconvert ! video/x-raw,format=BGR ! \
    shmringsink socket-path="$socket" max-readers=8
  ;;
read)
  exec gst-launch-1.0 shmringsrc socket-path="$socket" worker="viewer-$$" drop-policy=latest ! videoconvert ! \
    ${SINK:-autovideosink}
  ;;
*)
  echo "usage: $0 publish|read" >&2
  exit 2
  ;;
esac
