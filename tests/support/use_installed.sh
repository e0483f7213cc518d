# shellcheck shell=bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# Run by a login shell of a machine where the project is installed, under `set -eu`: uses each part of it, and sets no variable.
work=$(mktemp -d)
cd "$work" || exit
publisher=
trap 'test -z "$publisher" || kill "$publisher" || :; rm -rf "$work"' EXIT

/usr/bin/python3 -c 'import shmring; print(shmring.__file__)'
for element in latestframe shmringsink shmringsrc framehealth resultjoin; do gst-inspect-1.0 "$element" >/dev/null; done
gst-inspect-1.0 latestframe | sed -n 's/^ *Filename *//p'
shmring --version

cat >program.c <<'END'
#include <shmring/shmring.h>
#include <stdio.h>
int main(void) { return printf("library %s\n", shmring_version()) < 0; }
END
flags=$(pkg-config --cflags --libs shmring)
# shellcheck disable=SC2086  # words
gcc program.c -o program $flags
./program

# One pipeline and one Python program, with the command beside them.
gst-launch-1.0 -q videotestsrc is-live=true ! video/x-raw,format=BGR,width=64,height=48 ! latestframe ! \
  shmringsink socket-path="$work/cam.sock" max-readers=2 &
publisher=$!
timeout 60 /usr/bin/python3 -c '
import shmring
with shmring.Reader("cam.sock", "latest") as reader:
    print("frame", reader.read(60.0).array.shape)'
shmring stat cam.sock >/dev/null
timeout 60 gst-launch-1.0 -q shmringsrc socket-path="$work/cam.sock" num-buffers=2 ! fakesink
