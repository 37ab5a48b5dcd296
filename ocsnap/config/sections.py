"""The tables of the configuration file; each key is explained in `config.sample.toml`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import msgspec

from ocsnap.config.section import Command, Duration, Patience, Port, Section, Text


class OwncloudConfig(Section, frozen=True, kw_only=True):
    """Where the ownCloud is.

    Attributes:
        root: folder with occ, config/ and version.php.
        occ: the command that runs occ; None: `php <root>/occ` as the owner of config.php.
        php: the PHP interpreter.
        url: the address users type, for asking the web server whether it is really frozen.
        accept_objectstore: back up database and configuration although the users' files lie in an
            object store, and so are not in the backup.
    """

    root: Path
    occ: Command | None = None
    php: Text = "php"
    url: Text | None = None
    accept_objectstore: bool = False


class DatabaseConfig(Section, frozen=True, kw_only=True):
    """Overrides of what config.php says of the database; None: as config.php says.

    Attributes:
        kind: the kind of server.
        host: host name or address.
        port: TCP port.
        socket: path of the server's unix socket; wins over host and port.
        user: user to log in as.
        password_file: file whose first line is the password.
        name: name of the database; for sqlite the path of the file.
        allow_old_tls: accept TLS 1.0 from a server that knows nothing better (MySQL 5.5).
        sessions: how many connections read or load at once; not for sqlite.
    """

    kind: Literal["mysql", "sqlite3"] | None = None
    host: Text | None = None
    port: Port | None = None
    socket: Path | None = None
    user: Text | None = None
    password_file: Path | None = None
    name: Text | None = None
    allow_old_tls: bool = False
    sessions: Annotated[int, msgspec.Meta(ge=1, le=16)] = 2


class RepositoryConfig(Section, frozen=True, kw_only=True):
    """Where the backups go.

    Attributes:
        url: `s3://bucket/prefix` or `file:///folder`.
        region: S3 region.
        endpoint: address of an S3 store other than Amazon's; empty: Amazon's for the region.
        access_key_id: S3 key; None: boto3's own search (environment, ~/.aws, instance role).
        secret_access_key_file: file whose first line is the secret of that key.
        profile: a profile of ~/.aws/config.
        ca_file: certificates to trust instead of the system's, for stores with their own.
        object_lock_mode: whether a right of its own ends the lock before its time (governance) or
            nothing (compliance); None: objects are not locked.
        object_lock_days: how long nobody can remove what a restore needs; days.
        limit_upload: how fast objects are stored, such as "1MB/s"; None: as fast as it goes.
        limit_download: how fast they are read.
        prices_file: what the store asks for keeping and sending bytes; None: as Amazon does.
    """

    url: Text
    region: Text = "eu-central-1"
    endpoint: str = ""
    access_key_id: Text | None = None
    secret_access_key_file: Path | None = None
    profile: Text | None = None
    ca_file: Path | None = None
    object_lock_mode: Literal["governance", "compliance"] | None = None
    object_lock_days: Annotated[int, msgspec.Meta(ge=1, le=36_500)] | None = None
    limit_upload: Text | None = None
    limit_download: Text | None = None
    prices_file: Path | None = None

    @property
    def is_s3(self) -> bool:
        """Whether it is an S3 store, which sends bills, and no disk."""
        return self.url.startswith("s3://")


class EncryptionConfig(Section, frozen=True, kw_only=True):
    """What the backups are locked with: a passphrase, or the public keys of recipients.

    Attributes:
        passphrase_file: file whose first line is the passphrase.
        passphrase_env: environment variable that holds the passphrase.
        recipients: fingerprints of the keys that can read the backups.
        sign_with: fingerprint of the key that signs snapshots.
        gnupg_home: GnuPG folder with the keys; None: a private one in `backup.state_dir`.
        key_files: exported keys to import into that folder.
    """

    passphrase_file: Path | None = None
    passphrase_env: Text | None = None
    recipients: tuple[Text, ...] = ()
    sign_with: Text | None = None
    gnupg_home: Path | None = None
    key_files: tuple[Path, ...] = ()


class BackupConfig(Section, frozen=True, kw_only=True):
    """What is backed up and where ocsnap keeps its notes.

    Attributes:
        exclude: shell patterns of paths to leave out, relative to the data directory.
        state_dir: folder for the local cache, the lock and the lease.
        live_passes: how often at most the files are read before ownCloud is frozen.
        spool_dir: folder for what changed meanwhile, until it is uploaded; None: in `state_dir`.
        snapshot_command: makes a snapshot of the data directory's file system.
        snapshot_cleanup_command: removes it again.
        snapshot_path: where the data directory can be read as of that snapshot.
    """

    exclude: tuple[Text, ...] = ()
    state_dir: Path = Path("/var/lib/ocsnap")
    live_passes: Annotated[int, msgspec.Meta(ge=0, le=100)] = 5
    spool_dir: Path | None = None
    snapshot_command: tuple[Text, ...] = ()
    snapshot_cleanup_command: tuple[Text, ...] = ()
    snapshot_path: Path | None = None


class MaintenanceConfig(Section, frozen=True, kw_only=True):
    """How ownCloud is frozen.

    Attributes:
        enabled: whether a backup puts ownCloud into maintenance; False: others see to it.
        drain_seconds: how long to wait for uploads and cron jobs that go on; seconds.
        settle_seconds: how long PHP may go on with the old config.php; seconds. None: as PHP's
            own settings say.
        web_seconds: how long to wait until the web server says that it is frozen; seconds.
    """

    enabled: bool = True
    drain_seconds: Patience = 30.0
    settle_seconds: Patience | None = None
    web_seconds: Patience = 65.0


class ScanConfig(Section, frozen=True, kw_only=True):
    """What is looked at to find out what changed.

    Attributes:
        trust_etags: "auto": homes whose etag is as before are not walked; "never": all are.
        full_walk_days: after so many days a home is walked whatever its etag says; days.
    """

    trust_etags: Literal["auto", "never"] = "auto"
    full_walk_days: Annotated[float, msgspec.Meta(ge=0)] = 7.0


Share = Annotated[float, msgspec.Meta(ge=0, le=1)]
Number = Annotated[int, msgspec.Meta(ge=0, le=100_000)]
Count = Annotated[int, msgspec.Meta(ge=1)]


class GuardConfig(Section, frozen=True, kw_only=True):
    """When a backup raises an alarm, compared with the snapshot before.

    Attributes:
        enabled: whether it does at all.
        lost_files: share of all users' files that may be gone.
        lost_bytes: share of their sizes that may be gone.
        lost_rows: share of the database's rows that may be gone.
        lost_in_one: share of the files of one user, or of the rows of one table, that may be gone.
        changed_files: share of the files of one user, or of all, that may have another content.
        suspicious_files: so many files of one user may be renamed to one suffix, or not be
            compressible any more.
        least_files: users with fewer files, and clouds, raise no alarm for shares.
        least_bytes: clouds that are smaller raise no alarm for lost bytes.
        least_rows: databases and tables with fewer rows raise no alarm.
    """

    enabled: bool = True
    lost_files: Share = 0.3
    lost_bytes: Share = 0.3
    lost_rows: Share = 0.3
    lost_in_one: Share = 0.8
    changed_files: Share = 0.5
    suspicious_files: Count = 50
    least_files: Count = 200
    least_bytes: Count = 100 * 1024 * 1024
    least_rows: Count = 1000


Commands = tuple[Command, ...]
Timeout = Annotated[float, msgspec.Meta(gt=0, le=86_400)]


class HooksConfig(Section, frozen=True, kw_only=True):
    """Commands of the admin's own, each a program with its arguments.

    Attributes:
        before_backup: before anything is done; a failure stops the backup.
        before_freeze: right before maintenance mode; a failure stops the backup.
        while_frozen: inside maintenance mode; a failure stops the backup.
        after_lift: right after maintenance mode, also when the backup failed in it.
        after_backup: when a snapshot was made.
        before_verify: a failure stops it.
        after_verify: when all was looked at.
        before_prune: a failure stops it.
        after_prune: when it is done.
        before_restore: a failure stops it.
        after_restore: when it is done.
        before_drill: a failure stops it.
        after_drill: when it is done.
        on_failure: when a run failed, or not all is well.
        on_alarm: when a backup raised an alarm.
        timeout_seconds: how long each may take; seconds.
        frozen_timeout_seconds: how long each of `while_frozen` may take; seconds.
    """

    before_backup: Commands = ()
    before_freeze: Commands = ()
    while_frozen: Commands = ()
    after_lift: Commands = ()
    after_backup: Commands = ()
    before_verify: Commands = ()
    after_verify: Commands = ()
    before_prune: Commands = ()
    after_prune: Commands = ()
    before_restore: Commands = ()
    after_restore: Commands = ()
    before_drill: Commands = ()
    after_drill: Commands = ()
    on_failure: Commands = ()
    on_alarm: Commands = ()
    timeout_seconds: Timeout = 300.0
    frozen_timeout_seconds: Annotated[float, msgspec.Meta(gt=0, le=300)] = 30.0


class NotifyConfig(Section, frozen=True, kw_only=True):
    """Whom to tell.

    Attributes:
        on: "failure": whatever is not exit status 0; "alarm": only alarms; "always".
        urls: receivers, as URLs of apprise.
        urls_file: a file with more of them, one a line.
    """

    on: Literal["failure", "alarm", "always"] = "failure"
    urls: tuple[Text, ...] = ()
    urls_file: Path | None = None


class PingConfig(Section, frozen=True, kw_only=True):
    """Watchers that speak healthchecks' language: each a URL, or a file whose first line is one.

    Attributes:
        backup: is told of each backup.
        verify: is told of each verify.
        prune: is told of each prune.
        restore: is told of each restore.
        drill: is told of each drill.
    """

    backup: Text | None = None
    verify: Text | None = None
    prune: Text | None = None
    restore: Text | None = None
    drill: Text | None = None


class MetricsConfig(Section, frozen=True, kw_only=True):
    """Figures for Prometheus.

    Attributes:
        textfile: a file in the folder that node_exporter's textfile collector reads.
    """

    textfile: Path | None = None


class LogConfig(Section, frozen=True, kw_only=True):
    """Where runs are logged besides the terminal.

    Attributes:
        json_file: a file that gets one JSON object a line for each event.
    """

    json_file: Path | None = None


class PruneConfig(Section, frozen=True, kw_only=True):
    """Which snapshots stay, and when what they alone needed goes.

    Attributes:
        keep_last: so many of the newest stay.
        keep_hourly: of so many hours the newest one stays.
        keep_daily: of so many days the newest one stays.
        keep_weekly: of so many weeks the newest one stays.
        keep_monthly: of so many months the newest one stays.
        keep_yearly: of so many years the newest one stays.
        keep_within: all that are no older than this before the newest one, such as "30d".
        after_backup: prune after every backup that left nothing out.
        grace_hours: how long what nobody needs stays after it was found; hours.
        repack_above: share of garbage above which a pack is written anew; 1: never.
    """

    keep_last: Number = 0
    keep_hourly: Number = 0
    keep_daily: Number = 0
    keep_weekly: Number = 0
    keep_monthly: Number = 0
    keep_yearly: Number = 0
    keep_within: Duration | None = None
    after_backup: bool = False
    grace_hours: Annotated[float, msgspec.Meta(ge=0, le=8784)] = 23.0
    repack_above: Share = 0.5


class Config(Section, frozen=True, kw_only=True):
    """The whole file."""

    owncloud: OwncloudConfig
    repository: RepositoryConfig
    encryption: EncryptionConfig
    database: DatabaseConfig = DatabaseConfig()
    backup: BackupConfig = BackupConfig()
    maintenance: MaintenanceConfig = MaintenanceConfig()
    scan: ScanConfig = ScanConfig()
    guard: GuardConfig = GuardConfig()
    hooks: HooksConfig = HooksConfig()
    notify: NotifyConfig = NotifyConfig()
    ping: PingConfig = PingConfig()
    metrics: MetricsConfig = MetricsConfig()
    log: LogConfig = LogConfig()
    prune: PruneConfig = PruneConfig()
