"""Hooks, pings, notifications, metrics and logs: each alarm path with a real receiver."""

from __future__ import annotations

import email
import json
import os
import shutil
import signal
import stat
import subprocess
import time
from typing import TYPE_CHECKING

import pytest

from ocsnap.commands.run_lock import run_lock
from tests.cli.installation import REPOSITORY, Installation, install
from tests.servers.ocsnap_settings import PASSPHRASE
from tests.servers.receivers import free_port, http_receiver, mailbox

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.servers.receivers import HttpReceiver


@pytest.fixture
def cloud(tmp_path: Path) -> Installation:
    return install(tmp_path, files_per_user=2, large_bytes=0)


@pytest.fixture
def receiver() -> Iterator[HttpReceiver]:
    with http_receiver() as made:
        yield made


def writing(path: Path, *, status: int = 0) -> list[str]:
    """Return a hook that appends what it reads, a line each time, and ends with a status."""
    return ["sh", "-c", f'cat >> "{path}"; echo >> "{path}"; exit {status}']


def documents(path: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def is_in_maintenance(cloud: Installation) -> bool:
    return "'maintenance' => true" in cloud.site.config_path.read_text()


# -- pings -----------------------------------------------------------------------------------


def test_a_watcher_is_told_of_begin_and_end(cloud: Installation, receiver: HttpReceiver):
    address = cloud.folder / "ping-url"
    address.write_text(receiver.url("/ping/uuid?create=1") + "\n")
    cloud.set("ping", backup=str(address), verify=receiver.url("/verify"))
    assert cloud.run("-q", "backup").status == 0
    assert cloud.run("-q", "verify").status == 0
    assert receiver.paths == ["/ping/uuid/start", "/ping/uuid/0", "/verify/start", "/verify/0"]
    start, end = receiver.requests[:2]
    assert start.query == end.query
    assert start.query.startswith("create=1&rid=")
    assert "Backup Statistics" in end.body


def test_a_drill_is_told_like_a_backup(cloud: Installation, receiver: HttpReceiver):
    hooks = cloud.folder / "hooks"
    cloud.set("ping", drill=receiver.url("/drill"))
    cloud.set("hooks", before_drill=[writing(hooks)], after_drill=[writing(hooks)])
    assert cloud.run("-q", "backup").status == 0
    assert cloud.run("-q", "drill").status == 0
    assert receiver.paths == ["/drill/start", "/drill/0"]
    assert "Recovery time" in receiver.requests[-1].body
    assert [each["hook"] for each in documents(hooks)] == ["before_drill", "after_drill"]


def test_names_that_are_no_text_are_told_as_escapes(cloud: Installation, receiver: HttpReceiver):
    log = cloud.folder / "log.jsonl"
    cloud.set("notify", on="always", urls=[f"json://127.0.0.1:{receiver.port}/"])
    cloud.set("log", json_file=str(log))
    odd = os.fsdecode(b"odd \xff name")
    (cloud.site.homes["alice"] / "files" / odd).write_bytes(b"x" * 5000)
    assert cloud.run("-q", "backup").status == 0
    for pack in (cloud.repository / "packs").rglob("*.gpg"):
        pack.write_bytes(b"broken")
    result = cloud.run("-q", "verify", "--read-data")
    assert result.status == 10
    assert "odd \\udcff name" in receiver.requests[-1].json()["message"]
    assert "odd \\udcff name" in str(documents(log)[-1]["text"])


def test_a_watcher_is_told_of_a_failure_with_its_status(
    cloud: Installation, receiver: HttpReceiver
):
    cloud.set("ping", backup=receiver.url("/ping"))
    cloud.site.config_path.write_text("<?php $CONFIG = [")
    assert cloud.run("-q", "backup").status == 5
    assert receiver.paths == ["/ping/start", "/ping/5"]
    assert "config.php" in receiver.requests[-1].body


def test_a_watcher_that_is_busy_is_asked_again(cloud: Installation, receiver: HttpReceiver):
    cloud.set("ping", verify=receiver.url("/ping"))
    receiver.statuses = [200, 503, 429, 200]
    result = cloud.run("-q", "verify")
    assert (result.status, "PROBLEM" in result.err) == (11, False)
    assert receiver.paths == ["/ping/start", "/ping/11", "/ping/11", "/ping/11"]


def test_a_run_that_gives_way_to_another_is_no_news(cloud: Installation, receiver: HttpReceiver):
    failed = cloud.folder / "failed"
    prom = cloud.folder / "ocsnap.prom"
    cloud.set("ping", backup=receiver.url("/ping"))
    cloud.set("notify", on="always", urls=[f"json://127.0.0.1:{receiver.port}/chat"])
    cloud.set("hooks", before_backup=[writing(failed)], on_failure=[writing(failed)])
    cloud.set("metrics", textfile=str(prom))
    cloud.state_dir.mkdir(mode=0o700)
    with run_lock(cloud.state_dir, "a restore"):
        assert cloud.run("-q", "backup").status == 12
    assert receiver.paths == ["/ping/start", "/ping/log"]
    assert not failed.exists()
    assert not prom.exists()


def test_what_cannot_be_told_is_said_and_fails_nothing(cloud: Installation):
    closed = free_port()
    cloud.set("ping", backup=f"http://127.0.0.1:{closed}/secret-uuid")
    cloud.set("notify", on="always", urls=[f"mailto://me:pass-word@127.0.0.1:{closed}?to=a@b.org"])
    cloud.set("metrics", textfile=str(cloud.folder / "no" / "such.prom"))
    cloud.set("log", json_file=str(cloud.folder / "no" / "such.jsonl"))
    result = cloud.run("-q", "backup")
    assert result.status == 0
    for said in ("PROBLEM ping.backup", "PROBLEM notify", "PROBLEM metrics", "log.json_file"):
        assert said in result.err
    assert result.err.count("log.json_file") == 1
    assert "secret-uuid" not in result.err
    assert "pass-word" not in result.err


# -- notifications ---------------------------------------------------------------------------


def test_people_get_mail_and_messages(cloud: Installation, receiver: HttpReceiver):
    with mailbox() as box:
        urls = cloud.folder / "urls"
        urls.write_text(f"# the admin\nmailto://127.0.0.1:{box.port}?from=oc@b.org&to=me@b.org\n")
        chat = [f"json://127.0.0.1:{receiver.port}/chat", f"ntfy://127.0.0.1:{receiver.port}/oc"]
        cloud.set("notify", on="always", urls=chat, urls_file=str(urls))
        cloud.set("guard", least_files=3, least_bytes=10_000)
        assert cloud.run("-q", "backup").status == 0
        shutil.rmtree(cloud.site.homes["alice"] / "files")
        assert cloud.run("-q", "backup").status == 17
        assert cloud.run("-q", "prune", "--keep-last", "1").status == 17
        subjects, bodies = zip(*(_mail(mail) for mail in box.mails), strict=True)
    assert ("backup is done" in subjects[0], "backup raised an ALARM" in subjects[1]) == (
        True,
        True,
    )
    assert "prune was stopped by an open ALARM" in subjects[2]
    assert "MaintenanceSeconds" in bodies[0]
    assert "ALARM" in bodies[1]
    assert "files of alice are gone" in bodies[1]
    chats = [request.json() for request in receiver.requests if request.path == "/chat"]
    assert [chat["type"] for chat in chats] == ["success", "failure", "failure"]
    assert "ALARM" in chats[1]["title"]
    assert any("ALARM" in request.body for request in receiver.requests if request.path == "/")


def _mail(text: str) -> tuple[str, str]:
    mail = email.message_from_string(text)
    subject = str(email.header.make_header(email.header.decode_header(mail["Subject"])))
    part = next(each for each in mail.walk() if each.get_content_type() == "text/plain")
    body = part.get_payload(decode=True)
    assert isinstance(body, bytes)
    return subject, body.decode()


@pytest.mark.parametrize(("wanted", "count"), [("failure", 1), ("alarm", 0), ("always", 1)])
def test_who_wants_only_alarms_gets_only_those(
    cloud: Installation, receiver: HttpReceiver, wanted: str, count: int
):
    cloud.set("notify", on=wanted, urls=[f"json://127.0.0.1:{receiver.port}/"])
    assert cloud.run("-q", "verify").status == 11
    assert len(receiver.requests) == count


def test_a_test_message_goes_everywhere(cloud: Installation, receiver: HttpReceiver):
    assert cloud.run("notify").status == 4
    cloud.set("notify", urls=[f"json://127.0.0.1:{receiver.port}/chat", "nonsense://x"])
    cloud.set("ping", backup=receiver.url("/ping"))
    result = cloud.run("--json", "notify")
    assert result.status == 18
    told = result.json()
    assert (told["receivers"], told["watchers"], len(told["failures"])) == (2, ["ping.backup"], 1)
    assert receiver.paths == ["/chat", "/ping/log"]


# -- hooks -----------------------------------------------------------------------------------


def test_hooks_run_in_their_order_and_read_a_document(cloud: Installation):
    order = cloud.folder / "order"
    points = ("before_backup", "before_freeze", "while_frozen", "after_lift", "after_backup")
    cloud.set("hooks", **{point: [writing(order)] for point in points})
    assert cloud.run("-q", "backup").status == 0
    read = documents(order)
    assert [each["hook"] for each in read] == list(points)
    last = read[-1]
    assert (last["status"], last["kind"], last["operation"]) == (0, "ok", "backup")
    assert last["report"]["statistics"]["errors"] == 0  # type: ignore[index] # a JSON object


def test_hooks_see_no_secret(cloud: Installation):
    seen = cloud.folder / "seen"
    dump = ["sh", "-c", f'env > "{seen}"; cat >> "{seen}"']
    cloud.set("hooks", before_backup=[dump], after_backup=[dump], timeout_seconds=20)
    cloud.set("encryption", passphrase_file=None, passphrase_env="MY_PASSPHRASE")
    cloud.environment |= {
        "MY_PASSPHRASE": PASSPHRASE,
        "OC_dbpassword": "hidden-1",
        "AWS_SECRET_ACCESS_KEY": "hidden-2",
    }
    assert cloud.run("-q", "backup").status == 0
    text = seen.read_text()
    assert "OCSNAP_HOOK=after_backup" in text
    for secret in (PASSPHRASE, "hidden-1", "hidden-2", "not so secret"):
        assert secret not in text


@pytest.mark.parametrize("point", ["before_backup", "before_freeze", "while_frozen"])
def test_a_hook_that_fails_before_stops_the_backup(cloud: Installation, point: str):
    failed = cloud.folder / "failed"
    lifted = cloud.folder / "lifted"
    hook = ["sh", "-c", "echo the queue is not empty >&2; exit 7"]
    cloud.set(
        "hooks", **{point: [hook]}, on_failure=[writing(failed)], after_lift=[writing(lifted)]
    )
    result = cloud.run("-q", "backup")
    assert result.status == 20
    assert f"hooks.{point}: sh ended with status 7: the queue is not empty" in result.err
    assert not is_in_maintenance(cloud)
    assert cloud.json("snapshots")["snapshots"] == [] if cloud.repository.exists() else True
    assert [each["kind"] for each in documents(failed)] == ["hook_stopped"]
    assert bool(documents(lifted)) == (point != "before_backup"), "what was stopped is started"


def test_a_hook_that_hangs_in_the_freeze_is_ended_and_the_freeze_lifted(cloud: Installation):
    cloud.set("hooks", while_frozen=[["sh", "-c", "sleep 1000"]], frozen_timeout_seconds=0.5)
    result = cloud.run("-q", "backup")
    assert result.status == 20
    assert "did not end within 0.5 seconds" in result.err
    assert not is_in_maintenance(cloud)


def test_a_hook_that_kills_ocsnap_in_the_freeze_leaves_nobody_locked_out(cloud: Installation):
    cloud.set("hooks", while_frozen=[["sh", "-c", "kill -9 $PPID"]])
    assert cloud.run("-q", "backup").status == -signal.SIGKILL
    end = time.monotonic() + 60
    while is_in_maintenance(cloud):
        assert time.monotonic() < end, "the guardian lifts it"
        time.sleep(0.1)


def test_a_hook_that_lifts_maintenance_itself_leaves_it_lifted(cloud: Installation):
    off = ["php", str(cloud.site.root / "occ"), "maintenance:mode", "--off"]
    cloud.set("hooks", while_frozen=[off])
    cloud.run("-q", "backup")
    assert not is_in_maintenance(cloud)


@pytest.mark.parametrize("point", ["after_lift", "after_backup"])
def test_a_hook_that_fails_afterwards_changes_the_status_alone(cloud: Installation, point: str):
    cloud.set("hooks", **{point: [["false"], writing(cloud.folder / "second")]})
    result = cloud.run("-q", "backup")
    assert result.status == 21
    assert f"PROBLEM hooks.{point}: false ended with status 1" in result.err
    assert documents(cloud.folder / "second"), "the others run all the same"
    assert len(cloud.json("snapshots")["snapshots"]) == 1


def test_a_hook_that_is_not_there_is_named(cloud: Installation):
    cloud.set("hooks", before_verify=[["/no/such/program"]])
    result = cloud.run("-q", "verify")
    assert result.status == 20
    assert "/no/such/program cannot be started" in result.err


# -- metrics and logs ------------------------------------------------------------------------


def test_metrics_are_written_for_each_operation(cloud: Installation):
    file = cloud.folder / "ocsnap.prom"
    cloud.set("metrics", textfile=str(file))
    assert cloud.run("-q", "backup").status == 0
    assert cloud.run("-q", "verify").status == 0
    text = file.read_text()
    assert stat.S_IMODE(file.stat().st_mode) == 0o644
    samples = dict(line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#"))
    assert samples['ocsnap_last_run_exit_status{operation="backup"}'] == "0"
    assert samples['ocsnap_last_run_exit_status{operation="verify"}'] == "0"
    assert float(samples['ocsnap_source_files{operation="backup"}']) > 5
    assert samples['ocsnap_open_alarms{operation="backup"}'] == "0"
    success = 'ocsnap_last_success_timestamp_seconds{operation="backup"}'
    cloud.set("hooks", before_backup=[["false"]])
    assert cloud.run("-q", "backup").status == 20
    later = dict(line.rsplit(" ", 1) for line in file.read_text().splitlines())
    assert later[success] == samples[success], "a failure leaves the last success"
    assert later['ocsnap_last_run_exit_status{operation="backup"}'] == "20"
    assert [path.name for path in cloud.folder.glob("*.prom*")] == ["ocsnap.prom"]


def test_the_prune_after_a_backup_is_told_of_like_any_other(cloud: Installation):
    file, read = cloud.folder / "ocsnap.prom", cloud.folder / "read"
    cloud.set("metrics", textfile=str(file))
    cloud.set("prune", after_backup=True, keep_last=1)
    cloud.set("hooks", before_prune=[writing(read)], after_prune=[writing(read)])
    assert cloud.run("-q", "backup").status == 0
    assert [told["hook"] for told in documents(read)] == ["before_prune", "after_prune"]
    assert 'ocsnap_last_run_exit_status{operation="prune"} 0\n' in file.read_text()
    cloud.set("hooks", before_prune=[["false"]], on_failure=[writing(cloud.folder / "failed")])
    result = cloud.run("-q", "backup")
    assert result.status == 0
    assert "PROBLEM The prune after the backup: hooks.before_prune" in result.err
    (failed,) = documents(cloud.folder / "failed")
    assert (failed["operation"], failed["status"]) == ("prune", 20)
    assert 'ocsnap_last_run_exit_status{operation="prune"} 20\n' in file.read_text()
    assert 'ocsnap_last_run_exit_status{operation="backup"} 0\n' in file.read_text()


def test_a_log_for_programs_has_a_line_for_each_event(cloud: Installation):
    log = cloud.folder / "ocsnap.jsonl"
    cloud.set("log", json_file=str(log))
    assert cloud.run("-q", "backup").status == 0
    assert stat.S_IMODE(log.stat().st_mode) == 0o600
    events = documents(log)
    assert [events[0]["event"], events[-1]["event"]] == ["begin", "end"]
    assert {"step", "begin", "end"} <= {event["event"] for event in events}
    assert len({event["run"] for event in events}) == 1
    assert events[-1]["report"]["snapshot"]  # type: ignore[index] # a JSON object
    log.rename(log.with_suffix(".1"))
    assert cloud.run("-q", "snapshots").status == 0
    assert cloud.run("-q", "verify").status == 0
    assert documents(log)[-1]["operation"] == "verify"


def test_the_journal_gets_priorities_in_place_of_times(cloud: Installation):
    errors = cloud.folder / "journal"
    with errors.open("w") as journal:
        status = os.fstat(journal.fileno())
        cloud.environment["JOURNAL_STREAM"] = f"{status.st_dev}:{status.st_ino}"
        cloud.set("hooks", after_backup=[["false"]])
        command = cloud.command("backup")
        done = subprocess.run(
            command, cwd=REPOSITORY, env=cloud.environment, stderr=journal, check=False
        )
        cloud.set("hooks", after_backup=None, before_backup=[["false"]])
        subprocess.run(
            cloud.command("backup"),
            cwd=REPOSITORY,
            env=cloud.environment,
            stderr=journal,
            check=False,
        )
    assert done.returncode == 21
    lines = errors.read_text().splitlines()
    assert "<6>Freezing ownCloud ..." in lines
    assert any(line.startswith("<3>PROBLEM hooks.after_backup: ") for line in lines)
    assert any(line.startswith("<3>ocsnap: hooks.before_backup: ") for line in lines)
    assert all(line[:3] in {"<3>", "<5>", "<6>"} for line in lines)
