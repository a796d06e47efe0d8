"""Names that people give to folders, and that mean something in a URL."""

HOSTILE = (
    "C# work",
    "what?",
    "100%2F",
    "50% off",
    "a+b",
    "my project",
    'the "best"',
    "it's",
    "a;b&c=d",
    "Bäume-木",
    "mode?mode=ro&uri=true",
    "user@host:1",
)
ALL_IN_ONE = 'what? 100%2F "ä"; x+y\'&z=1#'
