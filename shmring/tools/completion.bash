# shellcheck shell=bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# Completion of the command shmring for bash, made by describe bash of its definitions.
_shmring() {
  local word=${COMP_WORDS[COMP_CWORD]} words='list top stat hz results snap --help --version' value=
  compopt +o default
  if [ "$COMP_CWORD" -gt 1 ]; then
    case ${COMP_WORDS[1]}/${COMP_WORDS[COMP_CWORD - 1]} in
      top/--sort) words='name rate drops age' value=1 ;;
      top/--interval | top/--count | stat/--watch | hz/--seconds | results/--count | snap/--timeout) return 0 ;; # a number
    esac
    if [ -z "$value" ]; then
      [[ $word == -* ]] || { compopt -o default && return; } # a path
      case ${COMP_WORDS[1]} in
        list) words='--help --json' ;;
        top) words='--help --interval --count --sort' ;;
        stat) words='--help --json --watch' ;;
        hz) words='--help --seconds --json' ;;
        results) words='--help --count' ;;
        snap) words='--help --timeout' ;;
      esac
    fi
  fi
  mapfile -t COMPREPLY < <(compgen -W "$words" -- "$word")
}
complete -F _shmring shmring
