"""A queue in which users take turns: who has queued much waits, others pass."""

from collections import OrderedDict, deque
from collections.abc import Iterable
from typing import Generic, TypeVar

Item = TypeVar("Item")


class Turns(Generic[Item]):
    """One line a user; the lines take turns, an item each. Not safe among threads by itself."""

    def __init__(self) -> None:
        self._lines: OrderedDict[str, deque[Item]] = OrderedDict()
        self._size = 0

    def __len__(self) -> int:
        """Items of all users."""
        return self._size

    def extend(self, user: str, items: Iterable[Item]) -> None:
        """Queue items of a user."""
        line = self._lines.setdefault(user, deque())
        before = len(line)
        line.extend(items)
        self._size += len(line) - before

    def popleft(self) -> Item:
        """The item whose turn it is. Raises KeyError where there is none."""
        user, line = next(iter(self._lines.items()), (None, None))
        if user is None or line is None:
            raise KeyError("nothing is queued")
        item = line.popleft()
        self._size -= 1
        if line:
            self._lines.move_to_end(user)
        else:
            del self._lines[user]
        return item

    def put_back(self, user: str, item: Item) -> None:
        """Undo the last `popleft` that is not undone: the item is the next one again."""
        self._lines.setdefault(user, deque()).appendleft(item)
        self._lines.move_to_end(user, last=False)
        self._size += 1
