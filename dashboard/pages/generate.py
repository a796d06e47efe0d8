"""Generate: synthetic pictures by number and seed, to look at and to take home as ZIP."""

import secrets

import streamlit as st

from dashboard.calls.generating import Offer, Order, generate, on_offer
from dashboard.generated import Archive, read_archive
from dashboard.generated_shown import show_archive
from dashboard.guard import problems_shown, show_problem
from dashboard.names import readable
from dashboard.read_shown import show_read
from dashboard.session import client, may, remembered
from leafgate.settings import Settings
from registry import FEWEST_STEPS, MAX_SEED, MOST_STEPS

ARCHIVE = "generated"
OFFER_SECONDS = 30.0  # for which what the models can do is taken as known
SERIES, WAY = "A series", "Between two seeds"
ALL = "All, in turn"
MOST_TYPED = 1_000_000  # how many pictures the API makes is its own setting, and its answer says so
FIELD_PIXELS = 220


def render(settings: Settings) -> None:
    """The page."""
    st.title("Generate synthetic leaves")
    with problems_shown():
        names = (settings.classifier_name, settings.generator_name)
        offer = remembered("on offer", OFFER_SECONDS, lambda: on_offer(client(settings), *names))
        if offer.problem is None:
            _ask(settings, offer)
        else:
            show_problem(
                f"{settings.generator_name} is not being served: {offer.problem}",
                f"promote a version with `leafgate gate {settings.generator_name}`",
            )
    kept: tuple[Order, Archive] | None = st.session_state.get(ARCHIVE)
    if kept is not None:
        with problems_shown():
            show_archive(kept[1])
    show_read(settings)


def _ask(settings: Settings, offer: Offer) -> None:
    order = _order(offer)
    kept: tuple[Order, Archive] | None = st.session_state.get(ARCHIVE)
    if st.button("Generate", type="primary", icon=":material/auto_awesome:"):
        with problems_shown(), st.spinner(f"Making {order.n:,} pictures …"):
            archive = read_archive(generate(client(settings), order))
            st.session_state[ARCHIVE] = (order, archive)
    elif kept is None:
        st.info(
            "Choose a number and a seed, then press Generate. The pictures are synthetic, and say "
            "so in their file; the same seed gives the same pictures."
        )
    elif kept[0] != order:
        st.info("Below is what was asked for before. Press Generate for the choice above.")


def _order(offer: Offer) -> Order:
    mode = st.segmented_control(
        "What to make",
        [SERIES, WAY],
        default=SERIES,
        required=True,
        key="mode",
        bind="query-params",
    )
    of_series = mode != WAY
    class_name = _class_choice(offer.classes, of_series)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        if of_series:
            n = _whole("Number of images", "n", 16, 1, MOST_TYPED)
            seed, to_seed = _seed("Seed", "seed", 7), None
        else:
            seed = _seed("Seed", "seed", 7)
            to_seed = _seed("Second seed", "to_seed", 8)
            n = _whole("Steps", "steps", 12, FEWEST_STEPS, MOST_STEPS)
    return Order(n, seed, class_name, to_seed, _is_to_be_read(offer))


def _class_choice(classes: tuple[str, ...], all_too: bool) -> str | None:
    """A box to choose one in; None stands for all, and for a generator that knows no classes."""
    if not classes:
        return None
    by_name: dict[str, str | None] = {ALL: None} if all_too else {}
    by_name |= {readable(name): name for name in classes}
    chosen = st.selectbox("Class", list(by_name), key="class", bind="query-params")
    return by_name[chosen]


def _whole(label: str, key: str, value: int, least: int, most: int) -> int:
    return int(
        st.number_input(label, least, most, value, key=key, bind="query-params", width=FIELD_PIXELS)
    )


def _seed(label: str, key: str, value: int) -> int:
    seed = _whole(label, key, value, 0, MAX_SEED)
    st.button(
        f"New {label.lower()}",
        icon=":material/casino:",
        on_click=_draw,
        args=(key,),
        key=f"draw-{key}",
    )
    return seed


def _draw(key: str) -> None:
    st.session_state[key] = secrets.randbelow(MAX_SEED + 1)


def _is_to_be_read(offer: Offer) -> bool:
    """A switch, where there is a choice."""
    if not may("predict"):
        st.caption("Without the scope `predict` nobody reads the pictures.")
        return False
    if not offer.is_read:
        st.caption("No classifier is in production that could read the pictures.")
        return False
    return st.toggle(
        "Have the classifier read them",
        value=True,
        key="read",
        bind="query-params",
        help="What the classifier in production sees in each picture. It counts twice in your "
        "limit, and is no diagnosis: the log counts it apart, and the page Diseases leaves it out.",
    )
