"""From nothing to a verified backup: by questions in a terminal, and by options alone."""

from __future__ import annotations

import re
import shutil
import subprocess
from typing import TYPE_CHECKING, Any

import pytest

from ocsnap.config import load
from tests.cli.installation import install
from tests.cli.keys import new_key
from tests.cli.terminal import talk
from tests.servers.s3 import rclone

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cli.installation import Installation, Result
    from tests.cli.keys import Key
    from tests.servers.database_server import DatabaseServer
    from tests.servers.s3 import S3Server

GENERATED = re.compile(r"([0-9A-HJKMNP-TV-Z]{4}-){15}[0-9A-HJKMNP-TV-Z]{4}")


@pytest.fixture
def config(installation: Installation) -> Path:
    """The place of a configuration that is not there yet."""
    return installation.folder / "etc" / "ocsnap.toml"


def options(installation: Installation, **others: object) -> list[str]:
    """Return all that must be said, in options."""
    said: dict[str, object] = {
        "owncloud": installation.site.root,
        "repository": f"file://{installation.folder}/new",
        "state-dir": installation.folder / "notes",
        **others,
    }
    return [word for name, value in said.items() for word in (f"--{name}", str(value))]


def end_of(passphrase: Path) -> str:
    return passphrase.read_text().strip()[-9:]


def init(installation: Installation, config: Path, *arguments: str) -> Result:
    return installation.run("-c", config, "init", *arguments)


def told(result: Result) -> Any:  # noqa: ANN401 # whatever the document holds
    assert result.status == 0, result
    return result.json()


def run(installation: Installation, config: Path, *arguments: str | Path) -> Any:  # noqa: ANN401
    return told(installation.run("-c", config, "--json", *arguments))


def read_codes(pdf: Path) -> list[str]:
    """Print a sheet and photograph it."""
    for program in ("pdftoppm", "zbarimg"):
        if shutil.which(program) is None:
            pytest.skip(f"{program} is not installed")
    page = pdf.with_name("page")
    subprocess.run(["pdftoppm", "-r", "110", "-png", pdf, page], check=True)
    found = []
    for image in sorted(pdf.parent.glob("page-*.png")):
        done = subprocess.run(
            ["zbarimg", "--quiet", "--xml", image],
            capture_output=True,
            text=True,
            check=True,
        )
        found += re.findall(r"<data><!\[CDATA\[(.*?)\]\]></data>", done.stdout, re.DOTALL)
    return found


def test_everything_by_options_alone(installation: Installation, config: Path):
    done = told(init(installation, config, "--json", "--yes", *options(installation)))
    passphrase = config.with_name("passphrase")
    assert done["made"] == [str(passphrase), str(config)]
    assert done["confirmed"] is False
    for path in (config, passphrase, config.with_name("recovery-sheet.pdf")):
        assert path.stat().st_mode & 0o777 == 0o600, path
    assert config.parent.stat().st_mode & 0o777 == 0o700
    secret = passphrase.read_text().strip()
    assert GENERATED.fullmatch(secret)
    loaded = load(config)
    assert loaded.owncloud.root == installation.site.root
    assert loaded.encryption.passphrase_file == passphrase


def test_the_sheet_brings_everything_back(installation: Installation, config: Path):
    told(init(installation, config, "--json", "--yes", *options(installation)))
    run(installation, config, "backup")
    codes = read_codes(config.with_name("recovery-sheet.pdf"))
    secret = config.with_name("passphrase").read_text().strip()
    assert secret in codes
    text = next(code for code in codes if "[owncloud]" in code)
    # Another machine, with nothing but the paper.
    other = installation.folder / "other"
    other.mkdir()
    (other / "passphrase").write_text(secret)
    state = f'\n[backup]\nstate_dir = "{other}/notes"\n'
    (other / "config.toml").write_text(text.replace("/etc/ocsnap", str(other)) + state)
    assert len(run(installation, other / "config.toml", "snapshots")["snapshots"]) == 1
    printed = installation.run("-c", config, "recovery-sheet").out
    typed = re.findall(r"^\s*(--\S+) (\S+)", printed, re.MULTILINE)
    words = [str(other / word) if word == "passphrase" else word for pair in typed for word in pair]
    done = installation.run(
        "-c", other / "none", "--json", "restore", *words, "--target", other / "back"
    )
    assert told(done)["failed"] == []
    assert (other / "back" / "data" / "alice" / "files").is_dir()


