# shellcheck shell=bash disable=SC2086  # package lists are words
# SPDX-License-Identifier: LGPL-2.1-or-later
# Sourced by tests/run, examples/demo and their like, under `set -e` or not: installs groups of .ci/packages, only what is missing, and
# shows what a long command is at.

# Where ccache is: what was compiled in another clone counts too, and what was compiled with a precompiled header.
CCACHE_BASEDIR=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
export CCACHE_BASEDIR CCACHE_NOHASHDIR=1 CCACHE_SLOPPINESS=pch_defines,time_macros

# follow LOG COMMAND…  Runs COMMAND with its output in LOG and shows the last line of LOG every ten seconds.
follow() {
  local log=$1 status=0 ticker never
  shift
  exec {never}<> <(:) # nothing ever comes from it: `read` waits without a process that would outlive us
  while read -rt 10 -u "$never" || kill -0 $$ 2>/dev/null; do
    tail -n 1 "$log" | tr -d '\r' | cut -c1-100 | sed 's/^/    … /'
  done &
  ticker=$!
  "$@" >>"$log" 2>&1 </dev/null || status=$?
  kill "$ticker" 2>/dev/null || :
  wait "$ticker" 2>/dev/null || :
  exec {never}>&-
  return $status
}

# missing_packages GROUP…  Prints what of the groups is not installed. dpkg-query fails where it does not know one of them.
missing_packages() {
  local group wanted installed
  wanted=$(for group; do sed -n "s/^$group //p" "$(dirname "${BASH_SOURCE[0]}")/packages"; done | sort -u)
  installed=$(dpkg-query -W -f '${db:Status-Status} ${Package}\n' $wanted 2>/dev/null) || :
  comm -23 <(printf '%s\n' $wanted) <(sed -n 's/^installed //p' <<<"$installed" | sort -u)
}

# ask_root PACKAGE…  The line that an administrator has to run for a user who cannot.
ask_root() {
  echo "packages are missing, and only root can install them. Run this as root, then start again as yourself:" >&2
  echo "  apt-get update && apt-get install --no-install-recommends" "$@" >&2
}

# install_packages LOG GROUP…  What apt-get says goes to LOG. Touches nothing, and needs no network, when all is there.
install_packages() {
  local log=$1 missing size sudo='' LC_ALL=C
  shift
  missing=$(missing_packages "$@")
  [ -n "$missing" ] || return 0
  missing=$(tr '\n' ' ' <<<"$missing")
  if ! command -v apt-get >/dev/null; then
    echo "not a Debian system; install what corresponds to:" $missing >&2
    return 1
  fi
  if [ "$(id -u)" != 0 ]; then
    command -v sudo >/dev/null || { ask_root $missing && return 1; }
    sudo=sudo
  fi
  echo "installing:" $missing
  local install="apt-get -q -y -o DPkg::Lock::Timeout=300 --no-install-recommends install $missing"
  if follow "$log" $sudo apt-get -q update; then
    size=$($sudo $install --print-uris 2>>"$log" | awk '$1 ~ /^\x27/ { bytes += $3 } END { print int(bytes / 1e6) }') || :
    echo "    that is ${size:-?} MB to fetch"
    if follow "$log" $sudo env DEBIAN_FRONTEND=noninteractive $install; then return 0; fi
  fi
  tail -n 20 "$log" >&2
  [ -z "$sudo" ] || ask_root $missing
  return 1
}
