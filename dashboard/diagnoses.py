"""The diagnoses of one browser session: each image is asked for once, whatever the page redraws.

Every call is a row in the log and counts against a limit, and Streamlit runs the page again at
every click. So answers are kept by the content of the file, and of an upload only which content it
has; what could not be asked is kept too, until somebody wants it tried again.
"""

from collections import OrderedDict, deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from hashlib import sha256
from itertools import chain
from typing import Any

from dashboard.calls.diagnosing import Correction, Diagnosis, Problem, predict, predict_batch
from dashboard.client import ApiClient, ApiProblem
from dashboard.file_names import LONGEST_SENT, cleaned
from dashboard.session import SIGNED_OUT
from leafgate.settings import Settings

MOST_FILES = 500  # at a time on the page
KEPT_ANSWERS = 2000  # of a session, about a kilobyte each
ENVELOPE_BYTES = 1024  # the most that surrounds a file in it; names are cut to LONGEST_SENT
TOO_MUCH = frozenset(("too_many_images", "out_of_range", "body_too_large"))  # half may pass
AWAY = frozenset((0, 403, 404, 429, 502, 503, 504))  # statuses that another request would get too
HEIF = frozenset((b"heic", b"heix", b"heif", b"hevc", b"mif1", b"msf1", b"avif"))

Answer = Diagnosis | Problem


@dataclass(frozen=True)
class Upload:
    """A file as it came. id: of this upload; digest: SHA-256 of its content."""

    id: str
    name: str
    data: bytes
    digest: str


@dataclass(frozen=True)
class Sent:
    """A correction that was sent: the class that somebody said, and what became of it."""

    class_name: str
    became: Correction


@dataclass(frozen=True)
class Result:
    """One upload and what is known of it. answer: a diagnosis, or why there is none."""

    number: int
    upload: Upload
    answer: Answer
    sent: Sent | None = None

    @property
    def name(self) -> str:
        """Of the file, as a page can show it; not escaped for Markdown."""
        return cleaned(self.upload.name)


@dataclass
class Kept:
    """answers, refusals: by digest; corrections: by request id; digests: by upload."""

    answers: OrderedDict[str, Answer] = field(default_factory=OrderedDict)
    refusals: dict[str, Problem] = field(default_factory=dict)
    corrections: OrderedDict[str, Sent] = field(default_factory=OrderedDict)
    digests: dict[str, str] = field(default_factory=dict)

    def uploads(self, files: Sequence[tuple[str, str, bytes]]) -> list[Upload]:
        """`files` (upload id, name, content), which are all there are; each is hashed once."""
        self.digests = {
            each: self.digests.get(each) or sha256(data).hexdigest() for each, _, data in files
        }
        here = frozenset(self.digests.values())
        self.refusals = {key: why for key, why in self.refusals.items() if key in here}
        return [Upload(each, name, data, self.digests[each]) for each, name, data in files]

    def missing(self, uploads: Sequence[Upload]) -> list[Upload]:
        """Those that were never asked for, each content once."""
        first = {each.digest: each for each in reversed(uploads)}
        return [
            each
            for each in uploads
            if first[each.digest] is each
            and each.digest not in self.answers
            and each.digest not in self.refusals
        ]

    def results(self, uploads: Sequence[Upload]) -> list[Result]:
        """What is known of each upload; of one that was not asked for yet, nothing."""
        found = []
        for number, upload in enumerate(uploads, 1):
            answer = self.answers.get(upload.digest) or self.refusals.get(upload.digest)
            if answer is not None:
                sent = self.corrections.get(getattr(answer, "request_id", ""))
                found.append(Result(number, upload, answer, sent))
        return found

    def keep(self, upload: Upload, answer: Answer) -> None:
        """The answer for an upload; a problem that may pass is not final."""
        if isinstance(answer, Problem) and not answer.is_of_the_file:
            self.refusals[upload.digest] = answer
            return
        self.answers[upload.digest] = _for_a_person(answer, upload)
        _forget_oldest(self.answers, KEPT_ANSWERS)

    def correct(self, request_id: str, sent: Sent) -> None:
        """What was said last of an answer."""
        self.corrections[request_id] = sent
        _forget_oldest(self.corrections, KEPT_ANSWERS)

    def try_again(self) -> None:
        """Let what got no answer be asked for once more."""
        self.refusals.clear()


def ask(api: ApiClient, kept: Kept, missing: Sequence[Upload], settings: Settings) -> Iterator[int]:
    """Diagnose `missing`, as many in a request as it takes; how many are done, after each request.

    Files of a request that fails are kept with its problem, and so are those after it where they
    would fail alike. Raises ApiProblem where the sign-in has ended.
    """
    asked = [each for each in missing if not _is_too_large(kept, each, settings)]
    waiting = deque(chunks(asked, settings.max_images, settings.max_batch_bytes))
    while waiting:
        chunk = waiting.popleft()
        try:
            answers = _diagnosed(api, chunk)
        except ApiProblem as problem:
            if problem.code in SIGNED_OUT:
                raise
            if (problem.code in TOO_MUCH or problem.status == 413) and len(chunk) > 1:
                middle = len(chunk) // 2
                waiting.extendleft((chunk[middle:], chunk[:middle]))
                continue
            if problem.status in AWAY:
                chunk = [*chunk, *chain.from_iterable(waiting)]
                waiting.clear()
            answers = [Problem.of(problem)] * len(chunk)
        for upload, answer in zip(chunk, answers, strict=True):
            kept.keep(upload, answer)
        yield len(missing) - sum(map(len, waiting))


def chunks(uploads: Sequence[Upload], most: int, most_bytes: int) -> list[list[Upload]]:
    """In order, at most `most` and `most_bytes` together; a larger one stands alone."""
    found: list[list[Upload]] = []
    room = 0
    for upload in uploads:
        size = len(upload.data) + ENVELOPE_BYTES
        if not found or len(found[-1]) >= most or size > room:
            found.append([])
            room = most_bytes
        found[-1].append(upload)
        room -= size
    return found


def _diagnosed(api: ApiClient, uploads: Sequence[Upload]) -> list[Answer]:
    files = [(cleaned(each.name, LONGEST_SENT), each.data) for each in uploads]
    return [predict(api, *files[0])] if len(files) == 1 else list(predict_batch(api, files))


def _is_too_large(kept: Kept, upload: Upload, settings: Settings) -> bool:
    """Whether it need not be sent; then that is its answer."""
    size, most = len(upload.data), settings.max_upload_bytes
    if size > most:
        problem = f"the image file has {size:,} bytes"
        fix = f"make the picture smaller; at most {most:,} bytes are taken"
        kept.keep(upload, Problem("image_too_large", problem, fix))
    return size > most


def _for_a_person(answer: Answer, upload: Upload) -> Answer:
    """Phones make HEIC, which no browser tells apart from what is taken here."""
    if isinstance(answer, Problem) and upload.data[4:8] == b"ftyp" and upload.data[8:12] in HEIF:
        fix = (
            "export it as JPEG; an iPhone takes JPEG from the start with Settings, Camera, "
            "Formats, Most Compatible"
        )
        return replace(answer, detail="the file is an HEIC or AVIF picture", fix=fix)
    return answer


def _forget_oldest(kept: OrderedDict[str, Any], most: int) -> None:
    while len(kept) > most:
        kept.popitem(last=False)
