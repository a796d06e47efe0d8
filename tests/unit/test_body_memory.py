"""Bodies under way share a bounded memory, of which no few users can have all."""

from serving.body_limit import BodyMemory
from serving.refusals import BodyRefused


def fill(memory: BodyMemory, owner: str, size: int = 8) -> int:
    taken = 0
    try:
        while True:
            memory.take(owner, size)
            taken += size
    except BodyRefused as error:
        assert (error.status_code, error.code) == (503, "uploads_full")
    return taken


def test_each_user_gets_at_most_half_of_what_the_others_leave() -> None:
    memory = BodyMemory(1024)
    taken = {name: fill(memory, name) for name in ("user eve", "user mallory", "user trudy")}
    assert list(taken.values()) == [512, 256, 128]
    memory.take("user ada", 50)
    for name, size in {**taken, "user ada": 50}.items():
        memory.give_back(name, size)
    assert memory.bytes == 0
    assert fill(memory, "user ada") == 512
