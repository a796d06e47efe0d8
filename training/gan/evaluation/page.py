"""The evaluation of a generator as one page for people: look first, ask for copies, then read."""

import base64
import math
from collections.abc import Iterable, Mapping, Sequence
from html import escape

from training.gan.evaluation.class_figures import ClassFigures
from training.gan.evaluation.figures import Figure
from training.gan.evaluation.measure import GeneratorEvaluation

STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; max-width: 64rem; margin: 2rem auto; padding: 0 1rem }
table { border-collapse: collapse } td.n { white-space: nowrap }
td, th { border-bottom: 1px solid #ccc; padding: .3rem .7rem; text-align: left }
img { max-width: 100% } small { color: #555 }
"""
KINDS = {b"\x89PNG": "png", b"GIF8": "gif"}
MEMORISED = "memorised"  # how the names of the figures of copying begin


def page(result: GeneratorEvaluation, drawn: Mapping[str, bytes]) -> str:
    """A self-contained HTML page. drawn: PNG or GIF by file name, as of `pictures`; what is missing
    is left out; `progress.gif` and `losses.png` of the training are welcome too.
    """
    sections = [
        _heading(result),
        _picture(drawn, "samples.png", "The first pictures of the seed"),
        _memorising(result, drawn),
        _figures(result),
        _classes(result.classes) + _picture(drawn, "classes.png", "", "h3"),
        _picture(drawn, "tsne.png", "A map of real and generated features"),
        _picture(drawn, "interpolation.png", "From one latent to another"),
        _picture(drawn, "progress.gif", "In training"),
        _picture(drawn, "losses.png", "Losses"),
    ]
    body = "\n".join(section for section in sections if section)
    return (
        "<!doctype html><meta charset=utf-8><title>Generator evaluation</title>"
        f"<style>{STYLE}</style>{body}"
    )


def _heading(result: GeneratorEvaluation) -> str:
    asked = "of a class asked for" if result.conditional else "of no particular class"
    notes = "".join(f"<li>{escape(note)}</li>" for note in result.notes)
    return (
        f"<h1>{escape(result.family)} generator, {result.image_size} pixels</h1>"
        f"<p>{result.pictures:,} pictures {asked}, seed {result.seed}, against "
        f"{result.test_images:,} real test images, none of which was learnt from. It learnt from "
        f"{result.training_images:,} images.</p>" + (f"<ul>{notes}</ul>" if notes else "")
    )


def _memorising(result: GeneratorEvaluation, drawn: Mapping[str, bytes]) -> str:
    copying = [figure for figure in result.figures if figure.name.startswith(MEMORISED)]
    return (
        "<h2>Does it memorise?</h2>"
        f"{_table(_figure_rows(copying))}"
        f"{_picture(drawn, 'closest.png', 'Pictures nearest to a training image', 'h3')}"
        f"{_picture(drawn, 'neighbours.png', 'Nearest training images of the first ones', 'h3')}"
    )


def _figures(result: GeneratorEvaluation) -> str:
    shown = [figure for figure in result.figures if not figure.name.startswith(MEMORISED)]
    about = f"Computed with {result.about}."
    yardstick = (
        "Read a figure between its two ends: the yardstick is the same figure with real training "
        "images in place of pictures, as many or all there are, and a good generator comes near "
        "it; noise is what pictures of pure noise get. The kernel distance comes first: it has no "
        "bias, and its interval says how much luck is in it."
    )
    return f"<h2>Figures</h2><p>{escape(about)}</p><p>{yardstick}</p>{_table(_figure_rows(shown))}"


def _figure_rows(figures: Iterable[Figure]) -> Iterable[Sequence[object]]:
    yield (
        *("figure", "value", "95 % interval", "yardstick", "noise"),
        *("real", "pictures", "meaning and limits"),
    )
    for figure in figures:
        known = not math.isnan(figure.low)
        spread = "" if known or math.isnan(figure.spread) else f" ± {_number(figure.spread)}"
        yield (
            figure.name,
            f"{_number(figure.value)}{spread}",
            f"{_number(figure.low)} to {_number(figure.high)}" if known else "",
            figure.reference,
            figure.noise,
            figure.real or "",
            figure.generated,
            f"{figure.title}; {figure.note}".strip("; "),
        )


def _classes(found: ClassFigures | None) -> str:
    if found is None:
        return ""
    told = (
        f"{found.pictures} pictures, recognised by {found.about}. Entropy of the classes "
        f"{found.entropy:.3f} nats, wanted {found.wanted_entropy:.3f}; divergence from the wanted "
        f"shares {found.divergence:.3f}."
    )
    asked = ""
    if not math.isnan(found.fidelity):
        asked = (
            f"The class asked for is recognised in <b>{found.fidelity:.1%}</b> of the pictures; "
            f"chance is {found.chance:.1%}"
        )
        if not math.isnan(found.accuracy):
            asked += (
                f", and of {found.test_images} real test images at the same size the classifier "
                f"recognises {found.accuracy:.1%}"
            )
        asked += "."
    return f"<h2>Classes</h2><p>{asked}</p><p>{escape(told)}</p>{_table(_class_rows(found))}"


def _class_rows(found: ClassFigures) -> Iterable[Sequence[object]]:
    yield ("class", "wanted", "recognised", "as asked for", "real images recognised")
    for name, share in found.wanted.items():
        yield (
            name,
            share,
            found.recognised[name],
            found.fidelity_by_class.get(name, float("nan")),
            found.accuracy_by_class.get(name, float("nan")),
        )


def _table(rows: Iterable[Sequence[object]]) -> str:
    head, *lines = rows
    body = [f"<th>{'</th><th>'.join(escape(str(value)) for value in head)}</th>"]
    body += [f"<td class=n>{'</td><td>'.join(map(_cell, line))}</td>" for line in lines]
    return f"<table><tr>{'</tr><tr>'.join(body)}</tr></table>"


def _cell(value: object) -> str:
    return _number(value) if isinstance(value, float) else escape(str(value))


def _number(value: float) -> str:
    if math.isnan(value):
        return ""
    return f"{value:.3f}" if abs(value) >= 0.1 or not value else f"{value:.3g}"


def _picture(drawn: Mapping[str, bytes], name: str, title: str, level: str = "h2") -> str:
    if name not in drawn:
        return ""
    kind = KINDS.get(drawn[name][:4], "png")
    heading = f"<{level}>{escape(title)}</{level}>" if title else ""
    data = base64.b64encode(drawn[name]).decode()
    return f'{heading}<p><img src="data:image/{kind};base64,{data}" alt="{escape(title)}"></p>'
