"""The evaluation as one page for people: figures, pictures, and examples with Grad-CAM."""

import base64
import math
from collections.abc import Iterable, Mapping, Sequence
from html import escape

from leafgate.images import Pixels, encode_png
from leafgate.metrics.statistics import Interval
from leafgate.pictures import bars_picture, confusion_picture, reliability_picture
from registry import Classifier, Judgement
from registry.heat import beside
from training.classifier.evaluation import Calibration, Evaluation, example_indices
from training.classifier.finished import Side

EXAMPLES = 15
STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; max-width: 64rem; margin: 2rem auto; padding: 0 1rem }
table { border-collapse: collapse } figure { display: inline-block; margin: .4rem; width: 320px }
td, th { border-bottom: 1px solid #ccc; padding: .3rem .7rem; text-align: left }
img { max-width: 100% } figcaption { font-size: 13px }
"""


def pictures(result: Evaluation) -> dict[str, bytes]:
    """PNG by file name."""
    title = f"Test side, {result.images} images"
    changed = {name: figures["accuracy"] for name, figures in result.robustness.items()}
    return {
        "confusion.png": confusion_picture(result.confusion, result.labels, title),
        "reliability.png": reliability_picture(
            {"before": result.before.bins, "after": result.after.bins}, title
        ),
        "robustness.png": bars_picture(
            {"as taken": result.accuracy.value, **changed}, title, "accuracy"
        ),
    }


def page(
    result: Evaluation, drawn: Mapping[str, bytes], classifier: Classifier, side: Side,
    judged: Judgement,
) -> str:  # fmt: skip
    """A self-contained HTML page."""
    right, wrong = example_indices(judged, side.truth, EXAMPLES)
    sections = [
        _figures(result),
        _table("Classes", _class_rows(result)),
        _image(drawn["confusion.png"]),
        _table("Calibration", _calibration_rows(result.before, result.after)),
        _image(drawn["reliability.png"]),
        _table("Under worse conditions", _robustness_rows(result)),
        _image(drawn["robustness.png"]),
        _table("Stored forms", _form_rows(result)) + _reason(result),
        _examples("Right answers, the surest of each class", right, classifier, side),
        _examples("Wrong answers, the surest of each class", wrong, classifier, side),
    ]
    body = "\n".join(sections)
    return (
        f"<!doctype html><meta charset=utf-8><title>Evaluation</title><style>{STYLE}</style>{body}"
    )


def _figures(result: Evaluation) -> str:
    return (
        f"<h1>Evaluation on {result.images} test images</h1>"
        f"<p>{result.groups} leaf groups, none of which was learnt from. Accuracy "
        f"{_interval(result.accuracy)}, macro F1 {_interval(result.macro_f1)} (95 % bootstrap "
        f"interval over leaf groups). {_unknown(result.unknown)}</p>"
    )


def _unknown(share: float) -> str:
    if math.isnan(share):
        return "The model was stored without a score for unknown images."
    return f"{share:.1%} of these images are called unknown."


def _interval(value: Interval) -> str:
    return f"<b>{value.value:.3f}</b> ({value.low:.3f} to {value.high:.3f})"


def _class_rows(result: Evaluation) -> Iterable[Sequence[object]]:
    yield ("class", "images", "precision", "recall", "F1")
    for name, score in result.classes.items():
        yield (name, score.support, score.precision, score.recall, score.f1)
    means = result.averages
    yield ("macro", "", means.macro_precision, means.macro_recall, means.macro_f1)
    yield ("weighted", "", means.weighted_precision, means.weighted_recall, means.weighted_f1)


def _calibration_rows(before: Calibration, after: Calibration) -> Iterable[Sequence[object]]:
    yield ("", "temperature", "expected calibration error", "log loss")
    for name, item in (("before", before), ("after", after)):
        yield (name, item.temperature, item.error, item.log_loss)


def _robustness_rows(result: Evaluation) -> Iterable[Sequence[object]]:
    yield ("change", "accuracy", "macro F1", "called unknown")
    yield ("as taken", result.accuracy.value, result.macro_f1.value, result.unknown)
    for name, figures in result.robustness.items():
        yield (name, figures["accuracy"], figures["macro_f1"], figures["unknown"])
    for views, figures in result.by_views.items():
        yield (f"as taken, {views} test-time views", figures["accuracy"], figures["macro_f1"], "")


def _form_rows(result: Evaluation) -> Iterable[Sequence[object]]:
    yield ("form", "accuracy on validation", "accuracy on test")
    if result.forms:
        for form, value in result.forms.test.items():
            yield (form, result.forms.validation[form], value)


def _reason(result: Evaluation) -> str:
    if not result.forms:
        return ""
    told = f"{result.forms.preferred} is preferred on a CPU: {result.forms.reason}."
    return f"<p>{escape(told)}</p>"


def _table(title: str, rows: Iterable[Sequence[object]]) -> str:
    lines = ["".join(f"<td>{_cell(value)}</td>" for value in row) for row in rows]
    return f"<h2>{escape(title)}</h2><table><tr>{'</tr><tr>'.join(lines)}</tr></table>"


def _cell(value: object) -> str:
    if isinstance(value, float):
        return "" if math.isnan(value) else f"{value:.3f}"
    return escape(str(value))


def _examples(title: str, indices: Sequence[int], classifier: Classifier, side: Side) -> str:
    labels = classifier.description.labels
    shown = [
        _example(classifier, side.images[index], labels[side.truth[index]]) for index in indices
    ]
    return f"<h2>{escape(title)}</h2>{''.join(shown) or '<p>none</p>'}"


def _example(classifier: Classifier, image: Pixels, truth: str) -> str:
    explained = classifier.explain(image)
    answer = explained.prediction
    told = f"{answer.class_name} ({answer.confidence:.0%})"
    if answer.class_name != truth:
        told += f", in truth {truth}"
    if answer.unknown:
        told += "; called unknown"
    tinted = encode_png(beside(image, explained.heat))
    return f"<figure>{_image(tinted)}<figcaption>{escape(told)}</figcaption></figure>"


def _image(png: bytes) -> str:
    return f'<img src="data:image/png;base64,{base64.b64encode(png).decode()}" alt="">'
