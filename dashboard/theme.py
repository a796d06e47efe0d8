"""Colours that colour-blind readers can tell apart (Okabe and Ito 2008), and the charts' shape.

On a light page they are darkened, and on a dark one lightened, until each stands out from it by 3
to 1 (WCAG 2.2, 1.4.11); the order, which is that of telling them apart, stays.
"""

from dataclasses import dataclass

import streamlit as st

CHART_HEIGHT = 260


@dataclass(frozen=True)
class Palette:
    """Colours of one theme. text: of labels and lines that are no series; on_blue: on blue."""

    blue: str
    orange: str
    red: str
    green: str
    sky: str
    purple: str
    grey: str
    yellow: str
    text: str
    on_blue: str

    @property
    def series(self) -> list[str]:
        """For classes and other series, in the order to use them in."""
        return [
            *(self.blue, self.orange, self.green, self.red),
            *(self.sky, self.purple, self.grey, self.yellow),
        ]

    @property
    def outcomes(self) -> dict[str, str]:
        """Of requests."""
        return {"answered": self.blue, "refused": self.orange, "failed": self.red}

    @property
    def percentiles(self) -> dict[str, str]:
        """Of latencies."""
        return {"p50": self.blue, "p95": self.orange, "p99": self.red}


LIGHT = Palette(
    blue="#0072b2",
    orange="#c17d00",
    red="#d55e00",
    green="#008f68",
    sky="#3793cf",
    purple="#b8639a",
    grey="#5f5f5f",
    yellow="#9c8f00",
    text="#2f2d2b",
    on_blue="#ffffff",
)
DARK = Palette(
    blue="#4aa8e0",
    orange="#e69f00",
    red="#f0803c",
    green="#22b98f",
    sky="#8ccbf2",
    purple="#d997bd",
    grey="#a8a8a8",
    yellow="#f0e442",
    text="#edebe8",
    on_blue="#10202b",
)


# Streamlit writes white on every primary button; on the dark theme's green that is 2.5 to 1.
DARK_STYLE = """
[data-testid="stBaseButton-primary"]:not(:hover) p,
[data-testid="stBaseButton-primaryFormSubmit"]:not(:hover) p { color: #0f1210 }
"""
# A table that is wider than a phone would have to be pushed about, which no keyboard does.
NARROW_STYLE = """@media (max-width: 640px) {
[data-testid="stTable"] :is(td, th) { white-space: normal; padding: 0.25rem }
[data-testid="stTable"] :is(td, th, td *, th *) { overflow-wrap: anywhere !important }
[data-testid="stTable"] table { font-size: 0.8rem } }
"""


def is_dark() -> bool:
    """Whether the browser shows the dark theme."""
    return bool(st.context.theme.type == "dark")


def show_style() -> None:
    """What the theme's settings cannot say."""
    st.html(f"<style>{NARROW_STYLE}{DARK_STYLE if is_dark() else ''}</style>")


def palette() -> Palette:
    """That of the theme which the browser shows."""
    return DARK if is_dark() else LIGHT
