"""`make fuzz`: works on one decoder after the other, for a bounded time, and counts.

What made new code run is kept in build/fuzz and, with --keep, in tests/fuzz/corpus, from which the
next run begins and which the tests go through.
"""

from __future__ import annotations

import argparse
import re
import shutil
import subprocess
import sys
from pathlib import Path

CORPUS = Path(__file__).parent / "corpus"
FOUND = Path("build/fuzz")
LONGEST_INPUT_BYTES = 4096
LONGEST_KEPT_BYTES = 2048
MOST_KEPT = 40
HANG_SECONDS = 20
MEMORY_MIB = 2048
EXECUTIONS = re.compile(r"stat::number_of_executed_units:\s+(\d+)")


def main() -> int:
    """Fuzz; return 1 if anything was found."""
    # The names alone: the program that counts need not import what is fuzzed.
    every = sorted(path.name for path in CORPUS.iterdir() if path.is_dir())
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=int, default=60, help="for each target")
    parser.add_argument("--keep", action="store_true", help="take what is new into the corpus")
    parser.add_argument("targets", nargs="*", metavar="TARGET", help=f"of {', '.join(every)}")
    options = parser.parse_args()
    executions = {}
    failed = []
    for target in options.targets or every:
        print(f"==> {target}, {options.seconds} seconds", flush=True)
        executions[target], sound = fuzz(target, options.seconds)
        if not sound:
            failed.append(target)
        if options.keep:
            keep(target)
    for target, count in executions.items():
        print(f"{target:<16}{count:>12} executions{'  FAILED' if target in failed else ''}")
    print(f"{sum(executions.values())} executions, {len(failed)} failures")
    return 1 if failed else 0


def fuzz(target: str, seconds: int) -> tuple[int, bool]:
    """Work on one target; return how often it ran, and whether it never failed."""
    found = FOUND / target
    found.mkdir(parents=True, exist_ok=True)
    options = {
        "max_total_time": seconds,
        "max_len": LONGEST_INPUT_BYTES,
        "timeout": HANG_SECONDS,
        "rss_limit_mb": MEMORY_MIB,
        "print_final_stats": 1,
        "artifact_prefix": f"{found}-",
        "verbosity": 0,
    }
    command = [sys.executable, "-m", "tests.fuzz.one", target]
    command += [f"-{name}={value}" for name, value in options.items()]
    done = subprocess.run(
        [*command, str(found), str(CORPUS / target)], stderr=subprocess.PIPE, text=True, check=False
    )
    if done.returncode:
        print(done.stderr[-4000:])
    counted = EXECUTIONS.search(done.stderr)
    return int(counted[1]) if counted else 0, done.returncode == 0


def keep(target: str) -> None:
    """Take some of what made new code run into the corpus, short ones first."""
    new = FOUND / f"{target}-merged"
    shutil.rmtree(new, ignore_errors=True)
    new.mkdir()
    command = [sys.executable, "-m", "tests.fuzz.one", target, "-merge=1", "-verbosity=0"]
    command += [str(new), str(CORPUS / target), str(FOUND / target)]
    subprocess.run(command, stderr=subprocess.DEVNULL, check=True)
    inputs = sorted(new.iterdir(), key=lambda path: (path.stat().st_size, path.name))
    for path in inputs[:MOST_KEPT]:
        if path.stat().st_size <= LONGEST_KEPT_BYTES:
            shutil.copy(path, CORPUS / target / path.name)
    shutil.rmtree(new)


if __name__ == "__main__":
    sys.exit(main())
