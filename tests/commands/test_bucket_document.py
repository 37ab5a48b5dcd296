"""docs/bucket.md is true: its commands are taken, its policies let through what they should."""

from __future__ import annotations

import contextlib
import json
import re
import shlex
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
import jmespath
import pytest
from botocore.exceptions import ClientError
from moto import mock_aws
from moto.core.authorization import enable_iam_authentication

from ocsnap.commands.prune.prune import prune
from ocsnap.commands.restore.report import RestoreOptions
from ocsnap.commands.restore.restore import restore
from ocsnap.errors import AccessDeniedError, NoRepositoryError, StorageError
from ocsnap.storage.s3 import S3Storage
from ocsnap.units import KIB
from tests.commands.host import Host, make_host

if TYPE_CHECKING:
    from collections.abc import Iterator

DOCUMENT = (Path(__file__).parents[2] / "docs" / "bucket.md").read_text()
BUCKET, PREFIX, REGION = "oc-backup", "cloud/", "eu-central-1"
LOCK_DAYS = 60
FORBIDDEN = {
    "s3:DeleteObjectVersion",
    "s3:BypassGovernanceRetention",
    "s3:PutBucketVersioning",
    "s3:PutLifecycleConfiguration",
    "s3:PutBucketPolicy",
    "s3:*",
    "*",
}


def policy(name: str) -> dict[str, Any]:
    found = re.search(rf"<!-- policy {name} -->\n```json\n(.*?)```", DOCUMENT, re.DOTALL)
    assert found, f"the document has the policy {name}"
    return json.loads(found[1])


def for_moto(rights: dict[str, Any]) -> str:
    """Return a policy as moto wants it: to ask about a bucket is a right of its own there."""
    return json.dumps(rights).replace('"s3:ListBucket"', '["s3:ListBucket", "s3:HeadBucket"]')


def actions(name: str) -> set[str]:
    listed: set[str] = set()
    for statement in policy(name)["Statement"]:
        told = statement["Action"]
        listed |= {told} if isinstance(told, str) else set(told)
    return listed


def aws_commands(section: str) -> Iterator[list[str]]:
    """Yield the commands of a part of the document, which may go over several lines, as words."""
    command = ""
    for line in re.findall(r"^    (.*)$", section, re.MULTILINE):
        command += f"{line}\n"
        if line.endswith(("\\", "|")):
            continue
        try:
            words = shlex.split(command.replace("\\\n", " "))
        except ValueError:  # a quotation that goes on
            continue
        if words[:2] == ["aws", "s3api"]:
            yield words[2 : words.index("|") if "|" in words else None]
        command = ""


def commands() -> list[tuple[str, dict[str, Any]]]:
    """Read the commands that make the bucket, as boto3 takes them."""
    found = []
    for name, *words in aws_commands(DOCUMENT.partition("## Three keys")[0]):
        arguments: dict[str, Any] = {}
        while words:
            key = "".join(part.title() for part in words.pop(0).removeprefix("--").split("-"))
            value: Any = True
            if words and not words[0].startswith("--"):
                text = words.pop(0)
                value = json.loads(text) if text.startswith("{") else text
            arguments[key] = value
        found.append((name.replace("-", "_"), arguments))
    return found


@dataclass
class Account:
    """An account with the bucket of the document, and who may do what in it.

    Attributes:
        host: backs up into the bucket.
        keys: the access keys of the users.
    """

    host: Host
    keys: dict[str, dict[str, str]] = field(default_factory=dict)

    def make_users(self) -> None:
        iam = boto3.client("iam", region_name=REGION)
        for name in ("administrator", "backup", "restore", "prune"):
            iam.create_user(UserName=name)
            rights = EVERYTHING if name == "administrator" else policy(name)
            iam.put_user_policy(UserName=name, PolicyName=name, PolicyDocument=for_moto(rights))
            self.keys[name] = iam.create_access_key(UserName=name)["AccessKey"]

    def give(self, name: str, rights: dict[str, Any]) -> None:
        """Give a user another policy."""
        iam = self.client("administrator", "iam")
        iam.put_user_policy(UserName=name, PolicyName=name, PolicyDocument=for_moto(rights))

    def use(self, name: str) -> None:
        """Let the host have a user's key."""
        secret = self.host.folder / "secret"
        secret.touch(mode=0o600)
        secret.write_text(self.keys[name]["SecretAccessKey"])
        self.host.set(
            "repository",
            access_key_id=self.keys[name]["AccessKeyId"],
            secret_access_key_file=str(secret),
        )

    def client(self, name: str, service: str = "s3") -> Any:  # noqa: ANN401 - boto3's are untyped
        return boto3.client(
            service,
            region_name=REGION,
            aws_access_key_id=self.keys[name]["AccessKeyId"],
            aws_secret_access_key=self.keys[name]["SecretAccessKey"],
        )

    def versions(self) -> list[dict[str, Any]]:
        listed = self.client("administrator").list_object_versions(Bucket=BUCKET)
        return list(listed.get("Versions", []))


