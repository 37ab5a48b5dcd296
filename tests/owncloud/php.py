"""PHP as the judge: asked over one process, so that hundreds of questions cost little."""

from __future__ import annotations

import base64
import subprocess
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_LOOP = """
while (($line = fgets(STDIN)) !== false) {
    try { $answer = answer(base64_decode($line)); }
    catch (Throwable $error) { $answer = 'refused: ' . $error->getMessage(); }
    echo base64_encode($answer), "\\n";
}
"""


class Php:
    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process

    def ask(self, question: bytes) -> bytes:
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(base64.b64encode(question) + b"\n")
        self._process.stdin.flush()
        return base64.b64decode(self._process.stdout.readline())


@contextmanager
def running_php(body: str) -> Iterator[Php]:
    """Start PHP; `body` is that of a function of $question, a byte string."""
    code = "function answer($question) {" + body + "}" + _LOOP
    with subprocess.Popen(
        ("php", "-d", "display_errors=stderr", "-d", "serialize_precision=-1", "-r", code),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    ) as process:
        yield Php(process)
        assert process.stdin
        process.stdin.close()
