"""What a move will do, in words, before anybody confirms it."""

from collections.abc import Sequence
from dataclasses import dataclass

from dashboard.calls.model_versions import Move, Version
from dashboard.plain_text import plain
from dashboard.versions.told import PREVIOUS, PRODUCTION, holder

FOLLOWS = "The API follows within seconds."


@dataclass(frozen=True)
class Plan:
    """One move of one version. happens: what it will do, as Markdown.

    against: what speaks against it, which has to be agreed to; empty for nothing.
    """

    how: Move
    version: int
    title: str
    happens: str
    reason_label: str
    button: str
    against: str = ""


def roll_back(versions: Sequence[Version]) -> Plan | None:
    """From the version in production to the one before; None where `no_way_back` says why not."""
    now, before = holder(versions, PRODUCTION), holder(versions, PREVIOUS)
    if now is None or before is None or no_way_back(versions):
        return None
    return Plan(
        "rollback",
        now.version,
        f"Roll back to version {before.version}",
        f"**Version {before.version} comes back into production in place of version "
        f"{now.version}.** {FOLLOWS} Version {now.version} is kept as the previous one.",
        "Reason for rolling back",
        "Roll back now",
    )


def no_way_back(versions: Sequence[Version]) -> str:
    """Why production cannot be rolled back; empty where it can."""
    now, before = holder(versions, PRODUCTION), holder(versions, PREVIOUS)
    if now is None:
        return "No version is in production."
    if before is None or before.version == now.version:
        return "There is no previous version to go back to."
    if before.held:
        return f"Version {before.version} is on hold: release it before going back to it."
    return ""


def promote(version: Version, versions: Sequence[Version]) -> Plan:
    """The version into production, whoever is there."""
    now = holder(versions, PRODUCTION)
    place = (
        f"**Version {version.version} takes the place of version {now.version} in production.** "
        f"{FOLLOWS} Version {now.version} is kept as the previous one, to roll back to."
        if now
        else f"**Version {version.version} goes into production, where no version is now.** "
        f"{FOLLOWS}"
    )
    return Plan(
        "promote",
        version.version,
        f"Promote version {version.version}",
        place,
        "Reason for promoting",
        "Promote now",
        against(version),
    )


def against(version: Version) -> str:
    """What speaks against promoting it, in words; empty where the gate has passed it."""
    number, found = version.version, []
    if version.gate == "failed":
        found.append(
            f"The gate has judged version {number} and did not pass it: promoting it is **against "
            "the gate's verdict**."
        )
    elif version.gate != "passed":
        found.append(
            f"The gate has **not judged** version {number}: nothing shows that it is fit for "
            "production."
        )
    if version.held:
        who, reason = plain(version.held.who), plain(version.held.reason)
        found.append(f"It is **on hold** by {who} ({reason}), and promoting it ends the hold.")
    return " ".join([*found, "The audit trail keeps that for ever."]) if found else ""


def hold(version: Version) -> Plan:
    """Not to come into production, until it is released."""
    return Plan(
        "hold",
        version.version,
        f"Hold version {version.version}",
        f"**Version {version.version} is put on hold: neither the gate nor a roll back brings it "
        "into production until it is released.** Production stays as it is.",
        "Reason for holding",
        "Hold now",
    )


def release(version: Version) -> Plan:
    """The end of a hold."""
    held = version.held
    by = f" It was put there by {plain(held.who)}: {plain(held.reason)}" if held else ""
    return Plan(
        "release",
        version.version,
        f"Release version {version.version}",
        f"**Version {version.version} is no longer on hold: the gate may promote it when it judges "
        f"it again.** Production stays as it is.{by}",
        "Reason for releasing",
        "Release now",
    )
