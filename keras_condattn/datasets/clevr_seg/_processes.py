"""Shares the scenes out among processes.

Plain processes rather than a spawning pool: a pool would run the caller's main
script again in every worker, and that script has usually imported Keras.
"""

from __future__ import annotations

import contextlib
import subprocess
import sys
import tempfile
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

WORKER = Path(__file__).with_name("_worker.py")


def work(
    config: str, todo: deque[int], processes: int, done: Callable[[], object]
) -> None:
    """Renders the scenes numbered in `todo`, which it empties.

    Args:
        config: the settings, as JSON; every worker is given them.
        todo: numbers of scenes. Whoever is free takes the next.
        processes: how many workers.
        done: called after each scene, from any thread.

    Raises:
        RuntimeError: a worker failed. The others finish the scene they are at.
    """
    with ThreadPoolExecutor(processes) as pool:
        try:
            jobs = [pool.submit(_drive, config, todo, done) for _ in range(processes)]
            for job in jobs:
                job.result()
        finally:
            todo.clear()


def _drive(config: str, todo: deque[int], done: Callable[[], object]) -> None:
    """One worker, from start to end; runs in a thread of its own."""
    # -P: the worker's folder must not hide modules of the same name.
    command = [sys.executable, "-P", str(WORKER), config]
    pipe = subprocess.PIPE
    with (
        tempfile.TemporaryFile() as log,
        subprocess.Popen(
            command, bufsize=0, stdin=pipe, stdout=pipe, stderr=log
        ) as worker,
    ):
        while (index := _next(todo)) is not None:
            if not _answered(worker, index):
                todo.clear()
                worker.communicate()
                log.seek(0)
                said = log.read().decode(errors="replace").strip()[-2000:]
                raise RuntimeError(f"Rendering scene {index} failed:\n{said}")
            done()


def _next(todo: deque[int]) -> int | None:
    try:
        return todo.popleft()
    except IndexError:
        return None


def _answered(worker: subprocess.Popen[bytes], index: int) -> bool:
    """Sends a number; whether the worker sent it back, once on disk."""
    if worker.stdin is None or worker.stdout is None:
        return False
    line = f"{index}\n".encode()
    with contextlib.suppress(BrokenPipeError):
        worker.stdin.write(line)
    return worker.stdout.readline() == line
