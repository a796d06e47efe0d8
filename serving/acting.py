"""Requests that change something: first it is made sure that the log can take their record.

Else a full disk would turn the answer of what was carried out into a 503 that says "try again".
Feedback needs no such care: its record is all that it does.
"""

import asyncio
from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends

from serving.facts import Facts
from serving.refusals import CODES, TryLater
from serving.state import RequestFacts, State
from sql import OutboxFailed, RequestLog

UNAVAILABLE = "log_unavailable"


@dataclass(frozen=True)
class Act:
    """What a request is about to do; `begin` it once everything else speaks for it."""

    log: RequestLog
    facts: Facts

    async def begin(self) -> None:
        """Return when it may be done. From then on the answer of the route goes out, recorded or
        not. Raises TryLater `log_unavailable` where the outbox does not take a trial entry now.
        """
        try:
            await asyncio.wrap_future(self.log.try_to_write())
        except OutboxFailed:
            known = CODES[UNAVAILABLE]
            fix = f"nothing was changed; {known.fix}"
            raise TryLater(known.detail, fix, UNAVAILABLE) from None
        self.facts.has_begun = True


async def _act(state: State, facts: RequestFacts) -> Act:
    return Act(state.log, facts)


Acting = Annotated[Act, Depends(_act)]
