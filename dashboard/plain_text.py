"""Texts of other people, such as file names, as they may be shown and sent.

Streamlit reads nearly every text as Markdown, with links, emoji and icons of its own; a name must
come out as it is written, and a name of 5,000 characters or one that turns the text around must
leave the page as it is.
"""

import re
import unicodedata

LONGEST = 60  # characters of a name on a page
LONGEST_SENT = 100  # in a request, whose body is bounded
JOINER = "\N{WORD JOINER}"  # is not seen, and parts what would be a link or an icon
EMOJI_JOINER = "\N{ZERO WIDTH JOINER}"
# Controls, lone surrogates, marks that turn the text around, what is not assigned, line ends.
UNSEEN = frozenset(("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"))
SPECIAL = re.compile(r"([\\`*_{}\[\]<>#+\-!|~$&])")
# Links, addresses, icons and emoji are looked for in the text after escapes are gone.
LINKED = re.compile(r"((?:[:@](?=\S))|(?<![^\W_])www(?=\.))", re.IGNORECASE)
CODE = re.compile(r"`([^`]+)`")
NUMBERED = re.compile(r"^(\s*\d+)([.)])")


def cleaned(name: str, longest: int = LONGEST) -> str:
    """`name` on one line, of at most `longest` characters: what is cut out is in its middle."""
    seen = "".join(
        "\N{REPLACEMENT CHARACTER}"
        if unicodedata.category(each) in UNSEEN and each != EMOJI_JOINER
        else each
        for each in name
    ).strip()
    if len(seen) <= longest:
        return seen or "(no name)"
    half = (longest - 1) // 2
    return f"{seen[: longest - 1 - half]}…{seen[-half:]}"


def plain(text: object) -> str:
    """Markdown that is read as `text`."""
    on_a_line = " ".join(str(text).split())
    parted = LINKED.sub(rf"\1{JOINER}", SPECIAL.sub(r"\\\1", on_a_line))
    return NUMBERED.sub(r"\1\\\2", parted)


def prose(text: object) -> str:
    """As `plain`, but what stands between backticks is set as code; ends with a full stop."""
    *parts, last = CODE.split(" ".join(str(text).split()))
    shown = "".join(
        f"`{part}`" if number % 2 else plain(part) for number, part in enumerate((*parts, last))
    )
    whole = shown[:1].upper() + shown[1:]
    return whole if whole.endswith((".", "!", "?")) else f"{whole}."
