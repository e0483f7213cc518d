# SPDX-License-Identifier: LGPL-2.1-or-later
"""The three workers of the demonstration; each module is a program of its own."""
