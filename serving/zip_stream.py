"""A ZIP archive, written while it is sent: memory holds one piece, however many pictures follow."""

import asyncio
import zipfile
from collections.abc import AsyncIterator
from pathlib import PurePosixPath

from leafgate.strict_json import dump_json
from registry import class_folder
from serving.facts import Facts
from serving.generated_answers import Reading, read_by
from serving.generating import PIECE, Made, Piece, Series, pieces
from serving.state import AppState


class Outlet:
    """What ZipFile writes to: a file without a place to go back to."""

    def __init__(self) -> None:
        self._written: list[bytes] = []

    def write(self, data: bytes) -> int:
        """Keep until taken."""
        self._written.append(bytes(data))
        return len(data)

    def flush(self) -> None:
        """Nothing is held back."""

    def take(self) -> bytes:
        """What has been written since the last time."""
        data = b"".join(self._written)
        self._written.clear()
        return data


class ZipStream:
    """Pictures in class folders, and `manifest.json` at the end."""

    def __init__(self, state: AppState, series: Series, facts: Facts) -> None:
        self._state, self._series, self._facts = state, series, facts
        self._outlet = Outlet()
        self._archive = zipfile.ZipFile(self._outlet, "w", zipfile.ZIP_STORED)  # type: ignore[call-overload]
        self._names: list[str] = []
        self._classes: list[str | None] = []
        self._readings: list[dict[str, object] | None] = []
        self._pieces = pieces(state, series, Made(facts), None)

    async def first(self) -> Piece:
        """Made before the answer begins, so that what is wrong is told in its status.

        Raises TryLater where too much is under way.
        """
        with self._state.models.to_generate.admit(min(PIECE, self._series.n), self._series.user):
            return await anext(self._pieces)

    async def chunks(self, first: Piece) -> AsyncIterator[bytes]:
        """The archive's bytes."""
        yield await self._packed(first)
        while piece := await self._next():
            yield await self._packed(piece)
        told = self._manifest()
        self._archive.writestr("manifest.json", dump_json(told, indent=2, ensure_ascii=True))
        self._archive.close()
        yield self._outlet.take()

    def _manifest(self) -> dict[str, object]:
        """Files, classes and readings go together, one a picture. latency_ms: until here."""
        reader = read_by(self._series)
        return {
            "request_id": self._facts.request_id,
            **self._series.origin(self._series.asked),
            "read_by": None if reader is None else reader.model_dump(),
            "files": self._names,
            "classes": self._classes,
            "readings": self._readings,
            "latency_ms": round(self._facts.seconds * 1000, 1),
        }

    async def _next(self) -> Piece | None:
        with self._state.models.to_generate.hold(PIECE, self._series.user):
            return await anext(self._pieces, None)

    async def _packed(self, piece: Piece) -> bytes:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._state.decoders, self._pack, piece)

    def _pack(self, piece: Piece) -> bytes:
        told = zip(piece.indices, piece.class_names, piece.pngs(), piece.readings, strict=True)
        for index, name, png, prediction in told:
            file = f"{self._series.name}_{index:05d}.png"
            self._names.append(str(PurePosixPath(class_folder(name)) / file))
            self._classes.append(name)
            reading = Reading.of(prediction)
            self._readings.append(None if reading is None else reading.model_dump(by_alias=True))
            self._archive.writestr(self._names[-1], png)
        return self._outlet.take()
