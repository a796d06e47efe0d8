"""A host remembers the newest record that it verified, and refuses an audit that lacks it."""

import json
import stat
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

import pytest

from leafgate.audit import AuditEntry, AuditRecord, sign, to_json
from leafgate.audit_key import SigningKey
from leafgate.errors import UserError
from leafgate.settings import Settings
from registry import DIGEST_TAG, PRODUCTION, AuditMemory, InProduction, ModelVersion, VerifiedChain
from registry.audit_memory import Remembered
from registry.wanted_version import InStaging

KEY = SigningKey(bytes.fromhex("a1" * 32))
STRANGER = SigningKey(bytes(range(32)))
NAME = "leaf-classifier"
DIGESTS = {number: f"{number:064x}" for number in range(10)}


def move(to: int, action: str = "moved", **changes: object) -> AuditEntry:
    digest = DIGESTS[to]
    return AuditEntry(
        model=NAME,
        action=action,  # type: ignore[arg-type]
        by="gate",
        to_version=to,
        artifact_digest=digest,
        **changes,  # type: ignore[arg-type]
    )


def chain(
    *entries: AuditEntry, after: Sequence[AuditRecord] = (), key: SigningKey = KEY
) -> tuple[AuditRecord, ...]:
    made = list(after)
    for entry in entries:
        made.append(sign(entry, made[-1] if made else None, key))
    return tuple(made)


TWO = chain(move(1), move(2))
FOUR = chain(move(1, "held"), move(3), after=TWO)
OTHER = chain(move(1), move(9), move(8))


def version(number: int, digest: str | None = None) -> ModelVersion:
    tags = {DIGEST_TAG: digest or DIGESTS[number]}
    return ModelVersion(NAME, number, "run", (), tags, 0)


@dataclass
class World:
    """The stores as a service sees them, and its disk."""

    settings: Settings
    records: tuple[AuditRecord, ...] = ()
    tags: tuple[str, ...] = ()
    alias: int | None = None
    versions: dict[int, ModelVersion] = field(
        default_factory=lambda: {n: version(n) for n in DIGESTS}
    )
    is_away: bool = False
    database_is_away: bool = False

    def answer(self, model: str) -> tuple[AuditRecord, ...]:
        if self.database_is_away:
            raise UserError("the trail at a://b/c is away", "start it", code="audit_unreachable")
        return self.records

    def last(self, model: str) -> AuditRecord | None:
        found = self.answer(model)
        return found[-1] if found else None

    def find(self, name: str, alias: str) -> ModelVersion | None:
        self.require_there()
        return self.versions.get(self.alias) if self.alias else None

    def version(self, name: str, number: int) -> ModelVersion | None:
        self.require_there()
        return self.versions.get(number)

    def audit_tags(self, name: str = NAME) -> tuple[str, ...]:
        self.require_there()
        return self.tags

    def recalled(self, name: str, alias: str) -> ModelVersion | None:
        return None

    def require_there(self) -> None:
        if self.is_away:
            raise UserError("MLflow is away", "start it", code="registry_error")

    def chain(self) -> VerifiedChain:
        """As a process that has just started has it."""
        trail = _Trail(self)
        return VerifiedChain(NAME, self.settings, trail, self.audit_tags)  # type: ignore[arg-type]

    def service(self) -> InProduction:
        return InProduction(NAME, self, self, self.chain())  # type: ignore[arg-type]

    def holds(self, records: Sequence[AuditRecord], alias: int | None = None) -> None:
        """What the stores have from now on: the tags are gone with the rows."""
        self.records, self.tags = tuple(records), tuple(map(to_json, records))
        self.alias = alias


@dataclass
class _Trail:
    world: World

    def records(self, model: str) -> tuple[AuditRecord, ...]:
        return self.world.answer(model)

    def last(self, model: str) -> AuditRecord | None:
        return self.world.last(model)


@pytest.fixture
def world(tmp_path: Path) -> World:
    settings = Settings(
        _env_file=None,  # type: ignore[call-arg]
        var_dir=tmp_path / "var",
        audit_key="a1" * 32,  # type: ignore[arg-type]
    )
    return World(settings)


