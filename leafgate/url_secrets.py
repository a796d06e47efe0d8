"""URLs with a user name and password in them: read as they were meant, and shown without them.

Characters that mean something in a URL have to be written as `%XX` there (RFC 3986, section 3.2.1).
A password that was not is taken apart at the wrong place, and part of it for a host or a port: so
such URLs are refused before anything is connected to, or said about it.
"""

import re
from urllib.parse import urlsplit

from leafgate.errors import UserError
from leafgate.sqlite_url import is_sqlite

DATABASES = ("postgresql", "mssql", "mysql", "mariadb", "oracle")
USER_INFO = re.compile(r"(?<=://)\S*@")
OPTION = re.compile(r"[\w.~+%-]+=")
# SQLAlchemy takes a URL apart like this; what it allows raw in a password goes on working.
DATABASE = re.compile(
    r"(?P<scheme>[\w+]+)://(?:(?P<user>[^:/]*)(?::(?P<password>[^@]*))?@)?"
    r"(?P<place>\[[^/?]+\]|[^/:?]*)(?::(?P<port>[^/?]*))?(?:/(?P<database>[^?]*))?(?:\?(?P<query>.*))?",
    re.DOTALL,
)
PARTS = ("user", "place", "database", "query")


def without_secrets(text: str) -> str:
    """A text with the user names and passwords of its URLs left out, wherever they end."""
    return USER_INFO.sub("", text)


def shown_url(url: str) -> str:
    """One URL for a person to read: no user name, no password, and no options, which may hold one.

    A password that was written raw is left out, too.
    """
    scheme, sign, rest = url.partition("://")
    if is_sqlite(url) or not sign:
        return url
    return f"{scheme}://{rest.rpartition('@')[2].partition('?')[0]}"


def shown_error(error: Exception) -> str:
    """Return what went wrong with a URL, in one line.

    A library that cannot read an address, or a proxy's, quotes
    the part that it stopped at, which may be of a password.
    """
    if isinstance(error, ValueError) or type(error).__name__ == "InvalidURL":
        return "a part of the address, or of the proxy's, cannot be read"
    told = without_secrets(str(error)).partition("\n")[0][:300]
    return f"{type(error).__name__}: {told}" if told else type(error).__name__


def require_readable(url: str, setting: str, code: str = "bad_url") -> None:
    """Raise UserError (`code`) where a user name or password is taken for another part of the URL.

    setting: the variable that the URL comes from.
    """
    if is_sqlite(url) or "://" not in url or url.startswith("file:"):
        return
    reads = _database_reads if _is_database(url) else _web_reads
    if "@" in url.partition("://")[2] and not reads(url):
        raise UserError(
            f"{setting} cannot be read: its user name or password has characters that mean "
            "something else in a URL",
            "write them as %XX: @ is %40, : is %3A, / is %2F, # is %23, ? is %3F, % is %25, a "
            "blank is %20",
            code=code,
        )
    if not _has_port(url):
        raise UserError(
            f"{setting} cannot be read: what follows the host's colon is no port",
            "write it as scheme://user:password@host:port/…, with special characters of the "
            "password as %XX (@ is %40, / is %2F)",
            code=code,
        )


def _is_database(url: str) -> bool:
    return url.partition(":")[0].partition("+")[0] in DATABASES


def _database_reads(url: str) -> bool:
    parts = DATABASE.match(url)
    if parts is None:
        return False
    user, place, database, query = (parts[part] or "" for part in PARTS)
    if "@" in query and user and not (database and _are_options(query)):
        return False
    return "?" not in user and "@" not in f"{place}{database}"


def _web_reads(url: str) -> bool:
    try:
        parts = urlsplit(url)
    except ValueError:  # a bracket that opens no address
        return False
    if "@" in f"{parts.path}{parts.fragment}":
        return False
    if "@" in parts.query and not _are_options(parts.query):
        return False
    # A blank ends the part that is left out of errors, and urlsplit drops other white space.
    if re.search(r"[\s\x00-\x20]", url.rpartition("@")[0]):
        return False
    return parts.netloc.count("@") <= 1


def _are_options(query: str) -> bool:
    return all(OPTION.match(part) for part in query.split("&"))


def _has_port(url: str) -> bool:
    """Whether the port is a number, or there is none."""
    if _is_database(url):
        parts = DATABASE.match(url)
        port = parts["port"] if parts else ""
        return not port or (port.isascii() and port.isdecimal())
    try:
        return urlsplit(url).port != 0
    except ValueError:
        return False
