"""One run of gpg over one message, from memory to memory.

gpg reads and writes anonymous files, so nothing has to be pumped through pipes: with threads that
did so, they and the readers of files took the interpreter from each other 30,000 times a second.
"""

from __future__ import annotations

import os
import select
import subprocess
from typing import TYPE_CHECKING, Final, NamedTuple

from ocsnap.crypto.memory_file import MemoryFile
from ocsnap.crypto.statuses import Statuses
from ocsnap.errors import CryptoError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

LONGEST_SECONDS: Final = 600
"""A pack takes gpg a tenth of a second; a machine may be busy, but not so busy."""

_STATUS_OPTIONS: Final = ("--status-fd", "2", "--no-tty", "--no-verbose", "--batch")


class GpgRun(NamedTuple):
    """What came of a run.

    Attributes:
        output: what gpg wrote, in place; not to be used unless all went well.
        statuses: what it told of it.
        succeeded: whether its exit status says so.
        reason: the last thing it said to people.
    """

    output: memoryview
    statuses: Statuses
    succeeded: bool
    reason: str


class GpgProgram:
    """How gpg is called."""

    def __init__(self, binary: str, home: str | None, environment: Mapping[str, str]) -> None:
        """Keep what all runs share.

        Args:
            binary: the program.
            home: GnuPG folder; None: gpg's own choice.
            environment: all that it sees.
        """
        self._command = [binary, *_STATUS_OPTIONS, *(("--homedir", home) if home else ())]
        self._environment = environment

    def run(
        self,
        options: Sequence[str],
        content: MemoryFile,
        passphrase: str | None = None,
        output: MemoryFile | None = None,
    ) -> GpgRun:
        """Run gpg over a message and wait for it; may be called from several threads.

        Args:
            options: what to do.
            content: what it reads, from the beginning.
            passphrase: told through a pipe that only this child has.
            output: where it writes, whatever is there; None: to a file of its own.

        Raises:
            CryptoError: it cannot be run, or does not end.
        """
        content.rewind()
        with MemoryFile() as own, MemoryFile() as said:
            target = own if output is None else output
            target.rewind()
            status = self._wait(options, content, target, said, passphrase)
            text = bytes(said.content()).decode("latin-1")
            plain = own.content() if output is None else output.written()
            return GpgRun(plain, Statuses(text), status == 0, _reason(text, status))

    def _wait(
        self,
        options: Sequence[str],
        content: MemoryFile,
        output: MemoryFile,
        said: MemoryFile,
        passphrase: str | None,
    ) -> int:
        secret = _pipe_with(passphrase)
        by_pipe = ["--pinentry-mode", "loopback", "--passphrase-fd", str(secret)]
        command = [*self._command, *(by_pipe if secret >= 0 else ()), *options]
        try:
            with subprocess.Popen(  # noqa: S603 - options of our own
                command,
                stdin=content.fileno(),
                stdout=output.fileno(),
                stderr=said.fileno(),
                env=self._environment,
                pass_fds=(secret,) if secret >= 0 else (),
            ) as process:
                _wait_or_kill(process)
                return process.wait()
        except OSError as error:
            raise CryptoError(
                f"gpg cannot be run: {error}.", hint="Install it: apt-get install gnupg."
            ) from error
        finally:
            if secret >= 0:
                os.close(secret)


def _wait_or_kill(process: subprocess.Popen[bytes]) -> None:
    """Wait for the end of gpg, but not for ever: somebody may have made the message so."""
    try:
        # Popen's own time-out looks every 50 ms, which is longer than most messages take.
        descriptor = os.pidfd_open(process.pid)
    except OSError:
        return  # a kernel before Linux 5.3
    try:
        ended = select.poll()
        ended.register(descriptor, select.POLLIN)
        if not ended.poll(LONGEST_SECONDS * 1000):
            process.kill()
            raise CryptoError(f"gpg did not end within {LONGEST_SECONDS} seconds.")
    finally:
        os.close(descriptor)


def _pipe_with(passphrase: str | None) -> int:
    """Return the end of a pipe from which a passphrase can be read once; -1 for none."""
    if passphrase is None:
        return -1
    line = passphrase.encode() + b"\n"
    reading, writing = os.pipe2(os.O_CLOEXEC)
    try:
        os.set_blocking(writing, False)  # nobody reads yet: what does not fit must not wait
        if os.write(writing, line) < len(line):
            raise CryptoError("The passphrase is too long.", hint="Use one of 100 characters.")
    except BaseException:
        os.close(reading)
        raise
    finally:
        os.close(writing)
    return reading


def _reason(said: str, status: int) -> str:
    lines = [line.removeprefix("gpg: ") for line in said.splitlines() if line.startswith("gpg: ")]
    return (lines[-1] if lines else f"exit status {status}").rstrip(".")
