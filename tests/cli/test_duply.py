"""A duply profile in ocsnap's words: every key is carried over, or told why not."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ocsnap.commands.duply.file_list import read_file_list
from ocsnap.commands.duply.profile import find_profile, read_profile
from ocsnap.commands.duply.target import read_target
from ocsnap.commands.duply.translation import keep_within, translate
from ocsnap.config import load
from ocsnap.errors import ConfigError, RefusedError
from tests.cli.installation import install
from tests.cli.keys import new_key
from tests.cli.terminal import talk

if TYPE_CHECKING:
    from tests.cli.installation import Installation, Result
    from tests.servers.s3 import S3Server

DATA = Path("/var/www/owncloud/data")
EVERY_KEY = re.compile(r"^#?(?:export )?([A-Z][A-Z_]+)=", re.MULTILINE)
ALL = {
    "GPG_KEY": "disabled",
    "GPG_PW": "a secret that was duply's",
    "GPG_KEYS_ENC": "",
    "GPG_KEY_SIGN": "disabled",
    "GPG_PW_SIGN": "another secret",
    "GPG": "/usr/bin/gpg2",
    "GPG_OPTS": "--compress-algo=bzip2",
    "GPG_TEST": "disabled",
    "GPG_IMPORT": "disabled",
    "GPG_EXPORT": "disabled",
    "DUPL_PRECMD": "trickle -s -u 640",
    "PYTHON": "python3",
    "FILENAME": ".duplicity-ignore",
    "MAX_AGE": "6M",
    "MAX_FULL_BACKUPS": "2",
    "MAX_FULLS_WITH_INCRS": "1",
    "MAX_FULLBKP_AGE": "1M",
    "VOLSIZE": "50",
    "VERBOSITY": "5",
    "TEMP_DIR": "/srv/scratch",
    "ARCH_DIR": "/var/cache/duply",
    "DUPL_PARAMS": "$DUPL_PARAMS --full-if-older-than $MAX_FULLBKP_AGE --volsize $VOLSIZE ",
}


def profile(folder: Path, settings: dict[str, str], exclude: str | None = None) -> Path:
    folder.mkdir(mode=0o700)
    lines = [f'{key}="{value}"' for key, value in settings.items()]
    (folder / "conf").write_text("\n".join(lines) + "\n")
    (folder / "conf").chmod(0o600)
    if exclude is not None:
        (folder / "exclude").write_text(exclude)
    return folder


def told(result: Result) -> Any:  # noqa: ANN401 # whatever the document holds
    assert result.status == 0, result
    return result.json()


def by_key(document: dict[str, Any]) -> dict[str, str]:
    return {item["key"]: item["verdict"] for item in document["duply"]}


def from_duply(installation: Installation, folder: Path, *arguments: str | Path) -> Result:
    config = installation.folder / "etc" / "ocsnap.toml"
    return installation.run(
        *("-c", config, "--json", "init", "--yes", "--from-duply", folder),
        *("--owncloud", installation.site.root, "--state-dir", installation.folder / "n"),
        *arguments,
    )


@pytest.mark.parametrize("above", [0, 1])
def test_the_owncloud_that_source_names_is_found(tmp_path: Path, above: int):
    installation = install(tmp_path)
    root = installation.site.root
    source = (root, *root.parents)[above]
    (tmp_path / "kept").mkdir()
    target = f"file://{tmp_path}/kept"
    conf = {"SOURCE": str(source), "TARGET": target, "GPG_KEY": "disabled", "GPG_PW": "secret"}
    document = told(
        installation.run(
            *("-c", tmp_path / "etc" / "c.toml", "--json", "init", "--yes"),
            *("--from-duply", profile(tmp_path / "profile", conf)),
            *("--state-dir", tmp_path / "n"),
        )
    )
    assert by_key(document)["SOURCE"] == "carried over"
    assert load(tmp_path / "etc" / "c.toml").owncloud.root == root
    (key,) = [item for item in document["duply"] if item["key"] == "GPG_KEY"]
    assert key["text"] == "ocsnap always encrypts: with the one of GPG_PW"
    assert any("weak (6 characters, 5 different" in note for note in document["notes"])


@pytest.mark.parametrize("said", ["y", "n"])
def test_a_strong_passphrase_is_offered_for_a_weak_one(tmp_path: Path, said: str):
    installation = install(tmp_path)
    (tmp_path / "kept").mkdir()
    conf = {"TARGET": f"file://{tmp_path}/kept", "GPG_KEY": "disabled", "GPG_PW": "hunter22"}
    conf["SOURCE"] = str(installation.site.root)
    config = tmp_path / "etc" / "c.toml"
    passphrase = config.with_name("passphrase")
    dialogue = talk(
        installation,
        *("init", "--from-duply", profile(tmp_path / "profile", conf), "--state-dir"),
        tmp_path / "n",
        config=config,
    )
    dialogue.answers("The address that users type", "-")
    dialogue.answers("Make a strong one instead?", said)
    dialogue.answers("of the passphrase", lambda: passphrase.read_text().strip()[-9:])
    assert dialogue.ends() == 0, dialogue.shown
    kept = passphrase.read_text().strip() == "hunter22"
    assert kept is (said == "n")
    assert ("Note: The passphrase is weak" in dialogue.shown) is kept


def test_a_whole_profile_with_every_key(tmp_path: Path, s3: S3Server):
    installation = install(tmp_path)
    bucket = s3.new_bucket()
    data = installation.site.data_dir
    host = s3.endpoint.removeprefix("http://")
    folder = profile(
        tmp_path / "profile",
        {
            **ALL,
            "TARGET": f"s3://{host}/{bucket}/old/cloud",
            "TARGET_USER": s3.access_key_id,
            "TARGET_PASS": s3.secret,
            "SOURCE": str(data.parent),
            "DUPL_PARAMS": ALL["DUPL_PARAMS"] + "--s3-unencrypted-connection ",
        },
        f"- **/thumbnails\n- {data}/bob/files/*.iso\n+ {data.parent}\n- **\n",
    )
    (folder / "pre").write_text("#!/bin/sh\noccc maintenance:mode --on\n")
    document = told(from_duply(installation, folder))
    verdicts = by_key(document)
    keys = {key for key in ALL if ALL[key]} | {"TARGET", "TARGET_USER", "TARGET_PASS", "SOURCE"}
    assert set(verdicts) == keys | {"exclude", "pre"}
    carried = {key for key, verdict in verdicts.items() if verdict == "carried over"}
    assert {"TARGET", "TARGET_USER", "TARGET_PASS", "SOURCE", "GPG_PW", "MAX_AGE"} <= carried
    for secret in (ALL["GPG_PW"], ALL["GPG_PW_SIGN"], s3.secret):
        assert secret not in str(document)
    config = installation.folder / "etc" / "ocsnap.toml"
    loaded = load(config)
    assert loaded.repository.url == f"s3://{bucket}/old/cloud/ocsnap"
    assert loaded.repository.endpoint == s3.endpoint
    assert loaded.prune.keep_within == "180d"
    assert loaded.backup.exclude == ("thumbnails", "/bob/files/*.iso")
    assert (config.parent / "passphrase").read_text().strip() == ALL["GPG_PW"]
    assert (config.parent / "s3-secret").stat().st_mode & 0o777 == 0o600
    done = told(installation.run("-c", config, "--json", "backup"))
    assert done["statistics"]["errors"] == 0
    listed = installation.run("-c", config, "--json", "ls", "--help")
    assert listed.status == 0


def test_every_key_that_duply_knows_is_known(tmp_path: Path):
    if shutil.which("duply") is None:
        pytest.skip("duply is not installed")
    subprocess.run(
        ["duply", "p", "create"],
        env={**os.environ, "HOME": str(tmp_path)},
        check=True,
        capture_output=True,
    )
    conf = (tmp_path / ".duply" / "p" / "conf").read_text()
    known = {*ALL, "TARGET", "TARGET_USER", "TARGET_PASS", "SOURCE"}
    clouds = {key for key in EVERY_KEY.findall(conf) if key.startswith("CLOUDFILES")}
    assert set(EVERY_KEY.findall(conf)) - clouds == known
    # As it comes, it says nothing.
    made = translate(read_profile(tmp_path / ".duply" / "p"), None, None, lambda _: None)
    assert [item.key for item in made.carried if item.key != "exclude"] == []


def test_a_profile_with_keys(installation: Installation, tmp_path: Path):
    admin = new_key(tmp_path / "admin", "Admin <admin@example.org>")
    settings = {
        "GPG_KEY": admin.fingerprint[-8:],
        "GPG_PW": "of the secret key",
        "TARGET": f"file://{tmp_path}/old",
        "SOURCE": str(installation.site.root),
    }
    folder = profile(tmp_path / "profile", settings)
    (tmp_path / "old").mkdir()
    refused = from_duply(installation, folder)
    assert refused.status == 14
    assert "--recipient" in refused.out
    shutil.copy(admin.public_file, folder / f"gpgkey.{admin.fingerprint[-8:]}.pub.asc")
    document = told(from_duply(installation, folder))
    assert by_key(document)["GPG_KEY"] == "carried over"
    loaded = load(installation.folder / "etc" / "ocsnap.toml")
    assert loaded.encryption.recipients == (admin.fingerprint,)
    assert not (installation.folder / "etc" / "passphrase").exists()


def test_it_is_told_as_text_too(installation: Installation, tmp_path: Path):
    (tmp_path / "old").mkdir()
    settings = {"TARGET": f"file://{tmp_path}/old", "SOURCE": "/", "GPG_PW": "hush hush"}
    folder = profile(tmp_path / "profile", settings)
    config = installation.folder / "etc" / "ocsnap.toml"
    done = installation.run(
        *("-c", config, "init", "--yes", "--from-duply", folder),
        *("--owncloud", installation.site.root, "--state-dir", tmp_path / "n"),
    )
    assert done.status == 0
    assert "carried over     GPG_PW = (secret)" in done.out
    assert "hush" not in done.out + done.err
    assert "whatever else lies in SOURCE is not backed up" in done.out


def test_where_ocsnap_cannot_store(installation: Installation, tmp_path: Path):
    settings = {"TARGET": "sftp://bob:secret@host//backups", "SOURCE": "/"}
    folder = profile(tmp_path / "profile", settings)
    refused = from_duply(installation, folder)
    assert refused.status == 14
    assert "--repository" in refused.out
    document = told(from_duply(installation, folder, "--repository", f"file://{tmp_path}/new"))
    assert by_key(document)["TARGET"] == "NOT CARRIED OVER"
    assert "secret@" not in str(document)


def test_a_script_that_others_can_write_is_not_run(tmp_path: Path):
    folder = profile(tmp_path / "profile", {"SOURCE": f"$(touch {tmp_path}/ran)"})
    (folder / "conf").chmod(0o666)
    with pytest.raises(RefusedError, match="other users can write"):
        read_profile(folder)
    assert not (tmp_path / "ran").exists()


def test_bash_runs_it_as_duply_does(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("SECRET_OF_OURS", "1")
    folder = profile(tmp_path / "profile", {})
    (folder / "pw").write_text("from a file")
    (folder / "conf").write_text(
        "GPG_PW=$(cat pw)\necho noise\nexport AWS_ACCESS_KEY_ID='a b'\n"
        "TARGET=\"x'y$(printf '\\n')z\"\nSEEN=${SECRET_OF_OURS:-nothing}\n"
    )
    (folder / "post").write_text("#!/bin/sh\n")
    read = read_profile(folder)
    assert read.settings["GPG_PW"] == "from a file"
    assert read.settings["AWS_ACCESS_KEY_ID"] == "a b"
    assert read.settings["TARGET"] == "x'yz"
    assert read.settings["SEEN"] == "nothing"
    assert read.scripts == ("post",)
    assert not {"PATH", "HOME", "known", "name", "CONFDIR"} & read.settings.keys()


@pytest.mark.parametrize("conf", ["GPG_PW='open\n", "if then\n", "exit 7\n"])
def test_a_script_that_bash_cannot_run(tmp_path: Path, conf: str):
    folder = profile(tmp_path / "profile", {})
    (folder / "conf").write_text(conf)
    with pytest.raises(ConfigError, match="bash cannot run it"):
        read_profile(folder)


def test_a_profile_that_is_none(tmp_path: Path):
    with pytest.raises(ConfigError, match="no duply profile"):
        find_profile(str(tmp_path / "none"))
    with pytest.raises(ConfigError, match=r"\.duply"):
        find_profile("there-is-none-of-this-name")


AMAZON = "s3.eu-central-1.amazonaws.com"


@pytest.mark.parametrize(
    ("target", "parameters", "url", "region", "endpoint"),
    [
        (f"s3://{AMAZON}/oc/a", "", "s3://oc/a/ocsnap", "eu-central-1", None),
        ("s3://s3-eu-west-1.amazonaws.com/oc", "", "s3://oc/ocsnap", "eu-west-1", None),
        ("s3://s3.amazonaws.com/oc", "", "s3://oc/ocsnap", None, None),
        (
            "s3://s3.amazonaws.com/oc",
            "--s3-use-new-style --s3-european-buckets",
            "s3://oc/ocsnap",
            "eu-west-1",
            None,
        ),
        ("s3+http://oc/a/b", "", "s3://oc/a/b/ocsnap", None, None),
        ("s3+http://oc", "", "s3://oc/ocsnap", None, None),
        ("boto3+s3://oc/a", "--s3-region-name eu-north-1", "s3://oc/a/ocsnap", "eu-north-1", None),
        (
            "boto3+s3://oc/a/",
            "--s3-endpoint-url=https://s3.example.org",
            "s3://oc/a/ocsnap",
            None,
            "https://s3.example.org",
        ),
        ("s3:///oc/a", "--s3-region-name=eu-central-1", "s3://oc/a/ocsnap", "eu-central-1", None),
        ("s3://oc", "", "s3://oc/ocsnap", None, None),
        ("s3://my.bucket", "", "s3://my.bucket/ocsnap", None, None),
        ("s3://k%2F1:s@s3.example.org/oc", "", "s3://oc/ocsnap", None, "https://s3.example.org"),
        (
            "s3://127.0.0.1:9000/oc",
            "--s3-unencrypted-connection",
            "s3://oc/ocsnap",
            None,
            "http://127.0.0.1:9000",
        ),
        ("file:///srv/old", "", "file:///srv/old/ocsnap", None, None),
        ("file://srv/old/", "", "file:///srv/old/ocsnap", None, None),
        ("s3://", "", None, None, None),
        ("sftp://host/x", "", None, None, None),
        ("nonsense", "", None, None, None),
    ],
)
def test_addresses(
    target: str, parameters: str, url: str | None, region: str | None, endpoint: str | None
):
    place = read_target(target, parameters)
    assert (place.url, place.region, place.endpoint) == (url, region, endpoint)


def test_a_key_in_the_address():
    place = read_target("s3://k%2F1:s%3As@s3.example.org/oc", "")
    assert (place.user, place.password) == ("k/1", "s:s")


@pytest.mark.parametrize(
    ("lines", "patterns"),
    [
        (["- **/cache"], ["cache"]),
        (["- **/files_trashbin/files"], ["**/files_trashbin/files"]),
        ([f"- {DATA}/alice/files/Videos/"], ["/alice/files/Videos"]),
        ([f"- {DATA}/*/thumbnails/**"], ["/*/thumbnails"]),
        ([f"{DATA}/bob"], ["/bob"]),
        (["# a word", "", "- /etc", "- **"], [None, None]),
        ([f"- {DATA}"], [None]),
        (["- ignorecase:**.ISO"], [None]),
        # What a + takes in stays in, and so does all that may have it below.
        ([f"+ {DATA}/bob/files/keep", f"- {DATA}/bob/files"], [None, None]),
        ([f"+ {DATA}/bob/files/keep", f"- {DATA}/eve/files"], [None, "/eve/files"]),
        ([f"- {DATA}/bob/files", f"+ {DATA}/bob"], ["/bob/files", None]),
        (["+ **/keep", f"- {DATA}/bob"], [None, None]),
    ],
)
def test_file_lists(lines: list[str], patterns: list[str | None]):
    assert [line.pattern for line in read_file_list(lines, DATA)] == patterns


@pytest.mark.parametrize(
    ("age", "times", "within"),
    [
        ("1M", 1, "30d"),
        ("1M", 3, "90d"),
        ("1Y6M", 1, "545d"),
        ("2W", 1, "14d"),
        ("1D12h", 2, "2d24h"),
        ("86400s", 1, "24h"),
        ("90m", 1, "2h"),
        ("now", 1, None),
        ("2026-01-01", 1, None),
        ("", 1, None),
        ("0D", 1, None),
    ],
)
def test_ages(age: str, times: int, within: str | None):
    assert keep_within(age, times=times) == within


@settings(max_examples=50, deadline=None)
@given(st.text(max_size=30), st.text(max_size=30))
def test_any_line_and_any_address_is_read(target: str, line: str):
    read_target(target, "")
    read_file_list([line, "+ " + line, "- " + line], DATA)
