# shellcheck shell=bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# Sourced by tests that need a Debian of their own in a folder: made by mmdebstrap from the machine's mirror, entered by chroot. Needs root.

# make_debian NAME ROOT PACKAGES  Unless it is there already. PACKAGES: separated by commas, besides a minimal system.
make_debian() {
  [ "$(id -u)" = 0 ] || { echo "run as root: it makes and enters a Debian" >&2 && return 1; }
  command -v mmdebstrap >/dev/null || { echo "install mmdebstrap" >&2 && return 1; }
  [ ! -e "$2/made" ] || return 0
  rm -rf "$2"
  mkdir -p "$2"
  # A mirror may be behind: what it has is what can be tested.
  mmdebstrap --quiet --aptopt='Acquire::Check-Valid-Until "false"' --variant=minbase --include="$3,ca-certificates" "$1" "$2" || return
  touch "$2/made"
}

# in_debian ROOT COMMANDS [ARGUMENT…]  Runs bash commands as root in it. Its mounts are of a namespace of its own: nothing stays mounted.
in_debian() {
  # shellcheck disable=SC2016  # the inner shells'
  unshare --mount --propagation private bash -euc '
    root=$1 && shift
    mount --rbind /proc "$root/proc"
    mount --rbind /dev "$root/dev"
    mount -t tmpfs tmpfs "$root/dev/shm"
    mount -t tmpfs tmpfs "$root/run"
    commands=$1 && shift
    exec chroot "$root" env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LANG=C.UTF-8 \
      bash -euc "$commands" bash "$@"' bash "$@"
}

# in_copy_of ROOT FOLDER COMMANDS [ARGUMENT…]  The same in a copy of it that ends with the commands. FOLDER of the host is /exchange there.
in_copy_of() {
  local scratch status=0
  scratch=$(mktemp -d)
  # shellcheck disable=SC2016  # the inner shell's
  unshare --mount --propagation private bash -euc '
    functions=$1 scratch=$2 below=$3 folder=$4 && shift 4
    mount -t tmpfs tmpfs "$scratch"
    mkdir "$scratch/upper" "$scratch/work" "$scratch/root"
    mount -t overlay overlay -o "lowerdir=$below,upperdir=$scratch/upper,workdir=$scratch/work" "$scratch/root"
    mkdir "$scratch/root/exchange"
    mount --bind "$folder" "$scratch/root/exchange"
    . "$functions"
    in_debian "$scratch/root" "$@"' bash "${BASH_SOURCE[0]}" "$scratch" "$@" || status=$?
  rmdir "$scratch"
  return $status
}

# tree_to FOLDER  The tree as git sees it, with what is not committed.
tree_to() {
  mkdir -p "$1"
  git ls-files -z --cached --others --exclude-standard | tar --null -T - -c --ignore-failed-read | tar x -C "$1"
}
