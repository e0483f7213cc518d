# SPDX-License-Identifier: LGPL-2.1-or-later
"""Machines that are not amd64: what `meson setup` says to a compiler that makes 32-bit programs."""
import pathlib
import subprocess

ROOT = pathlib.Path(__file__).parents[2]
# No library of 32 bits is needed: nothing is linked in.
I686 = """
[binaries]
c = 'gcc'
cpp = 'g++'
[built-in options]
c_args = ['-m32']
cpp_args = ['-m32']
c_link_args = ['-m32', '-nostdlib', '-r']
cpp_link_args = ['-m32', '-nostdlib', '-r']
[host_machine]
system = 'linux'
cpu_family = 'x86'
cpu = 'i686'
endian = 'little'
"""


def test_32_bits_are_refused_with_a_reason(tmp_path):
    (tmp_path / "i686.ini").write_text(I686, encoding="utf-8")
    said = subprocess.run(["meson", "setup", tmp_path / "build", ROOT, "--cross-file", tmp_path / "i686.ini"], capture_output=True, text=True,
                          check=False, timeout=120)
    assert said.returncode != 0
    assert "This is for 64-bit systems; x86 has 32 bits." in said.stdout + said.stderr