def served(
    service: InProduction | InStaging, live: ModelVersion | None = None
) -> tuple[int | None, str]:
    """(version that should answer, what a person should know)."""
    wanted = service.look(live)
    return wanted.version.version if wanted.version else None, wanted.problem or ""


def refusal(chain_: VerifiedChain) -> str:
    with pytest.raises(UserError) as refused:
        chain_.current()
    assert refused.value.code == "audit_unsound"
    return str(refused.value)


def test_what_was_verified_is_remembered_by_every_process_and_readable_by_its_user_alone(
    world: World,
) -> None:
    world.holds(FOUR, alias=3)
    assert world.chain().current() == FOUR
    memory = AuditMemory(world.settings)
    assert memory.recall(NAME) == Remembered(FOUR[3], FOUR[3])
    assert memory.recall("another") is None
    assert stat.S_IMODE((memory.folder / f"{NAME}.json").stat().st_mode) == 0o600
    assert stat.S_IMODE(memory.folder.stat().st_mode) == 0o700


@pytest.mark.parametrize("restarted", [False, True])
@pytest.mark.parametrize(
    ("replaced", "told"),
    [
        (TWO, "it ends at record 2, and this host has seen record 4"),
        ((), "it ends at record 0, and this host has seen record 4"),
        (chain(move(7), move(8), after=TWO), "its record 4 is"),
        (OTHER + chain(move(7), move(6), after=OTHER)[3:], "its record 4 is"),
    ],
)
def test_a_chain_that_does_not_extend_what_was_seen_is_refused_though_the_tags_agree(
    world: World, replaced: tuple[AuditRecord, ...], told: str, restarted: bool
) -> None:
    world.holds(FOUR, alias=3)
    service = world.service()
    assert served(service) == (3, "")
    world.holds(replaced, alias=replaced[-1].to_version if replaced else 1)
    if restarted:
        service = world.service()
    number, problem = served(service, None if restarted else version(3))
    assert number == 3
    assert told in problem
    assert "--restore" in problem and "--accept-shorter" in problem
    assert AuditMemory(world.settings).recall(NAME) == Remembered(FOUR[3], FOUR[3])

    world.holds(FOUR, alias=3)  # restored
    assert served(service, version(3)) == (3, "")


def test_a_memory_that_was_deleted_under_a_running_process_is_written_again(world: World) -> None:
    world.holds(FOUR, alias=3)
    service = world.service()
    served(service)
    (AuditMemory(world.settings).folder / f"{NAME}.json").unlink()
    world.holds(TWO, alias=2)
    assert "this host has seen record 4" in served(service, version(3))[1]
    world.holds(FOUR, alias=3)
    served(service, version(3))
    assert AuditMemory(world.settings).recall(NAME) is not None


def test_the_chain_that_another_process_has_seen_counts_for_this_one(world: World) -> None:
    world.holds(TWO, alias=2)
    early, late = world.service(), world.service()
    served(early)
    world.holds(FOUR, alias=3)
    served(late)
    world.holds(TWO, alias=2)
    number, problem = served(early, version(2))
    assert (number, "seen record 4" in problem) == (2, True)


def test_a_tag_with_a_sound_signature_shows_what_the_database_lost(world: World) -> None:
    world.holds(TWO, alias=1)
    world.tags = tuple(map(to_json, FOUR))
    told = refusal(world.chain())
    assert "it ends at record 2, and the versions' tags have record 4" in told
    assert served(world.service())[0] is None, "this host knows of nothing that is vouched for"

    world.tags = ()  # deleted, too: it was seen
    assert "this host has seen record 4" in refusal(world.chain())


def test_a_tag_of_a_rewritten_record_is_found(world: World) -> None:
    world.holds(OTHER, alias=8)
    world.tags = (to_json(TWO[1]),)
    assert "the versions' tags have another record 2" in refusal(world.chain())


def test_tags_that_no_trusted_key_signed_stop_nothing(world: World) -> None:
    world.holds(TWO, alias=2)
    longer = chain(move(3), after=TWO, key=STRANGER)[2]
    elsewhere = sign(replace(move(3), model="another"), None, KEY)
    forged = replace(FOUR[3], to_version=7)
    text = to_json(FOUR[2])
    nested = text.replace('"reason":""', f'"reason":{"[" * 50_000}')
    large = text.replace('"number":3', f'"number":{"9" * 5_000}')
    texts = [
        "{}",
        "",
        "no JSON",
        "[" * 100_000,
        "\ud800",
        nested,
        large,
        *map(to_json, (longer, elsewhere, forged)),
    ]
    world.tags += tuple(texts)
    assert world.chain().current() == TWO


