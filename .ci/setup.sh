# shellcheck shell=bash disable=SC2086  # package lists are words
# SPDX-License-Identifier: LGPL-2.1-or-later
# Sourced by tests/run and examples/demo: installs groups of .ci/packages, only what is missing.

# install_packages LOG GROUP…  Quiet; what apt-get says goes to LOG. Touches nothing, and needs no network, when all is there.
install_packages() {
  local log=$1 root group wanted missing sudo='' LC_ALL=C
  shift
  root=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
  wanted=$(for group; do sed -n "s/^$group //p" "$root/packages"; done | sort -u)
  missing=$(dpkg-query -W -f '${db:Status-Status} ${Package}\n' $wanted 2>/dev/null | sed -n 's/^installed //p' | sort -u |
    comm -13 - <(printf '%s\n' $wanted))
  [ -n "$missing" ] || return 0
  if ! command -v apt-get >/dev/null; then
    echo "not a Debian system; install what corresponds to:" $missing >&2
    return 1
  fi
  if [ "$(id -u)" != 0 ]; then
    if ! command -v sudo >/dev/null; then
      echo "run as root: apt-get install" $missing >&2
      return 1
    fi
    sudo=sudo
  fi
  echo "installing:" $missing
  {
    $sudo apt-get -q update &&
      $sudo env DEBIAN_FRONTEND=noninteractive apt-get -q -y -o DPkg::Lock::Timeout=300 \
        --no-install-recommends install $missing
  } >>"$log" 2>&1 </dev/null || {
    tail -n 20 "$log" >&2
    return 1
  }
}
