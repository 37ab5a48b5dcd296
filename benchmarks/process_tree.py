"""One command with what it took: seconds, and the peak of memory of it and all its children."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

_LOOK_SECONDS = 0.05
_PROC = Path("/proc")


class Run(NamedTuple):
    """A command that ended well.

    Attributes:
        seconds: wall time from its start to its end.
        peak_bytes: the most memory that it and its children held together.
        output: its standard output.
    """

    seconds: float
    peak_bytes: int
    output: str


def run(
    command: Sequence[str | Path],
    *,
    environment: Mapping[str, str] | None = None,
    folder: Path | None = None,
) -> Run:
    """Run a command to its end; a failure ends the benchmark.

    Args:
        command: the program and its arguments.
        environment: variables that it gets besides ours.
        folder: where it runs.

    Returns:
        What it took.
    """
    words = [str(word) for word in command]
    with tempfile.TemporaryFile("w+", errors="replace") as output:
        began = time.monotonic()
        process = subprocess.Popen(
            words,
            env={**os.environ, **(environment or {})},
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
        memory = PeakMemory(process.pid)
        status = process.wait()
        seconds = time.monotonic() - began
        peak_bytes = memory.stop()
        output.seek(0)
        text = output.read()
    if status:
        sys.exit(f"{' '.join(words)}\nended with status {status}:\n{text[-4000:]}")
    return Run(seconds, peak_bytes, text)


class PeakMemory:
    """Looks again and again at what a process and all its children hold.

    A page that several processes share is counted once (proportional set size). Files in memory
    that are open count as memory whether they are mapped or not: ocsnap keeps packs in them.
    """

    def __init__(self, pid: int) -> None:
        """Begin to watch."""
        self._pid = pid
        self._peak_bytes = 0
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def stop(self) -> int:
        """Return the peak; bytes."""
        self._ended.set()
        self._thread.join()
        return self._peak_bytes

    def _watch(self) -> None:
        while not self._ended.is_set():
            self._peak_bytes = max(self._peak_bytes, held_bytes(self._pid))
            self._ended.wait(_LOOK_SECONDS)


def held_bytes(pid: int) -> int:
    """Return what a process and all its children hold now; bytes."""
    total_bytes = 0
    files: dict[int, int] = {}
    for process in _family(pid):
        folder = _PROC / str(process)
        try:
            total_bytes += _own_bytes((folder / "smaps_rollup").read_text())
            files.update(_files_in_memory(folder / "fd"))
        except OSError:
            continue  # it has just ended
    return total_bytes + sum(files.values())


def _family(pid: int, begun_by: bytes = b"") -> Iterator[int]:
    try:
        command = (_PROC / str(pid) / "cmdline").read_bytes()
    except OSError:
        return
    if command == begun_by:
        return  # between vfork(2) and execve(2) a child shows its parent's memory as its own
    yield pid
    try:
        # A child belongs to the thread that started it.
        threads = Path(f"/proc/{pid}/task").iterdir()
        texts = [(thread / "children").read_text() for thread in threads]
    except OSError:
        return
    for text in texts:
        for child in text.split():
            yield from _family(int(child), command)


def _own_bytes(rollup: str) -> int:
    """Return a process's share of pages, without those of files in memory; proc(5)."""
    kilobytes = {
        words[0]: int(words[1]) for line in rollup.splitlines()[1:] if (words := line.split())
    }
    return (kilobytes["Pss:"] - kilobytes.get("Pss_Shmem:", 0)) * 1024


def _files_in_memory(folder: Path) -> Iterator[tuple[int, int]]:
    for path in folder.iterdir():
        try:
            if str(path.readlink()).startswith("/memfd:"):
                status = path.stat()
                yield status.st_ino, status.st_blocks * 512
        except OSError:
            continue  # it has just been closed