EVERYTHING = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}],
}


@pytest.fixture
def account(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Account]:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    with mock_aws():
        s3 = boto3.client("s3", region_name=REGION)
        for name, arguments in commands():
            getattr(s3, name)(**arguments)
        host = make_host(tmp_path, files_per_user=3, large_bytes=64 * KIB)
        host.settings["maintenance"] = {"settle_seconds": 0}
        host.settings["repository"] = {
            "url": f"s3://{BUCKET}/cloud",
            "region": "eu-central-1",
            "object_lock_mode": "governance",
            "object_lock_days": LOCK_DAYS,
        }
        made = Account(host)
        made.make_users()
        with enable_iam_authentication():
            yield made


def test_the_server_backs_up_with_its_key_and_can_remove_nothing(account: Account):
    account.use("backup")
    account.host.backup()
    second = account.host.backup()
    assert second.parent is not None
    assert second.notes == ()
    assert account.host.verify().sound
    client = account.client("backup")
    for version in account.versions():
        for request in ({}, {"VersionId": version["VersionId"]}):
            with pytest.raises(ClientError, match="AccessDenied"):
                client.delete_object(Bucket=BUCKET, Key=version["Key"], **request)
    for call, arguments in (
        (client.put_bucket_versioning, {"VersioningConfiguration": {"Status": "Suspended"}}),
        (client.delete_bucket_lifecycle, {}),
        (client.delete_bucket, {}),
    ):
        with pytest.raises(ClientError, match="AccessDenied"):
            call(Bucket=BUCKET, **arguments)


def test_what_a_restore_needs_is_locked_and_nothing_else(account: Account):
    account.use("backup")
    account.host.backup()
    administrator = account.client("administrator")
    least = datetime.now(UTC) + timedelta(days=LOCK_DAYS, minutes=-5)
    kinds = set()
    for version in account.versions():
        name = version["Key"].removeprefix(PREFIX)
        kinds.add(name.partition("/")[0])
        told = administrator.head_object(Bucket=BUCKET, Key=version["Key"])
        if name.startswith("locks/"):
            assert "ObjectLockMode" not in told
            continue
        assert told["ObjectLockMode"] == "GOVERNANCE", name
        assert told["ObjectLockRetainUntilDate"] > least
        with pytest.raises(ClientError, match="AccessDenied"):
            administrator.delete_object(
                Bucket=BUCKET, Key=version["Key"], VersionId=version["VersionId"]
            )
    assert {"ocsnap.json", "packs", "meta", "index", "snapshots", "rescue"} <= kinds


def test_what_is_still_needed_is_locked_anew_when_half_of_the_time_is_over(account: Account):
    account.use("backup")
    account.host.backup()
    administrator = account.client("administrator")

    def ends() -> dict[str, datetime]:
        listed = [version["Key"] for version in account.versions()]
        kept = [key for key in listed if not key.startswith(f"{PREFIX}locks/")]
        heads = {key: administrator.head_object(Bucket=BUCKET, Key=key) for key in kept}
        return {key: head["ObjectLockRetainUntilDate"] for key, head in heads.items()}

    first = ends()
    account.host.clock.sleep(86_400 * (LOCK_DAYS / 2 - 1))
    account.host.backup()
    assert {key: end for key, end in ends().items() if key in first} == first
    account.host.clock.sleep(86_400 * 2)
    report = account.host.backup()
    assert report.notes == ()
    later = ends()
    for key, end in first.items():
        assert later[key] - end > timedelta(days=LOCK_DAYS / 2), key


def test_locks_that_cannot_be_renewed_are_told_and_the_backup_is_good(
    account: Account, monkeypatch: pytest.MonkeyPatch
):
    """moto asks for no right of its own to lock, so it is refused here."""

    def refuse(storage: S3Storage, name: str) -> None:
        del storage
        raise AccessDeniedError(f"{name}: this key may not lock.")

    account.use("backup")
    account.host.backup()
    account.host.clock.sleep(86_400 * LOCK_DAYS)
    with monkeypatch.context() as patched:
        patched.setattr(S3Storage, "protect", refuse)
        (note,) = account.host.backup().notes
    assert note.startswith("The object locks could not be renewed")
    assert account.host.backup().notes == (), "it is tried again the next time"


def test_a_machine_that_restores_only_reads(account: Account, tmp_path: Path):
    account.use("backup")
    account.host.backup()
    account.use("restore")
    account.host.set("backup", state_dir=str(tmp_path / "elsewhere"))
    wanted = RestoreOptions(target=tmp_path / "target")
    assert not restore(account.host.context(), wanted, lambda _: True).failed
    assert any("No lock could be put" in note for note in account.host.monitor.notes)
    assert account.host.verify().sound
    with pytest.raises(AccessDeniedError):
        account.host.backup()
    with pytest.raises(ClientError, match="AccessDenied"):
        account.client("restore").put_object(Bucket=BUCKET, Key="cloud/packs/x", Body=b"")


