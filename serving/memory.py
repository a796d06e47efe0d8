"""Memory of large images goes back to the system once they are decoded.

glibc raises the size from which it maps memory by itself to that of the largest block freed (up to
32 MiB) and then keeps what is smaller: a burst of large images would stay resident for good. A
fixed size ends that for the largest blocks, and the rest is trimmed when the burst is over. Setting
it also fixes the free memory that is kept at hand for small blocks, at 128 KiB: less than an image
of the usual size takes, so it is set too.
"""

import ctypes
import sys
from contextlib import suppress

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3
MAPPED_BYTES = 2**23
AT_HAND_BYTES = 2**24
MISSING = (AttributeError, OSError)  # what is raised under musl


def give_back_memory() -> None:
    """Have blocks of 8 MiB and more returned as they are freed; under glibc alone."""
    if sys.platform.startswith("linux"):
        with suppress(*MISSING):
            library = ctypes.CDLL(None)
            library.mallopt(M_MMAP_THRESHOLD, MAPPED_BYTES)
            library.mallopt(M_TRIM_THRESHOLD, AT_HAND_BYTES)


def trim_memory() -> None:
    """Return what is free now; it takes milliseconds, and is done under glibc alone."""
    if sys.platform.startswith("linux"):
        with suppress(*MISSING):
            ctypes.CDLL(None).malloc_trim(0)
