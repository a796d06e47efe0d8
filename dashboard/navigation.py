"""The pages: a new one is a file in `pages/` and a line here."""

from collections.abc import Callable
from dataclasses import dataclass

from dashboard.pages import diagnose, diseases, generate, models, study, traffic
from leafgate.settings import Settings


@dataclass(frozen=True)
class Entry:
    """One page. scope: what a user needs for it, if anything; path: its address."""

    title: str
    icon: str
    path: str
    render: Callable[[Settings], None]
    scope: str | None = None


PAGES = (
    Entry("Diagnose", ":material/eco:", "diagnose", diagnose.render, "predict"),
    Entry("Generate", ":material/auto_awesome:", "generate", generate.render, "generate"),
    Entry("Traffic", ":material/monitoring:", "traffic", traffic.render),
    Entry("Diseases", ":material/bar_chart:", "diseases", diseases.render),
    Entry("Models", ":material/verified:", "models", models.render),
    Entry("Study", ":material/science:", "study", study.render),
)
