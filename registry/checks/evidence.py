"""What checks look at: measured by the gate from the stored artefact, never taken from its log."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from leafgate.images import Pixels

Labels = NDArray[np.int64]
Floats = NDArray[np.floating]
Flags = NDArray[np.bool_]


@dataclass(frozen=True)
class Answers:
    """A classifier's answers to n images, through the code and in the form that is served.

    labels: classes of the evaluation set; truth, predicted: (n,) indices into them, -1 for an
    answer that is none of them or whose confidence is no number, which is wrong; confidence: (n,)
    of the class named; unknown: (n,) called unlike the training images; groups: leaf groups.
    """

    labels: tuple[str, ...]
    truth: Labels
    predicted: Labels
    confidence: Floats
    unknown: Flags
    groups: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.truth)

    @property
    def right(self) -> Flags:
        """(n,) whether each answer is right."""
        return np.asarray(self.predicted == self.truth)


@dataclass(frozen=True)
class Champion:
    """The version in production, asked for the same images in the same run.

    labels: the classes it knows; candidate_labels: those that the candidate knows; fair: (n,)
    images of classes that both know and the champion has not learnt from; learnt: how many of the
    images it has, which it would remember; traced: whether what it learnt from is known at all.
    """

    version: int
    answers: Answers
    labels: tuple[str, ...]
    candidate_labels: tuple[str, ...]
    fair: Flags
    learnt: int
    traced: bool


@dataclass(frozen=True)
class Corrupted:
    """truth: (n,) of the images that were changed; predicted, unknown: (n,) by the change's name.

    pictures: one example of each change.
    """

    truth: Labels
    predicted: Mapping[str, Labels]
    unknown: Mapping[str, Flags]
    pictures: Mapping[str, Pixels] = field(default_factory=dict)


@dataclass(frozen=True)
class Strangers:
    """Pictures that are nothing the model knows. images: (n, h, w, 3); let_through: (n,).

    scored: False for a model that was stored without a way to call a picture unknown.
    """

    images: Pixels
    kinds: tuple[str, ...]
    let_through: Flags
    scored: bool


@dataclass(frozen=True)
class Latency:
    """Milliseconds of one image at a time, decoding included. champion: interleaved with them."""

    candidate_ms: Floats
    champion_ms: Floats | None
    engine: str


@dataclass(frozen=True)
class Size:
    """Bytes of all stored forms together, and of the champion's."""

    stored_bytes: int
    champion_bytes: int | None


@dataclass(frozen=True)
class Origin:
    """Where a version comes from. facts: by name, empty where missing.

    seen: evaluation images, by path, that were learnt from; mates: those of whose leaf group an
    image was; traced: whether what it learnt from is on record; logged: the figures of its run;
    own_set: whether they are of this evaluation set; related: whether the split that it learnt from
    has an image in common with that of the evaluation set.
    """

    facts: Mapping[str, str]
    seen: tuple[str, ...]
    mates: tuple[str, ...]
    logged: Mapping[str, float]
    own_set: bool
    traced: bool = True
    related: bool = True


@dataclass(frozen=True)
class ClassifierEvidence:
    """answers: to the evaluation set, whose files are beside. The rest is None where not measured.

    engine: the form that is served; forms: answers of each stored form to the same part of the set;
    first: no champion is there; missing: why a measurement has failed, by its name.
    """

    answers: Answers
    files: tuple[Path, ...] = ()
    engine: str = ""
    first: bool = True
    champion: Champion | None = None
    forms: Mapping[str, Answers] | None = None
    corrupted: Corrupted | None = None
    strangers: Strangers | None = None
    latency: Latency | None = None
    size: Size | None = None
    origin: Origin | None = None
    missing: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class SecondOpinion:
    """(any, d) features of the platform's own classifier, which learnt from the same images.

    about: which version; champion: None without one in production.
    """

    about: str
    generated: Floats
    real: Floats
    champion: Floats | None = None


@dataclass(frozen=True)
class Likeness:
    """Features of generated, held-out real and training pictures, all (any, d), and whose.

    about: what network they are of; name: its short name. asked, seen: (n,) indices into labels of
    the class asked for and the one a classifier sees, empty where none can be asked for.
    champion: features of the version in production, drawn alike, None without one; noise: those of
    pure noise; own: what the own classifier's features say, None where `no_own` gives the reason;
    chosen_with: the features that chose the candidate's epoch, empty where that is not on record.
    """

    name: str
    about: str
    generated: Floats
    real: Floats
    train: Floats
    labels: tuple[str, ...] = ()
    asked: Labels = field(default_factory=lambda: np.empty(0, np.int64))
    seen: Labels = field(default_factory=lambda: np.empty(0, np.int64))
    champion: Floats | None = None
    train_files: tuple[Path, ...] = ()
    noise: Floats | None = None
    own: SecondOpinion | None = None
    no_own: str = ""
    chosen_with: str = ""


@dataclass(frozen=True)
class Gain:
    """What an augmentation study found: macro F1 gained by generated images, with its interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class GeneratorEvidence:
    """Pictures of one seed, raw and as served, and real ones of the evaluation set beside them.

    outputs: (n, size, size, channels) float32 as the network gave them; images, real: uint8.
    conditional: whether a class can be asked for; studied: whether a study of the gain exists.
    """

    outputs: NDArray[np.float32]
    images: Pixels
    real: Pixels
    engine: str = ""
    conditional: bool = False
    first: bool = True
    likeness: Likeness | None = None
    origin: Origin | None = None
    studied: bool = False
    gain: Gain | None = None
    missing: Mapping[str, str] = field(default_factory=dict)


Evidence = ClassifierEvidence | GeneratorEvidence
