"""What a figure was measured on, and how: hardware in one line, medians of runs in turn."""

import argparse
import os
import platform
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from statistics import median

from leafgate.errors import UserError

ROUNDS = 3


def hardware() -> str:
    """What the machine is, and what else it is doing."""
    return f"{processor()}, {busy()}"


def busy() -> str:
    """What the machine is doing now."""
    return f"load average {os.getloadavg()[0]:.1f}"


def processor() -> str:
    """Processor, cores this process may use, bf16, GPU."""
    import tensorflow as tf  # late: a script that loads services is to stay small itself

    from registry.engine import BF16_FLAGS

    told = _cpuinfo()
    bf16 = BF16_FLAGS & set(told.get("flags", "").split())
    gpus = [gpu.name for gpu in tf.config.list_physical_devices("GPU")]
    return ", ".join(
        (
            told.get("model name", platform.processor() or platform.machine()),
            f"{len(os.sched_getaffinity(0))} cores",
            f"bf16 in hardware ({', '.join(sorted(bf16))})" if bf16 else "no bf16 in hardware",
            f"GPU {', '.join(gpus)}" if gpus else "no GPU",
        )
    )


def _cpuinfo() -> dict[str, str]:
    """The first processor's entries; empty where the system has no such file."""
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        return {}
    pairs = (line.partition(":") for line in text.split("\n\n")[0].splitlines())
    return {name.strip(): value.strip() for name, _, value in pairs}


def median_seconds(
    ways: Mapping[str, Callable[[], object]],
    runs: int,
    on_turn: Callable[[], object] = lambda: None,
) -> dict[str, float]:
    """Median seconds of one run of each way.

    The ways take turns, `runs` each in every one of three rounds, so that none has the machine's
    good minutes to itself; the first run of a turn does not count.
    """
    times: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(ROUNDS):
        for name, run in ways.items():
            run()
            times[name] += [seconds_of(run) for _ in range(runs)]
            on_turn()
    return {name: median(found) for name, found in times.items()}


def seconds_of(run: Callable[[], object]) -> float:
    """Wall-clock seconds of one call."""
    started = time.perf_counter()
    run()
    return time.perf_counter() - started


def parser_for(description: str) -> argparse.ArgumentParser:
    """A parser that shows a module's docstring as it stands."""
    return argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )


def run_script(main: Callable[[], None]) -> None:
    """Call `main`; a UserError is told in two lines instead of a traceback."""
    try:
        main()
    except UserError as error:
        print(f"{error.problem}\n{error.fix}", file=sys.stderr)
        raise SystemExit(2) from None
