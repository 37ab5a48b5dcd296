"""Loading an SQLite dump: beside the present file, checked, then renamed into its place."""

from __future__ import annotations

import os
import tempfile
import time
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from ocsnap.database.database import LoadReport, read_manifest
from ocsnap.database.sqlite.dump import open_quiet, row_count, table_names
from ocsnap.database.sqlite.failures import explained
from ocsnap.disk import sync_folder
from ocsnap.errors import DatabaseError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ocsnap.clock import Clock
    from ocsnap.database.database import DumpReader, Manifest
    from ocsnap.database.settings import DatabaseSettings
    from ocsnap.monitor import Monitor

# What SQLite keeps beside a database; left behind, it would be applied to the new file.
JOURNALS = ("-wal", "-shm", "-journal")

# ownCloud's own mode for its SQLite file, for a place where none stood before.
NEW_FILE_MODE = 0o640


def load(
    settings: DatabaseSettings, reader: DumpReader, *, clock: Clock, monitor: Monitor
) -> LoadReport:
    """Load a dump and rename it into place; see `load_database`."""
    target = Path(settings.name)
    with explained("loading", target), _private_file(target) as (new, descriptor):
        report = build(descriptor, reader, target=target, folder=target.parent, monitor=monitor)
        now = clock.now()
        when = time.strftime("%Y%m%d%H%M%S", time.gmtime(now)) + f"{int(now % 1 * 1000):03}"
        kept = _swap(new, target, target.with_name(f"{target.name}.before_{when}"))
    return replace(report, kept=None if kept is None else str(kept))


def build(
    descriptor: int, reader: DumpReader, *, target: Path, folder: Path, monitor: Monitor
) -> LoadReport:
    """Write a dump into a file and check it; putting it in place is for the caller.

    Args:
        descriptor: a new file, open for reading and writing.
        reader: the dump.
        target: the file that it will replace: gives owner and mode.
        folder: gives the owner where nothing is replaced.
        monitor: is told of the progress.

    Returns:
        What was loaded.

    Raises:
        DatabaseError: the dump is damaged, or of another kind of database.
    """
    manifest = read_manifest(reader)
    if manifest.info.kind != "sqlite3" or len(manifest.others) != 1:
        raise DatabaseError(
            f"The dump is of a database of the kind {manifest.info.kind}, not sqlite3.",
            hint="Check dbtype in config.php, or [database] kind.",
        )
    (stream,) = manifest.others
    monitor.step("Loading the database")
    with explained("loading", target):
        size = _write(descriptor, reader.chunks(stream), monitor)
        # By its descriptor: the folder may be the web server's, who could put a link in its place.
        _check(Path(f"/proc/self/fd/{descriptor}"), manifest, target)
        _take_owner_and_mode(descriptor, target, folder)
    return LoadReport(
        database=str(target),
        kept=None,
        tables=len(manifest.tables),
        rows=sum(table.rows for table in manifest.tables),
        size_bytes=size,
        notes=manifest.info.notes,
    )


@contextmanager
def _private_file(target: Path) -> Iterator[tuple[Path, int]]:
    descriptor, name = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
    try:
        yield Path(name), descriptor
    finally:
        os.close(descriptor)
        Path(name).unlink(missing_ok=True)


def _write(descriptor: int, chunks: Iterator[bytes], monitor: Monitor) -> int:
    size = 0
    with os.fdopen(descriptor, "wb", closefd=False) as file:
        for chunk in chunks:
            file.write(chunk)
            size += len(chunk)
            monitor.advance(size_bytes=len(chunk))
        file.flush()
        os.fsync(file.fileno())
    monitor.advance(files=1)
    return size


def _check(path: Path, manifest: Manifest, target: Path) -> None:
    with closing(open_quiet(path)) as connection:
        answer = str(connection.execute("PRAGMA integrity_check(1)").fetchone()[0])
        if answer != "ok":
            raise DatabaseError(f"The dump of {target} is damaged: {answer}.")
        found = {name: row_count(connection, name) for name in table_names(connection)}
    wanted = {table.name: table.rows for table in manifest.tables}
    names = found.keys() | wanted.keys()
    differing = ", ".join(sorted(name for name in names if found.get(name) != wanted.get(name)))
    if differing:
        raise DatabaseError(f"The dump of {target} has not the rows it should: {differing}.")


def _take_owner_and_mode(descriptor: int, target: Path, folder: Path) -> None:
    if target.exists():
        like = target.stat()
        mode = like.st_mode & 0o777
    else:
        like = folder.stat()
        mode = NEW_FILE_MODE
    if os.geteuid() == 0:
        os.fchown(descriptor, like.st_uid, like.st_gid)
    os.fchmod(descriptor, mode)


def _swap(new: Path, target: Path, kept: Path) -> Path | None:
    """Put the new file in place; what stood there gets a second name first, never none."""
    if not target.exists():
        _refuse_orphans(target)
        new.replace(target)
        sync_folder(target.parent)
        return None
    kept.hardlink_to(target)
    moved: list[tuple[Path, Path]] = []
    try:
        for end in JOURNALS:
            journal = target.with_name(target.name + end)
            if journal.exists():
                other = kept.with_name(kept.name + end)
                journal.replace(other)
                moved.append((journal, other))
        new.replace(target)
    except OSError:
        for journal, other in moved:
            other.replace(journal)
        kept.unlink()
        raise
    sync_folder(target.parent)
    return kept


def _refuse_orphans(target: Path) -> None:
    for end in JOURNALS:
        journal = target.with_name(target.name + end)
        if journal.exists():
            raise DatabaseError(
                f"{journal} is there without its database: the new one would be changed by it.",
                hint="Move it away.",
            )
