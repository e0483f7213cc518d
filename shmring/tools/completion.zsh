#compdef shmring
# SPDX-License-Identifier: LGPL-2.1-or-later
# Completion of the command shmring for zsh.
_arguments -C '--help[show the options]' '--version[show the version]' '1:command:(stat)' '*::arguments:->arguments'
[[ $state != arguments ]] || _arguments \
  '--json[one JSON object a line]' '--watch[show again every so many seconds]:seconds' '--help[show the options]' '1:socket:_files'
