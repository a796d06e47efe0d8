"""URLs of SQLite files, as SQLAlchemy 2.1 reads and writes them: `%XX` for what is special in URLs.

https://docs.sqlalchemy.org/en/21/core/engines.html#escaping-special-characters-such-as-signs-in-passwords
"""

from pathlib import Path
from urllib.parse import quote, unquote

START = "sqlite:///"
STARTS = (START, "sqlite+pysqlite:///")
SAFE = " +/"  # as SQLAlchemy's own `URL.render_as_string`
MEMORY, URI = ":memory:", "file:"


def sqlite_url(file: Path) -> str:
    """The URL of a file, whatever characters its folders have: what `sa.URL.create` makes of it."""
    return f"{START}{quote(str(file), safe=SAFE)}"


def is_sqlite(url: str) -> bool:
    """Whether a URL is of SQLite: a file, or a database in memory."""
    return url.partition(":")[0] in ("sqlite", "sqlite+pysqlite")


def sqlite_file(url: str) -> Path | None:
    """The file that a URL names; None: another database, one in memory, or a `file:` URI.

    People write paths as they are. Where that is what a URL can only mean, it is taken so: `?` is
    part of the path where no options follow it, `%2F` where the folder of that name exists and the
    one that the URL spells does not.
    """
    start = next((each for each in STARTS if url.startswith(each)), None)
    if start is None:
        return None
    written = url.removeprefix(start)
    spelled, _, options = written.partition("?")
    if not spelled or spelled == MEMORY or unquote(spelled).startswith(URI):
        return None
    if options and not _are_options(options):
        spelled = written
    by_url, as_it_is = Path(unquote(spelled)), Path(spelled)
    if by_url != as_it_is and as_it_is.parent.is_dir() and not by_url.parent.is_dir():
        return as_it_is
    return by_url


def sqlite_options(url: str) -> str:
    """What follows the `?` of a URL, if it is options of the driver; else nothing."""
    options = url.partition("?")[2]
    return options if _are_options(options) else ""


def readable(url: str) -> str:
    """The same database by a URL that SQLAlchemy reads as it was meant; others as they are."""
    file = sqlite_file(url)
    if file is None:
        return url
    start = next(each for each in STARTS if url.startswith(each))
    options = sqlite_options(url)
    path = quote(str(file), safe=SAFE)
    return f"{start}{path}?{options}" if options else f"{start}{path}"


def _are_options(text: str) -> bool:
    """Names and values, as `mode=ro&uri=true`; not the rest of a path."""
    pairs = [part.partition("=") for part in text.split("&")]
    return all(sign and name.replace("_", "").isalnum() for name, sign, _ in pairs)
