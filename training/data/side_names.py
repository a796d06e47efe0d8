"""Which side of a split a folder holds, by its name: `train`, `Validation`, `test_set`."""

import re

from leafgate.manifest import Side

SIDE_WORDS: dict[str, Side] = {
    **dict.fromkeys(("train", "training", "trainset", "traindata", "trn"), "train"),
    **dict.fromkeys(
        ("val", "valid", "validation", "validate", "valset", "validset", "dev"), "validation"
    ),
    **dict.fromkeys(
        ("test", "testing", "tests", "testset", "testdata", "tst", "evaluation", "eval", "holdout"),
        "test",
    ),
}


def side_of(name: str) -> Side | None:
    """The side that a folder of this name holds: `Training_Set`, `valid`, `test-images`."""
    spaced = re.sub("(?<=[a-z])(?=[A-Z])", " ", name)  # TrainSet
    words = re.findall("[a-z]+", f"{name} {spaced}".lower())
    named = {SIDE_WORDS[word] for word in words if word in SIDE_WORDS}
    return named.pop() if len(named) == 1 else None