def test_pruning_lays_markers_and_what_is_below_comes_back(account: Account):
    account.use("backup")
    for _ in range(3):
        account.host.backup()
    account.use("prune")
    account.host.set("prune", keep_last=1)
    report = prune(account.host.context())
    assert sum(not each.stays for each in report.snapshots) == 2
    assert account.host.verify().sound
    kept = {version["Key"] for version in account.versions() if "/snapshots/" in version["Key"]}
    assert len(kept) == 3, "the versions below the markers"
    client = account.client("prune")
    for version in account.versions():
        with pytest.raises(ClientError, match="AccessDenied"):
            client.delete_object(Bucket=BUCKET, Key=version["Key"], VersionId=version["VersionId"])


def test_pruning_with_the_server_s_key_removes_nothing_and_says_so(
    account: Account, monkeypatch: pytest.MonkeyPatch
):
    # moto does not ask for the right when many objects go in one request, as Amazon does.
    monkeypatch.setattr(S3Storage, "_delete_batch", S3Storage._delete_each)
    account.use("backup")
    for _ in range(2):
        account.host.backup()
    account.host.set("prune", keep_last=1)
    with contextlib.suppress(AccessDeniedError):
        assert prune(account.host.context()).denied
    listed = account.client("administrator").list_object_versions(Bucket=BUCKET)
    assert "DeleteMarkers" not in listed


def rescue_command(name: str) -> dict[str, str]:
    """Return the options of a command that the document gives for after an attack."""
    section = DOCUMENT.partition("## After an attack")[2]
    words = next(words for found, *words in aws_commands(section) if found == name)
    return dict(zip(words[::2], words[1::2], strict=True))


def test_what_the_key_that_prunes_has_deleted_comes_back(account: Account):
    """By the document's own query for the markers."""
    account.use("backup")
    account.host.backup()
    thief = account.client("prune")
    for version in account.versions():
        thief.delete_object(Bucket=BUCKET, Key=version["Key"])
    account.use("backup")
    with pytest.raises(NoRepositoryError, match="no new one is made"):
        account.host.backup()
    account.use("restore")
    administrator = account.client("administrator")
    options = rescue_command("list-object-versions")
    listed = administrator.list_object_versions(
        Bucket=options["--bucket"], Prefix=options["--prefix"]
    )
    for key, version in jmespath.search(options["--query"], listed):
        administrator.delete_object(Bucket=BUCKET, Key=key, VersionId=version)
    assert account.host.verify().sound
    assert account.host.differences() == []


def test_what_the_server_s_key_has_overwritten_comes_back(account: Account):
    account.use("backup")
    account.host.backup()
    right = {version["Key"]: version["VersionId"] for version in account.versions()}
    names = [key.removeprefix(PREFIX) for key in right if not key.startswith(f"{PREFIX}locks/")]
    thief = account.client("backup")
    for name in names:
        thief.put_object(Bucket=BUCKET, Key=PREFIX + name, Body=b"Pay, or else.")
    damaged = {damage.name for damage in account.host.verify().damages}
    assert damaged == set(names)
    administrator = account.client("administrator")
    options = rescue_command("copy-object")
    for name in names:
        for text, value in (("$name", name), ("$version", right[PREFIX + name])):
            options = {key: given.replace(text, value) for key, given in options.items()}
        administrator.copy_object(
            Bucket=options["--bucket"], Key=options["--key"], CopySource=options["--copy-source"]
        )
        options = rescue_command("copy-object")
    assert account.host.verify().sound
    assert account.host.differences() == []


@pytest.mark.parametrize("name", ["backup", "restore", "prune"])
def test_no_policy_allows_what_would_undo_the_rest(name: str):
    assert not actions(name) & FORBIDDEN
    for statement in policy(name)["Statement"]:
        told = statement["Resource"]
        assert told == f"arn:aws:s3:::{BUCKET}" + (
            "" if statement["Action"] == "s3:ListBucket" else f"/{PREFIX}*"
        )


def test_only_pruning_may_delete():
    assert [
        name for name in ("backup", "restore", "prune") if "s3:DeleteObject" in actions(name)
    ] == ["prune"]
    assert actions("restore") == {"s3:ListBucket", "s3:GetObject"}


def test_the_policy_of_the_bucket_is_one():
    """Only its form: moto knows no such conditions."""
    for statement in policy("of the bucket")["Statement"]:
        assert statement.keys() == {"Effect", "Principal", "Action", "Resource", "Condition"}
        assert statement["Effect"] == "Deny"


def test_a_bucket_without_object_lock_is_named(account: Account):
    administrator = account.client("administrator")
    administrator.create_bucket(
        Bucket="plain", CreateBucketConfiguration={"LocationConstraint": "eu-central-1"}
    )
    account.use("administrator")
    account.host.set("repository", url="s3://plain/cloud")
    with pytest.raises(StorageError, match="locks no objects") as caught:
        account.host.backup()
    assert "docs/bucket.md" in caught.value.hint
