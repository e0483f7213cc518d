# shellcheck shell=bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# Sourced by tests that need a Debian of their own in a folder: made by mmdebstrap from the machine's mirror, entered by chroot. Needs root.

# make_debian NAME ROOT PACKAGES [OPTION…]  Unless it is there already. PACKAGES: separated by commas, besides a minimal system; OPTION: of mmdebstrap.
make_debian() {
  local name=$1 root=$2 packages=$3
  shift 3
  [ "$(id -u)" = 0 ] || { echo "run as root: it makes and enters a Debian" >&2 && return 1; }
  command -v mmdebstrap >/dev/null || { echo "install mmdebstrap" >&2 && return 1; }
  [ ! -e "$root/made" ] || return 0
  rm -rf "$root"
  mkdir -p "$root"
  # A mirror may be behind: what it has is what can be tested. A Debian that a crash damaged is made anew.
  mmdebstrap --quiet --aptopt='Acquire::Check-Valid-Until "false"' --dpkgopt=force-unsafe-io --variant=minbase --include="$packages,ca-certificates" "$@" "$name" "$root" ||
    return
  touch "$root/made"
}

# emulate QEMU  Has the kernel start programs of another architecture by qemu-user-static, as that package does at a start of the machine. It
# stays so until the machine is restarted, and concerns such programs only. The kernel forgets it with the last mount of binfmt_misc.
emulate() {
  local folder=/proc/sys/fs/binfmt_misc
  mountpoint -q $folder || mount -t binfmt_misc binfmt_misc $folder || :
  [ -e "$folder/qemu-$1" ] || cat "/usr/lib/binfmt.d/qemu-$1.conf" >$folder/register || :
  [ -e "$folder/qemu-$1" ] || { echo "the kernel cannot be told to start programs by qemu: binfmt_misc cannot be used here" >&2 && return 1; }
}

# in_debian ROOT COMMANDS [ARGUMENT…]  Runs bash commands as root in it. Its mounts are of a namespace of its own: nothing stays mounted.
# SHARED, words FOLDER:PLACE, is which folders of the host are there too.
in_debian() {
  # shellcheck disable=SC2016  # the inner shells'
  unshare --mount --propagation private bash -euc '
    root=$1 && shift
    mount --rbind /proc "$root/proc"
    mount --rbind /dev "$root/dev"
    mount -t tmpfs tmpfs "$root/dev/shm"
    mount -t tmpfs tmpfs "$root/run"
    for folder in ${SHARED-}; do # FOLDER:PLACE
      mkdir -p "$root${folder#*:}"
      mount --bind "${folder%%:*}" "$root${folder#*:}"
    done
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
