# shellcheck shell=bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# Completion of the command shmring for bash.
_shmring() {
  local word=${COMP_WORDS[COMP_CWORD]} words='stat --help --version'
  compopt +o default
  if [ "$COMP_CWORD" -gt 1 ]; then
    [ "${COMP_WORDS[COMP_CWORD - 1]}" != --watch ] || return 0 # a number
    words='--json --watch --help'
    [[ $word == -* ]] || { compopt -o default && return; } # the path of a socket
  fi
  mapfile -t COMPREPLY < <(compgen -W "$words" -- "$word")
}
complete -F _shmring shmring
