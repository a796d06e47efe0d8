"""The Unicode forms in which one text may be typed: `é` as one character (NFC) or as two (NFD).

Keyboards of one system send the first form, those of another the second. Names and passwords are
compared in NFC, as RFC 8265 (PRECIS) asks; what was stored in another form before is still found.
"""

import unicodedata


def nfc(text: str) -> str:
    """Return the text in Normalization Form C (Unicode Standard Annex 15)."""
    return text if text.isascii() else unicodedata.normalize("NFC", text)


def forms_of(text: str) -> tuple[str, ...]:
    """Return NFC, the text as it was given, and NFD, each once; NFC comes first."""
    if text.isascii():
        return (text,)
    return tuple(dict.fromkeys((nfc(text), text, unicodedata.normalize("NFD", text))))
