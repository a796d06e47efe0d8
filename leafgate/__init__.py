"""What every part of LeafGate shares: settings, errors, images, the split manifest and metrics."""

from importlib.metadata import PackageNotFoundError, version

try:
    __version__ = version("leafgate")
except PackageNotFoundError:  # a source tree that was never installed
    __version__ = "0+unknown"
