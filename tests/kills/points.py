"""The steps at which a run is killed: a function, the moment before it or after it, which call."""

from __future__ import annotations

from typing import Literal, NamedTuple


class Point(NamedTuple):
    """One moment of a run.

    Attributes:
        name: what happens there, in words.
        function: the module, a colon, and the function as the module finds it.
        when: before the call begins, or after it has returned.
        call: which call, counted from 1.
    """

    name: str
    function: str
    when: Literal["before", "after"]
    call: int = 1


_BACKUP = "ocsnap.commands.backup.backup"
_PASSES = "ocsnap.commands.backup.file_passes"
_WINDOW = "ocsnap.commands.backup.window"
_MAINTENANCE = "ocsnap.owncloud.maintenance"
_REPOSITORY = "ocsnap.repository.repository"
_WRITER = "ocsnap.repository.writer"
_PUT = "ocsnap.storage.local:LocalStorage.put"
_RESTORE = "ocsnap.commands.restore"

FIRST_BACKUP = (
    Point("before the repository is made", "ocsnap.commands.context:create_repository", "before"),
    Point(
        "the repository is made, and empty", "ocsnap.commands.context:create_repository", "after"
    ),
    Point("a first backup after some packs", _PUT, "after", 4),
)

BACKUP = (
    Point("it has only the lock", f"{_BACKUP}:unlock", "before"),
    Point("the index is in step", f"{_REPOSITORY}:Repository.synchronise", "after"),
    Point("a pack is noted, not sent", "ocsnap.repository.sending:Sending.begin", "after"),
    Point("a pack is about to be put", _PUT, "before"),
    Point("a pack is put, nobody knows it", _PUT, "after"),
    Point("another pack is put, nobody knows it", _PUT, "after", 3),
    Point("a pack is known", "ocsnap.repository.cache:Cache.add_pack", "after"),
    Point("a pack's note is gone", "ocsnap.repository.sending:Sending.end", "after"),
    Point("the live passes are over", f"{_PASSES}:FilePasses.live", "after"),
    Point("the configuration is read", f"{_BACKUP}:_Backup._archive_config", "after"),
    Point("there is room", f"{_WINDOW}:Window.check_room", "after"),
    Point("config.php is copied, no lease yet", f"{_MAINTENANCE}:write_lease", "before"),
    Point("the lease is written, no guardian yet", f"{_MAINTENANCE}:write_lease", "after"),
    Point("the guardian is at its post", f"{_MAINTENANCE}:Guard.post", "after"),
    Point("maintenance is on", "ocsnap.owncloud.occ:Occ.set_maintenance", "after"),
    Point("it is proven", "ocsnap.owncloud.standstill:Standstill.prove_on", "after"),
    Point("uploads have ended", "ocsnap.owncloud.standstill:Standstill.drain", "after"),
    Point("packs are held", f"{_WRITER}:BlobWriter.hold", "after"),
    Point("amid the dump", "ocsnap.snapshot.streams:StreamArchiver._archive_one", "after"),
    Point("the database is dumped", f"{_WINDOW}:Window._open_database", "after"),
    Point("a pack is in the spool", "ocsnap.repository.spool:Spool.write", "after"),
    Point("the last changes are read", f"{_PASSES}:FilePasses.once", "after", 2),
    Point("before maintenance is lifted", "ocsnap.owncloud.lift:Lifter.turn_off", "before"),
    Point("maintenance is lifted", "ocsnap.owncloud.lift:Lifter.turn_off", "after"),
    Point("before the lease is removed", f"{_MAINTENANCE}:forget", "before"),
    Point("the lease is removed", f"{_MAINTENANCE}:forget", "after"),
    Point("packs are released", f"{_WRITER}:BlobWriter.release", "after"),
    Point("a pack of the spool is sent", "ocsnap.repository.packer:Packer._send_spooled", "after"),
    Point("before the last packs", f"{_BACKUP}:_Backup._commit", "before"),
    Point("all packs are stored", f"{_REPOSITORY}:Repository.list_packs", "before"),
    Point(
        "the index is put, nobody knows it", "ocsnap.repository.cache:Cache.mark_indexed", "before"
    ),
    Point("the index is stored", f"{_REPOSITORY}:Repository.list_packs", "after"),
    Point("before the snapshot", f"{_REPOSITORY}:Repository.commit", "before"),
    Point(
        "the snapshot is put, nobody knows it",
        "ocsnap.repository.cache:Cache.hold_snapshot",
        "before",
    ),
    Point("the snapshot is stored", f"{_REPOSITORY}:Repository.commit", "after"),
    Point("the cache is trimmed", f"{_REPOSITORY}:Repository.trim_cache", "after"),
)

RESTORE = (
    Point("the snapshot is chosen", f"{_RESTORE}.restore:choose", "after"),
    Point("its journal is begun", f"{_RESTORE}.journal:write", "after"),
    Point("folders are made", "ocsnap.snapshot.restorer:_Restoration._make_names", "after"),
    Point("some content is written", "ocsnap.snapshot.restorer:_Restoration._write", "after", 5),
    Point("all is built", f"{_RESTORE}.builder:Builder.build", "after"),
    Point("its lease is written", f"{_MAINTENANCE}:write_lease", "after"),
    Point("its maintenance is on", "ocsnap.owncloud.occ:Occ.set_maintenance", "after"),
    Point("the exchange is noted", f"{_RESTORE}.switchover:Switchover._exchange", "before"),
    Point("one thing is exchanged", f"{_RESTORE}.swap:_make", "after"),
    Point("another is exchanged", f"{_RESTORE}.swap:_make", "after", 2),
    Point("all is exchanged", f"{_RESTORE}.swap:make", "after"),
    Point("before it is opened", f"{_RESTORE}.switchover:close", "before"),
    Point("it is opened", f"{_RESTORE}.switchover:close", "after"),
    Point("before the last note", f"{_RESTORE}.switchover:Switchover.finish", "before"),
    Point("all but the report", f"{_RESTORE}.restore:_Restore._outcome", "before"),
)

_PRUNE = "ocsnap.repository.prune"
_DELETE = "ocsnap.storage.local:LocalStorage.delete_all"

PRUNE = (
    Point("prune has its lock", f"{_PRUNE}:Pruner.prune", "before"),
    Point("prune has its plan", "ocsnap.repository.prune_plan:Planner.plan", "after"),
    Point("before snapshots go", f"{_PRUNE}:Pruner._remove_snapshots", "before"),
    Point("snapshots are gone, nobody knows it", _DELETE, "after"),
    Point("snapshots are gone", f"{_PRUNE}:Pruner._remove_snapshots", "after"),
    Point("what is needed is copied", f"{_PRUNE}:Pruner._repack", "after"),
    Point("before packs are marked", f"{_PRUNE}:put_marks", "before"),
    Point("packs are marked", f"{_PRUNE}:put_marks", "after"),
    Point("before the index is rewritten", f"{_PRUNE}:rewrite_index", "before"),
    Point("the index is rewritten", f"{_PRUNE}:rewrite_index", "after"),
    Point("packs are gone, nobody knows it", "ocsnap.repository.cache:Cache.drop_pack", "before"),
    Point("one pack is forgotten", "ocsnap.repository.cache:Cache.drop_pack", "after"),
    Point("before the leftovers go", f"{_PRUNE}:Pruner._clean_up", "before"),
    Point("prune has its report", f"{_PRUNE}:Pruner._tell", "after"),
)
