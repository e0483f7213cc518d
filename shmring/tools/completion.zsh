#compdef shmring
# SPDX-License-Identifier: LGPL-2.1-or-later
# Completion of the command shmring for zsh, made by describe zsh of its definitions.
_arguments -C '--help[show the options]' '--version[show the version]' "1:command:((list\:'Lists the rings of a folder' top\:'Shows the rings of a folder and their readers, live' stat\:'Shows a live ring\: its slots, its readers and their accounts' hz\:'Measures a ring'\''s rate, its jitter and its gaps' results\:'Prints the results of a worker' snap\:'Writes the newest frame of a ring to a file'))" '*::arguments:->arguments'
[[ $state == arguments ]] || return 0
case $words[1] in
  list) _arguments '--help[Print this help message and exit]' '--json[One JSON object a line; times are ns, moments on CLOCK_MONOTONIC]' '1::FOLDER:_files' ;;
  top) _arguments '--help[Print this help message and exit]' '--interval[Time between two pages (1)]:SECONDS:' '--count[Ends after so many pages]:PAGES:' '--sort[Order of the rings, and of the readers of each (name)]:WORD:(name rate drops age)' '1::FOLDER:_files' ;;
  stat) _arguments '--help[Print this help message and exit]' '--json[One JSON object a line; times are ns, moments on CLOCK_MONOTONIC]' '--watch[Show again every so many seconds, until the publisher is gone]:SECONDS:' '1:RING:_files' ;;
  hz) _arguments '--help[Print this help message and exit]' '--seconds[How long it measures; until Ctrl-C without it]:SECONDS:' '--json[One JSON object a line; times are ns, moments on CLOCK_MONOTONIC]' '1:RING:_files' ;;
  results) _arguments '--help[Print this help message and exit]' '--count[Ends after so many results]:RESULTS:' '1:RING:_files' ;;
  snap) _arguments '--help[Print this help message and exit]' '--timeout[How long it waits for a frame (5)]:SECONDS:' '1:RING:_files' '2:FILE:_files' ;;
esac
