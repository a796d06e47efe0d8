"""What the classifier in production says of generated pictures.

It is an opinion of pictures that show no leaf, and no diagnosis: nothing here becomes a row of
`predictions`, is among the diagnoses, or in the tally that a bake time is judged by. The log keeps
how often each class was read in the row of the request, and counts it apart.
One version reads a whole series.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from fastapi import Request

from leafgate.images import Pixels, to_rgb
from registry import Prediction
from serving.batching import EngineFailed, Retired, WaitedTooLong
from serving.hanging_up import results_unless_gone
from serving.live import LiveClassifier, View
from serving.state import AppState


@dataclass(frozen=True)
class Reader:
    """The version that reads a series, to its end. user: whose turn it takes."""

    live: LiveClassifier
    user: str = ""

    async def read(
        self, state: AppState, images: Sequence[Pixels], request: Request | None
    ) -> list[Prediction | None]:
        """A reading of each picture (size, size, 1 to 4 channels); None where the network failed on
        it or fell too far behind: the picture is none the worse. Raises ClientDisconnect.
        """
        loop = asyncio.get_running_loop()
        seen = await loop.run_in_executor(state.decoders, self._views, images)
        views = [view for of_one in seen for view in of_one]
        with state.models.to_classify.hold(len(views), self.user):
            waits = len(self.live.batcher) > 0
            try:
                futures = self.live.batcher.submit(views, self.user)
            except Retired:  # swapped away twice meanwhile: the series is read as it was begun
                coloured = [to_rgb(image) for image in images]
                found = await loop.run_in_executor(
                    state.decoders, self.live.model.predict, coloured
                )
                return list(found)
            settled = [asyncio.ensure_future(_unless_failed(future)) for future in futures]
            outcomes = await results_unless_gone(settled, request if waits else None)
        each = len(views) // len(images)
        return [
            self._answer(outcomes[first : first + each]) for first in range(0, len(views), each)
        ]

    def _views(self, images: Sequence[Pixels]) -> list[list[Pixels]]:
        """Each as the network sees it, in one position or in eight."""
        return [self.live.model.views_of(to_rgb(image)) for image in images]

    def _answer(self, outcomes: Sequence[View | None]) -> Prediction | None:
        views = [view for view in outcomes if view is not None]
        return self.live.answer(views) if len(views) == len(outcomes) else None


def begin_reading(state: AppState, user: str) -> Reader:
    """Fix the version. Raises UserError where none is served, TryLater where it is too busy."""
    live = state.models.classifier.require()
    state.models.to_classify.require_room(user)
    return Reader(live, user)


async def _unless_failed(future: "asyncio.Future[View]") -> View | None:
    try:
        return await future
    except (EngineFailed, WaitedTooLong):
        return None
