"""What is said of diagnoses: one leaf in sentences, many in one sentence and a table."""

from collections import Counter
from collections.abc import Sequence

import pandas as pd

from dashboard.calls.diagnosing import Diagnosis, Problem
from dashboard.diagnoses import Result, Sent
from dashboard.names import readable
from dashboard.plain_text import plain, prose, sentence

UNSURE_BELOW = 0.5  # confidence
UNSURE_WITHIN = 0.1  # between the first two classes
NAMED_FILES = 8
ANSWERED = ("class", "confidence", "unknown", "you said", "latency", "version", "problem")
I_DO_NOT_KNOW = "I don't know"
NOT_DIAGNOSED = "not diagnosed"
LAST = {I_DO_NOT_KNOW: 1, NOT_DIAGNOSED: 2}  # after the classes


def heading(diagnosis: Diagnosis) -> str:
    """The answer, as the first thing to read; as Markdown."""
    return I_DO_NOT_KNOW if diagnosis.unknown else plain(readable(diagnosis.class_name))


def answer_in_words(diagnosis: Diagnosis) -> str:
    """The answer on a line, as plain text."""
    name = readable(diagnosis.class_name)
    return f"{I_DO_NOT_KNOW} (nearest: {name})" if diagnosis.unknown else name


def caution(diagnosis: Diagnosis) -> str | None:
    """What to be careful of, if anything; as Markdown."""
    name = plain(readable(diagnosis.class_name))
    if diagnosis.unknown:
        return (
            "This picture is unlike every training image: it may be no leaf at all, or one of a "
            f"kind that the model has not seen. The nearest class is {name}; do not rely on it."
        )
    if len(diagnosis.top) > 1:
        (_, first), (other, second) = diagnosis.top[:2]
        if first - second < UNSURE_WITHIN:
            return (
                f"The model can hardly tell {name} from {plain(readable(other))} here. Look at the "
                "leaf yourself, or take another picture: one leaf, sharp, in plain light."
            )
    if diagnosis.confidence < UNSURE_BELOW:
        return (
            "The model is not sure: it gives this class less than even odds. Look at the leaf "
            "yourself, or take another picture: one leaf, sharp, in plain light."
        )
    return None


def bars_in_words(diagnosis: Diagnosis) -> str:
    """The bars of confidence for those who do not see them."""
    told = ", ".join(f"{readable(name)} {value:.1%}" for name, value in diagnosis.top)
    return f"Confidence by class: {told}."


def latency(diagnosis: Diagnosis) -> str:
    """How long it took, and for how many images."""
    if diagnosis.together == 1:
        return f"{diagnosis.latency_ms:,.0f} ms"
    return f"{diagnosis.latency_ms:,.0f} ms for {diagnosis.together}"


def counted(results: Sequence[Result]) -> str:
    """How many of which class, the most frequent first."""
    counts = Counter(map(_group, results))
    ordered = sorted(counts, key=lambda name: (LAST.get(name, 0), -counts[name]))
    parts = [f"{counts[name]} {_quoted(name)}" for name in ordered]
    files = "1 file" if len(results) == 1 else f"{len(results)} files"
    return f"{files}: {', '.join(parts)}."


def table(results: Sequence[Result]) -> pd.DataFrame:
    """A row a file, of texts that are Markdown; columns: no., file, class, confidence, unknown, you
    said, latency, version, problem. Empty: there is none.
    """
    return pd.DataFrame([_row(result) for result in results], dtype=str)


def problem_told(problem: Problem) -> str:
    """Reason and remedy in two sentences, as Markdown."""
    return f"{prose(problem.detail)} What to do: {prose(remedy(problem))}"


def remedy(problem: Problem) -> str:
    """What to do, with the wait where there is one."""
    if problem.wait_seconds is None:
        return problem.fix
    return f"wait {problem.wait_seconds} s, then try again"


def named(results: Sequence[Result]) -> str:
    """The names of the files, the first few of many; as Markdown."""
    names = ", ".join(plain(result.name) for result in results[:NAMED_FILES])
    more = len(results) - NAMED_FILES
    return f"{names} and {more} more" if more > 0 else names


def correction_told(sent: Sent) -> str:
    """What became of a correction: how it compares, and whether the model knows the class; as
    Markdown.
    """
    became = sent.became
    if became.right is None:
        compared = "It is kept, and compared with the answer as soon as that is in the log."
    elif became.right:
        compared = "That is what the model had told: it counts as right."
    else:
        told = plain(readable(became.told or ""))
        compared = f"The model had told {told}: it counts as wrong."
    unknown = (
        " The model knows no class of this name: if it is misspelt, send the right one; the newest "
        "counts."
    )
    return (
        f"You said: {plain(readable(sent.class_name))}. {compared}{'' if became.known else unknown}"
    )


def _group(result: Result) -> str:
    if isinstance(result.answer, Problem):
        return NOT_DIAGNOSED
    return I_DO_NOT_KNOW if result.answer.unknown else readable(result.answer.class_name)


def _quoted(name: str) -> str:
    return f"“{name}”" if name == I_DO_NOT_KNOW else name


def _row(result: Result) -> dict[str, str]:
    answer = result.answer
    row = {"no.": str(result.number), "file": result.name, **dict.fromkeys(ANSWERED, "")}
    if isinstance(answer, Problem):
        row["problem"] = sentence(answer.detail)
    else:
        said = readable(result.sent.class_name) if result.sent else ""
        row.update(
            {
                "class": answer_in_words(answer),
                "confidence": f"{answer.confidence:.1%}",
                "unknown": "yes" if answer.unknown else "no",
                "you said": said,
                "latency": latency(answer),
                "version": str(answer.version),
            }
        )
    return {column: plain(text) for column, text in row.items()}
