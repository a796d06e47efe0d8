"""Counts and lists in sentences: how many, the first few by name, and how many more there are."""

from collections.abc import Sequence


def counted(number: int, thing: str) -> str:
    """Return `1 image`, `2 images`."""
    return f"{number:,} {thing}" + ("" if number == 1 else "s")


def named(things: Sequence[str], most: int = 3) -> str:
    """Return the first few of `things` with commas between, and how many more there are."""
    more = f" and {len(things) - most} more" if len(things) > most else ""
    return ", ".join(things[:most]) + more


def listed(findings: Sequence[str], shown: int = 12) -> str:
    """Return the first findings as one sentence, and how many more there are."""
    more = f"; and {len(findings) - shown:,} more" if len(findings) > shown else ""
    return "; ".join(findings[:shown]) + more
