#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# Every C and C++ example compiles against the installed package with what pkg-config says and nothing else, in the oldest standard it
# promises, and the programs understand each other.
#
# usage: installed_examples.sh BUILD CC CXX
set -eu
build=$1 cc=$2 cxx=$3
examples=$(cd "$(dirname "$0")/../../examples" && pwd)
work=$(mktemp -d)
publisher=
trap 'test -z "$publisher" || kill "$publisher" || :; rm -rf "$work"' EXIT

meson install -C "$build" --no-rebuild --destdir "$work/root" >"$work/log" || { cat "$work/log"; exit 1; }
package=$(find "$work/root" -name shmring.pc)
PKG_CONFIG_PATH=$(dirname "$package") PKG_CONFIG_SYSROOT_DIR=$work/root
LD_LIBRARY_PATH=$(dirname "$(dirname "$package")")
export PKG_CONFIG_PATH PKG_CONFIG_SYSROOT_DIR LD_LIBRARY_PATH

echo 1..9
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
# shellcheck disable=SC2086
check "the C++ results compiles" $cxx -std=c++17 -Wall -Wextra -Werror "$examples/cpp/results.cpp" -o cpp_results $flags
for writer in c cpp; do
  "./${writer}_publisher" "$work/$writer.sock" >/dev/null &
  publisher=$!
  for reader in c cpp; do
    check "the $reader reader reads the $writer publisher" timeout 50 "./${reader}_reader" "$work/$writer.sock" 5
  done
  kill "$publisher"
  publisher=
done