def test_a_talk_at_the_terminal(installation: Installation, config: Path):
    secret = config.with_name("passphrase")
    with_web = talk(installation, "init", "--state-dir", installation.folder / "n", config=config)
    with_web.answers("Where is ownCloud", "/nowhere")
    with_web.answers("Where is ownCloud", str(installation.site.root))
    with_web.answers("The address that users type", "http://127.0.0.1:9")
    with_web.answers("The address that users type", "")
    with_web.answers("Where to", f"file://{installation.folder}/new")
    with_web.answers("Which", "something")
    with_web.answers("Which", "")
    with_web.answers("the last 8 characters of the passphrase", "wrong")
    with_web.answers("the last 8 characters of the passphrase", lambda: end_of(secret).lower())
    assert with_web.ends() == 0
    assert "/nowhere: is no ownCloud" in with_web.shown
    assert "occ answers" in with_web.shown
    assert secret.read_text().strip() in with_web.shown
    assert "▀" in with_web.shown
    assert "NOT CONFIRMED" not in with_web.shown
    assert load(config).owncloud.url is None
    assert run(installation, config, "recovery-sheet")["confirmed"] is True


def test_a_sheet_that_nobody_confirms(installation: Installation, config: Path):
    said = talk(installation, "init", *options(installation), config=config)
    said.answers("The address that users type", "-")
    said.answers("Which", "")
    for _ in range(3):
        said.answers("the last 8 characters of the passphrase", "no idea")
    assert said.ends() == 14
    assert "NOT CONFIRMED" in said.shown
    # The terminal breaks no line of its own accord.
    assert f"ocsnap -c {config} backup" in said.shown
    assert run(installation, config, "recovery-sheet")["confirmed"] is False
    refused = installation.run("-c", config, "recovery-sheet", "--confirm", stdin="no\nno\nno\n")
    assert refused.status == 14
    end = end_of(config.with_name("passphrase"))
    done = installation.run("-c", config, "recovery-sheet", "--confirm", stdin=f"{end}\n")
    assert (done.status, done.out) == (0, "Confirmed.\n")
    assert run(installation, config, "recovery-sheet")["confirmed"] is True
    # Another passphrase is another sheet.
    config.with_name("passphrase").write_text("another one, of which nobody has a sheet\n")
    assert run(installation, config, "recovery-sheet")["confirmed"] is False


def test_a_bucket_and_a_database_server(tmp_path: Path, s3: S3Server, mariadb: DatabaseServer):
    try:
        rclone()
    except FileNotFoundError as error:
        pytest.skip(str(error))
    login = mariadb.login(mariadb.new_database(), tcp=True)
    installation = install(tmp_path, dbtype="mysql", mysql=login)
    config = tmp_path / "etc" / "ocsnap.toml"
    said = talk(
        installation,
        *("init", "--owncloud", installation.site.root, "--state-dir", tmp_path / "n"),
        config=config,
    )
    said.answers("The address that users type", "-")
    said.answers("Where to", f"s3://{s3.new_bucket()}/oc/cloud")
    said.answers("Address of the store", s3.endpoint)
    said.answers("Region", s3.region)
    said.answers("Access key id", s3.access_key_id)
    said.answers("Its secret", s3.secret)
    said.answers("Which", "")
    said.answers(
        "the last 8 characters of the passphrase",
        lambda: end_of(config.with_name("passphrase")),
    )
    assert said.ends() == 0, said.shown
    assert s3.secret not in said.shown
    secret = config.with_name("s3-secret")
    assert secret.read_text().strip() == s3.secret
    assert secret.stat().st_mode & 0o777 == 0o600
    assert s3.secret not in config.read_text()
    run(installation, config, "backup")
    assert run(installation, config, "verify")["sound"]
    sheet = installation.run("-c", config, "recovery-sheet").out
    assert s3.access_key_id in sheet
    assert s3.secret not in sheet


@pytest.fixture(scope="module")
def admin(tmp_path_factory: pytest.TempPathFactory) -> Key:
    return new_key(tmp_path_factory.mktemp("admin"), "Admin <admin@example.org>")


def test_public_keys(installation: Installation, config: Path, admin: Key):
    said = talk(installation, "init", *options(installation), config=config)
    said.answers("The address that users type", "-")
    said.answers("Which", "keys")
    said.answers("Whole fingerprints", admin.fingerprint)
    said.answers("exported public parts", str(admin.public_file))
    said.answers("What it says", "wrong")
    said.answers("What it says", lambda: _decrypted(said.shown, admin))
    assert said.ends() == 0, said.shown
    assert admin.fingerprint in said.shown
    assert not config.with_name("passphrase").exists()
    assert load(config).encryption.recipients == (admin.fingerprint,)
    run(installation, config, "backup")
    (code,) = read_codes(config.with_name("recovery-sheet.pdf"))
    assert admin.fingerprint in code


