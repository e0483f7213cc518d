# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the manager shows: the status page, Prometheus metrics, events as they happen. It only reads."""