def test_tags_are_compared_once_the_registry_is_back(world: World) -> None:
    world.holds(TWO, alias=2)
    world.tags, world.is_away = tuple(map(to_json, FOUR)), True
    seen = world.chain()
    assert seen.current() == TWO
    world.is_away = False
    assert "the versions' tags have record 4" in refusal(seen)


@pytest.mark.parametrize("alias", [None, 1, 2, 9])
def test_the_alias_decides_nothing(world: World, alias: int | None) -> None:
    world.holds(FOUR, alias=alias)  # version 1 is on hold, 9 was never promoted
    number, problem = served(world.service())
    assert number == 3
    assert "the audit has version 3 in production" in problem
    assert "--restore` puts the alias back" in problem
    assert ("is missing" in problem) == (alias is None)


def test_a_move_under_way_follows_the_alias_and_a_finished_one_the_audit(world: World) -> None:
    world.holds(TWO, alias=2)
    service = world.service()
    moving = chain(move(3, "moving"), after=TWO)
    world.holds(moving, alias=2)
    assert served(service, version(2)) == (2, "")
    world.holds(moving, alias=3)
    assert served(service, version(2)) == (3, "")
    world.is_away = True
    assert served(service, version(3))[0] == 3
    world.is_away = False
    world.holds(chain(move(3), after=moving), alias=3)
    assert served(service, version(3)) == (3, "")
    world.holds(chain(move(2, "abandoned"), after=moving), alias=2)


def test_a_move_that_ends_between_two_looks_is_no_problem(world: World) -> None:
    world.holds(TWO, alias=2)
    service = world.service()

    def moved_meanwhile(model: str) -> AuditRecord | None:
        del world.last  # type: ignore[method-assign]
        world.holds(FOUR, alias=3)
        return FOUR[3]

    served(service)
    world.last = moved_meanwhile  # type: ignore[method-assign]
    assert served(service, version(2)) == (3, "")


def test_what_was_never_promoted_is_no_version(world: World) -> None:
    wanted = world.service().look(None)
    assert (wanted.version, wanted.is_vacant) == (None, True)
    assert wanted.problem == f"no version has the alias '{PRODUCTION}'"
    world.holds(chain(move(1, "staged")), alias=1)
    wanted = world.service().look(None)
    assert (wanted.version, wanted.is_vacant) == (None, False)
    assert "the audit has no version in production" in str(wanted.problem)


def test_the_files_are_those_of_the_record_whatever_the_registry_says(world: World) -> None:
    world.holds(TWO, alias=2)
    world.versions[2] = version(2, "f" * 64)
    wanted = world.service().look(None)
    assert wanted.version is not None
    assert wanted.version.tags[DIGEST_TAG] == DIGESTS[2]
    assert "promoted with other files than it has now" in str(wanted.problem)
    del world.versions[2]
    wanted = world.service().look(None)
    assert wanted.version is not None
    assert wanted.version.tags[DIGEST_TAG] == DIGESTS[2]
    assert "is gone from MLflow" in str(wanted.problem)


def test_a_database_that_is_away_changes_nothing_and_its_address_is_not_told(world: World) -> None:
    world.holds(TWO, alias=2)
    service = world.service()
    served(service)
    world.database_is_away = True
    assert served(service, version(2)) == (2, "")
    world.alias = 1
    number, problem = served(service, version(2))
    assert (number, "a://b" in problem) == (2, False)
    assert "the database of the audit does not answer" in problem
    number, problem = served(world.service())  # it has restarted
    assert (number, "vouched for before, is served" in problem) == (2, True)


def test_a_key_that_is_no_longer_trusted_vouches_for_nothing(world: World) -> None:
    world.holds(TWO, alias=2)
    served(world.service())
    other = world.settings.model_copy(
        update={"audit_key": None, "audit_public_keys": STRANGER.public_key_hex}
    )
    number, problem = served(World(other, TWO, alias=2).service())
    assert (number, "signed by the unknown key" in problem) == (None, True)


