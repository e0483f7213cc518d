# SPDX-License-Identifier: LGPL-2.1-or-later
"""Views of the manager: the status page, Prometheus metrics, events as they happen. It only reads."""
