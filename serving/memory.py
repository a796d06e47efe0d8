"""Memory of large images goes back to the system once they are decoded.

glibc raises the size from which it maps memory by itself to that of the largest block freed (up to
32 MiB) and then keeps what is smaller: a burst of large images would stay resident for good. A
fixed size ends that.
"""

import ctypes
import sys

M_MMAP_THRESHOLD = -3
MAPPED_BYTES = 2**20


def give_back_memory() -> None:
    """Have blocks of a megabyte and more returned as they are freed; elsewhere than under glibc
    nothing is done.
    """
    if not sys.platform.startswith("linux"):
        return
    try:
        ctypes.CDLL(None).mallopt(M_MMAP_THRESHOLD, MAPPED_BYTES)
    except (AttributeError, OSError):  # musl
        return
