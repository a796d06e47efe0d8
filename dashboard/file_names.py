"""Names of files as they may be shown and sent: whoever sent the file chose the name, which can be
5,000 characters long, end its line, or turn the text around it.
"""

import unicodedata

LONGEST = 60  # characters of a name on a page
LONGEST_SENT = 100  # in a request, whose body is bounded
EMOJI_JOINER = "\N{ZERO WIDTH JOINER}"
# Controls, lone surrogates, marks that turn the text around, what is not assigned, line ends.
UNSEEN = frozenset(("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"))


def cleaned(name: str, longest: int = LONGEST) -> str:
    """`name` on one line, of at most `longest` characters: what is cut out is in its middle.

    To stand in Markdown it needs `plain` as well.
    """
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
