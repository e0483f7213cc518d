# shellcheck shell=bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# Sourced by tests that run programs of another architecture by qemu: how test programs leave out what the emulator cannot do.

emulator_cannot=tests/support/qemu_cannot

# entries  Lines of the list: program|test|reason.
entries() { sed -E '/^(#|$)/d; s/ *\| */|/g' "$emulator_cannot"; }

# is_pytest PROGRAM  GoogleTest's otherwise.
is_pytest() { [[ $1 == python-* || $1 == surveillance* ]]; }

# all_but_gtests  A value for GTEST_FILTER.
all_but_gtests() {
  local program name filter=-
  while IFS='|' read -r program name _; do is_pytest "$program" || filter+=$name:; done < <(entries)
  printf '%s' "$filter"
}

# all_but_pytests  A value for PYTEST_ADDOPTS.
all_but_pytests() {
  local program name options=''
  while IFS='|' read -r program name _; do if is_pytest "$program"; then options+=" --deselect=$name"; fi; done < <(entries)
  printf '%s' "$options"
}
