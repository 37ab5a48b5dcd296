"""The backup's side of the guardian: posts it before maintenance, dismisses it afterwards."""

from __future__ import annotations

import os
import select
import subprocess
import sys
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import ocsnap
from ocsnap.errors import OwncloudError
from ocsnap.owncloud.guardian import HANDED_OVER, PYTHON_PATH, READY

if TYPE_CHECKING:
    from collections.abc import Mapping

_MODULE: Final = "ocsnap.owncloud.guardian"
_START_SECONDS: Final = 30.0
_END_SECONDS: Final = 10.0


@dataclass(frozen=True)
class Guard:
    """A guardian at its post.

    Attributes:
        process: the guardian.
        rope: the end of the pipe that tells it, by being closed, that this process has ended.
    """

    process: subprocess.Popen[bytes]
    rope: int

    @classmethod
    def post(
        cls, state_dir: Path, environment: Mapping[str, str], *, python: str | None = None
    ) -> Guard:
        """Start a guardian for the lease that has been written, and wait until it watches.

        Args:
            state_dir: ocsnap's folder.
            environment: the environment for occ and PHP.
            python: the Python interpreter; None: the one that runs this.

        Returns:
            The guardian. Nothing may be put into maintenance without one.

        Raises:
            OwncloudError: it cannot be started.
        """
        # Python makes pipes that programs do not inherit; Popen gives the guardian its end alone.
        watched, rope = os.pipe()
        try:
            process = _start(state_dir, environment, python or sys.executable, watched)
            try:
                _await_ready(process)
            except BaseException:
                process.kill()
                process.wait()
                raise
            finally:
                if process.stdout is not None:
                    process.stdout.close()
        except BaseException:
            os.close(rope)
            raise
        finally:
            os.close(watched)
        return cls(process, rope)

    def dismiss(self) -> int:
        """Let the guardian end, since the lease has been removed, and wait for that.

        Returns:
            Its exit status; not 0 if it had been killed or had failed before.
        """
        os.close(self.rope)
        try:
            return self.process.wait(_END_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            return self.process.wait()

    def hand_over(self) -> bool:
        """Leave it to the guardian to lift maintenance: this process could not.

        Returns:
            Whether the guardian is there to try.
        """
        try:
            os.write(self.rope, HANDED_OVER)
        except BrokenPipeError:
            return False
        finally:
            os.close(self.rope)
            # It goes on for minutes. Should this process last longer, it must not stay a zombie.
            threading.Thread(target=self.process.wait, daemon=True).start()
        return True


def _start(
    state_dir: Path, environment: Mapping[str, str], python: str, watched: int
) -> subprocess.Popen[bytes]:
    # Without `site` it starts in half the time; where modules lie is known here.
    places = [str(Path(ocsnap.__file__).parents[1]), *filter(None, sys.path)]
    try:
        return subprocess.Popen(  # noqa: S603 - no shell; this very program
            (python, "-P", "-S", "-m", _MODULE, str(state_dir.absolute())),
            stdin=watched,
            stdout=subprocess.PIPE,
            cwd="/",
            env={**environment, PYTHON_PATH: os.pathsep.join(places)},
            start_new_session=True,
        )
    except OSError as error:
        raise _cannot(f"{python}: {error.strerror}") from error


def _await_ready(process: subprocess.Popen[bytes]) -> None:
    if process.stdout is None:
        raise _cannot("it has no standard output")
    said = select.poll()
    said.register(process.stdout, select.POLLIN)
    if not said.poll(_START_SECONDS * 1000):
        raise _cannot(f"it is not ready after {_START_SECONDS:g} seconds")
    if os.read(process.stdout.fileno(), len(READY)) != READY:
        raise _cannot(f"it ended with status {process.wait()}")


def _cannot(reason: str) -> OwncloudError:
    return OwncloudError(
        f"The guardian, which lifts maintenance mode if ocsnap dies, cannot be started: {reason}.",
        hint="Without it ownCloud is not frozen. Is the machine out of memory or processes?",
    )
