"""What is said of a problem to anybody: the sentence without the places that it names.

File paths, URLs, host names and addresses help an attacker and no caller. They stay in the
service's log, and `/health` says them to a token with scope `admin`.
"""

import re

HIDDEN = "…"
MAX_CHARACTERS = 500
PARENTHESES = re.compile(r"\s*\([^()]*\)")  # where sentences put what a library said
_HOST = r"(?:\[[0-9a-f:.]+\]|[\w.-]+)"
PLACES = re.compile(
    rf"""
    \d{{4}}-\d\d-\d\dT[\d:.]+Z?  # a time, which stays
    | \w[\w+.-]*://\S+          # a URL, with all that belongs to it
    | (?<!\w)[a-z]:\\\S+        # a path of Windows
    | \S*[/\\]\S*               # any other path
    | \S+@\S+                   # a user at a host
    | {_HOST}:\d{{2,5}}\b       # a host with a port
    | \b\d+(?:\.\d+){{3}}\b     # an IPv4 address
    | (?<![\w:])[0-9a-f]{{0,4}}(?::[0-9a-f]{{0,4}}){{2,7}}  # an IPv6 address
    | "[^"]*"                   # what drivers quote: users, hosts, databases
    | \b[\w-]+(?:\.[\w-]+)+\b   # a host or file name with a dot
    """,
    re.IGNORECASE | re.VERBOSE,
)
NO_PLACE = re.compile(  # versions and times
    r"\d+(?:\.\d+){1,2}|(?:\d{4}-\d\d-\d\dT)?\d{1,2}:\d\d(?::\d\d(?:\.\d+)?)?Z?"
)
WHERE = "GET /health with a token of scope admin, or the service's log, says more"
LOG_PROBLEM = f"the database does not take rows; {WHERE}"
OWN_LOG_PROBLEMS = ("the outbox cannot be written", "the database does not answer")


def without_places(text: str) -> str:
    """The text without paths, hosts, addresses, and parentheses that hold such."""
    kept = text[:MAX_CHARACTERS]
    while (shorter := PARENTHESES.sub(_unless_placed, kept)) != kept:  # one inside the other
        kept = shorter
    return PLACES.sub(_hidden, kept)


def _unless_placed(parenthesis: re.Match[str]) -> str:
    said = parenthesis[0]
    return "" if "=" in said or PLACES.sub(_hidden, said) != said else said


def _hidden(place: re.Match[str]) -> str:
    return place[0] if NO_PLACE.fullmatch(place[0]) else HIDDEN


def public_problem(text: str | None) -> str | None:
    """Of a model."""
    if text is None:
        return None
    kept = without_places(text)
    return text if kept == text else f"{kept}; {WHERE}"


def public_log_problem(text: str | None) -> str | None:
    """Of the request log: what a database driver says is not ours to take apart."""
    return text if text is None or text in OWN_LOG_PROBLEMS else LOG_PROBLEM