def _decrypted(shown: str, admin: Key) -> str:
    begin = shown.rindex("-----BEGIN PGP MESSAGE-----")
    end = "-----END PGP MESSAGE-----"
    message = shown[begin : shown.index(end, begin) + len(end)].replace("\r", "")
    home = admin.secret_file.parent / "home"
    command = ["gpg", "--homedir", home, "--batch", "--quiet", "--decrypt"]
    done = subprocess.run(command, input=message, capture_output=True, text=True, check=False)
    assert done.returncode == 0, (done.stderr, message)
    return done.stdout.strip()


def test_nobody_is_asked_without_a_terminal(installation: Installation, config: Path):
    refused = init(installation, config, *options(installation))
    assert refused.status == 14
    assert "--yes" in refused.err
    assert not config.parent.exists()


@pytest.mark.parametrize(
    ("left_out", "word"), [("repository", "--repository"), ("owncloud", "--owncloud")]
)
def test_what_is_missing_is_named(
    installation: Installation, config: Path, left_out: str, word: str
):
    given = options(installation)
    at = given.index(f"--{left_out}")
    refused = init(installation, config, "--yes", *given[:at], *given[at + 2 :])
    assert refused.status == 14
    assert word in refused.err
    assert not config.parent.exists()


@pytest.mark.parametrize(
    ("changed", "status"),
    [
        ({"owncloud": "/nowhere"}, 5),
        ({"repository": "file:///nowhere/at/all"}, 11),
        ({"repository": "ftp://host/folder"}, 4),
        ({"access-key-id": "AKIA"}, 14),
    ],
)
def test_what_does_not_work_leaves_nothing_behind(
    installation: Installation, config: Path, changed: dict[str, object], status: int
):
    failed = init(installation, config, "--yes", *options(installation, **changed))
    assert failed.status == status, failed
    assert not list(config.parent.glob("*"))
    assert not (installation.folder / "new").exists()


def test_a_configuration_is_not_overwritten(installation: Installation, config: Path):
    told(init(installation, config, "--json", "--yes", *options(installation)))
    before = config.read_bytes()
    refused = init(installation, config, "--yes", *options(installation))
    assert refused.status == 14
    assert config.read_bytes() == before
    failed = init(
        installation, config, "--yes", "--force", *options(installation, repository="file:///no/x")
    )
    assert failed.status == 11
    assert config.read_bytes() == before
    done = told(init(installation, config, "--json", "--yes", "--force", *options(installation)))
    (kept,) = config.parent.glob("ocsnap.toml.before-*")
    assert kept.read_bytes() == before
    assert any(str(kept) in note for note in done["notes"])
    assert any("repository already" in note for note in done["notes"])


def test_a_repository_that_is_there_needs_its_passphrase(installation: Installation, config: Path):
    told(init(installation, config, "--json", "--yes", *options(installation)))
    secret = config.with_name("passphrase").read_text()
    other = installation.folder / "other" / "ocsnap.toml"
    refused = init(installation, other, "--yes", *options(installation))
    assert refused.status == 14
    assert "--passphrase-file" in refused.err
    wrong = installation.folder / "wrong"
    wrong.write_text("not the one that it was made with\n")
    run(installation, config, "backup")
    shutil.rmtree(installation.folder / "notes")
    failed = init(
        installation, other, "--yes", *options(installation, **{"passphrase-file": wrong})
    )
    assert failed.status == 9
    assert not list(other.parent.glob("*"))
    said = talk(installation, "init", *options(installation), config=other)
    said.answers("The address that users type", "-")
    said.answers("Which", "")
    said.answers("Its passphrase", secret.strip())
    said.answers("the last 8 characters of the passphrase", secret.strip()[-9:])
    assert said.ends() == 0, said.shown
    assert len(run(installation, other, "snapshots")["snapshots"]) == 1


def test_an_end_of_answers_ends_it(installation: Installation, config: Path):
    said = talk(installation, "init", config=config)
    said.child.expect_exact("Where is ownCloud")
    said.child.sendeof()
    assert said.ends() == 14
    assert not config.parent.exists()
