"""Text that others wrote, as it is: Streamlit would read Markdown, icons and formulas into it."""

import re

MARKS = re.compile(r"([!-/:-@\[-`{-~])")
# Icons (:tada:), web and mail addresses are read after the marks are: something has to part them.
READ_LATE = re.compile(r":(?=[A-Za-z+_-][\w+-]*:|//)|www(?=\.)|@(?=[\w-]+\.)", re.IGNORECASE)
WORD_JOINER = "\u2060"  # no width
CODE = re.compile(r"`([^`]+)`")


def plain(text: object) -> str:
    """Markdown that shows `text` as it stands, on one line."""
    return _escaped(_one_line(text))


def prose(text: object) -> str:
    """As `plain`, but what stands between backticks is set as code; ends with a full stop."""
    parts = CODE.split(_one_line(text))  # code at the odd places
    shown = "".join(
        f"`{part}`" if number % 2 else _escaped(part) for number, part in enumerate(parts)
    )
    return sentence(shown)


def sentence(text: str) -> str:
    """With a capital, and a full stop where nothing else ends it."""
    whole = text[:1].upper() + text[1:]
    return whole if whole.endswith((".", "!", "?")) else f"{whole}."


def _one_line(text: object) -> str:
    return " ".join(str(text).split())


def _escaped(words: str) -> str:
    return MARKS.sub(r"\\\1", READ_LATE.sub(lambda found: found[0] + WORD_JOINER, words))
