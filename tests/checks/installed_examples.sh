#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# Every C and C++ example, and every program of the guide, compiles against the installed package with what pkg-config says and nothing else, in
# the oldest standard it promises, and the programs understand each other.
#
# usage: installed_examples.sh BUILD CC CXX
set -eu
build=$1 cc=$2 cxx=$3
root=$(cd "$(dirname "$0")/../.." && pwd)
examples=$root/examples
work=$(mktemp -d)
publisher=
trap 'test -z "$publisher" || kill "$publisher" || :; rm -rf "$work"' EXIT

meson install -C "$build" --no-rebuild --destdir "$work/root" >"$work/log" || { cat "$work/log"; exit 1; }
package=$(find "$work/root" -name shmring.pc)
PKG_CONFIG_PATH=$(dirname "$package") PKG_CONFIG_SYSROOT_DIR=$work/root
LD_LIBRARY_PATH=$(dirname "$(dirname "$package")")
export PKG_CONFIG_PATH PKG_CONFIG_SYSROOT_DIR LD_LIBRARY_PATH

echo 1..19
number=0
check() {
  number=$((number + 1)) title=$1
  shift
  if "$@" >"$work/said" 2>&1; then echo "ok $number - $title"; else echo "not ok $number - $title"; sed 's/^/# /' "$work/said"; fi
}

cd "$work"
flags=$(pkg-config --cflags --libs shmring)
# shellcheck disable=SC2086  # the compilers and their flags are several words
for name in publisher reader; do
  check "the C $name compiles" $cc -std=c11 -Wall -Wextra -Werror "$examples/c/$name.c" -o "c_$name" $flags
  check "the C++ $name compiles" $cxx -std=c++17 -Wall -Wextra -Werror "$examples/cpp/$name.cpp" -o "cpp_$name" $flags
done
# A program of the guide is a block whose first line is its name. With an unknown name it is missed, and a check fails for want of its file.
awk -v folder="$work" '/^```/ { file = ""; begins = /^```(c|cpp)$/; next } begins { file = folder "/guide_" $2; begins = 0 }
    file { print > file }' "$root/docs/guides/c.md"
# shellcheck disable=SC2086
for name in publisher reader worker; do
  check "the guide's $name.c compiles" $cc -std=c11 -Wall -Wextra -Werror "guide_$name.c" -o "guide_c_$name" $flags
  check "the guide's $name.cpp compiles" $cxx -std=c++17 -Wall -Wextra -Werror "guide_$name.cpp" -o "guide_cpp_$name" $flags
done
# shellcheck disable=SC2086
check "the C++ results compiles" $cxx -std=c++17 -Wall -Wextra -Werror "$examples/cpp/results.cpp" -o cpp_results $flags
for writer in guide_c guide_cpp; do
  "./${writer}_publisher" "$work/$writer.sock" >/dev/null &
  publisher=$!
  for reader in guide_c guide_cpp; do
    check "the $reader reader reads the $writer publisher" timeout 50 "./${reader}_reader" "$work/$writer.sock"
  done
  kill "$publisher" || :
  publisher=
done
for writer in c cpp; do
  "./${writer}_publisher" "$work/$writer.sock" >/dev/null &
  publisher=$!
  for reader in c cpp; do
    check "the $reader reader reads the $writer publisher" timeout 50 "./${reader}_reader" "$work/$writer.sock" 5
  done
  kill "$publisher"
  publisher=
done
