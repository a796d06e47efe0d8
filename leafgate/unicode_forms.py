"""The Unicode forms in which one text may be typed: `é` as one character (NFC) or as two (NFD).

Keyboards of one system send the first form, those of another the second. Names and passwords are
compared in NFC, as RFC 8265 (PRECIS) asks; what was stored in another form before is still found.
"""

import unicodedata

# More than any name or password has. Sorting the marks of a text takes time by its square, and
# strangers send texts: with 64 KiB of them one would hold up everybody for seconds.
LONGEST = 4096  # characters


def nfc(text: str) -> str:
    """Return the text in Normalization Form C (Unicode Standard Annex 15).

    One that is longer than any name or password is returned as it is.
    """
    is_plain = text.isascii() or len(text) > LONGEST
    return text if is_plain else unicodedata.normalize("NFC", text)


def forms_of(text: str) -> tuple[str, ...]:
    """Return NFC, the text as it was given, and NFD, each once; NFC comes first."""
    if text.isascii() or len(text) > LONGEST:
        return (text,)
    return tuple(dict.fromkeys((nfc(text), text, unicodedata.normalize("NFD", text))))
