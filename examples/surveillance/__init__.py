# SPDX-License-Identifier: LGPL-2.1-or-later
"""A whole surveillance system on one camera: capture, three workers, and the supervisor that keeps them alive."""
