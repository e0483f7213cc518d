# SPDX-License-Identifier: LGPL-2.1-or-later
"""The recorder: a reader of the ring that keeps everything for a while (segments) and what a trigger chose (clips)."""