def test_a_damaged_memory_is_not_taken_for_none(world: World) -> None:
    world.holds(FOUR, alias=3)
    served(world.service())
    file = AuditMemory(world.settings).folder / f"{NAME}.json"
    other = sign(replace(move(1), model="another"), None, KEY)
    wrongs = ["", "[]", "{}", '{"last": null, "production": null}']
    for text in (*wrongs, json.dumps({"last": asdict(other), "production": None})):
        file.write_text(text)
        number, problem = served(world.service(), version(3))
        assert number == 3
        assert "cannot be read or written: leaf-classifier.json" in problem
        assert str(world.settings.var_dir) not in problem
    assert world.chain().accept() is None
    assert served(world.service()) == (3, "")


def test_a_forged_memory_names_no_version(world: World) -> None:
    world.holds(TWO, alias=2)
    memory = AuditMemory(world.settings)
    memory.add(replace(FOUR[3], to_version=9))
    number, problem = served(world.service())
    assert (number, "this host has seen record 4" in problem) == (None, True)


def test_a_memory_that_cannot_be_written_is_reported_and_what_is_vouched_for_served(
    world: World,
) -> None:
    world.holds(TWO, alias=2)
    lock = AuditMemory(world.settings).folder / f"{NAME}.lock"
    lock.mkdir(parents=True)  # where a file should be
    number, problem = served(world.service())
    assert number == 2
    assert "cannot be read or written" in problem


def test_a_person_accepts_an_older_backup_and_running_processes_follow(world: World) -> None:
    world.holds(FOUR, alias=3)
    service = world.service()
    served(service)
    world.holds(TWO, alias=2)
    assert served(service, version(3))[0] == 3
    accepted = world.chain().accept()
    assert accepted is not None and accepted.last == FOUR[3]
    assert served(service, version(3)) == (2, "")
    assert AuditMemory(world.settings).recall(NAME) == Remembered(TWO[1], TWO[1])


def test_nothing_is_accepted_that_the_tags_can_mend_or_that_is_not_sound(world: World) -> None:
    world.holds(FOUR, alias=3)
    served(world.service())
    world.records = TWO
    with pytest.raises(UserError, match="the versions' tags have record 4"):
        world.chain().accept()
    world.holds((TWO[1],), alias=2)
    with pytest.raises(UserError, match="record 1 should stand before it"):
        world.chain().accept()
    world.holds(TWO, alias=2)
    world.is_away = True
    with pytest.raises(UserError, match="MLflow is away"):
        world.chain().accept()
    assert AuditMemory(world.settings).recall(NAME) == Remembered(FOUR[3], FOUR[3])


def test_many_who_note_at_once_leave_the_highest(world: World) -> None:
    long = chain(*[move(1 + number % 9) for number in range(30)])
    memory = AuditMemory(world.settings)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda ends: memory.note(NAME, long[:ends]), [*range(1, 31), *range(30)]))
    assert memory.recall(NAME) == Remembered.of(long)


def test_a_canary_that_a_person_holds_is_shown_to_no_caller(world: World) -> None:
    staged = [move(number, "staged") for number in (1, 2)]
    world.holds(chain(*staged, after=FOUR), alias=1)  # version 1 is on hold
    canary = InStaging(NAME, world, world, world.chain(), is_shown=True)  # type: ignore[arg-type]
    number, problem = served(canary, version(1))
    assert (number, "is on hold" in problem) == (None, True)
    shadow = InStaging(NAME, world, world, world.chain())  # type: ignore[arg-type]
    assert served(shadow) == (1, "")
    world.alias = 2
    assert served(canary) == (2, "")


def test_what_is_in_staging_answers_only_where_its_registration_is_on_record(world: World) -> None:
    world.holds(chain(move(2, "staged"), after=FOUR), alias=5)  # an alias that was moved by hand
    shadow = InStaging(NAME, world, world, world.chain())  # type: ignore[arg-type]
    number, problem = served(shadow, version(2))
    assert (number, "version 5 is not on record" in problem) == (None, True)
    world.alias, world.versions[2] = 2, version(2, "f" * 64)  # a tag that was written by hand
    number, problem = served(shadow, version(2))
    assert (number, "record 5 of its registration is" in problem) == (None, True)
