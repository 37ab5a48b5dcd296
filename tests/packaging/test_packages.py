"""What `make packages` has built: installed where there is nothing else, and run."""

from __future__ import annotations

import os
import subprocess
import sys
import venv
from pathlib import Path

import pytest

from ocsnap import __version__

FOLDER = Path(__file__).parents[2]
PACKAGES = Path(os.environ.get("OCSNAP_PACKAGES", FOLDER / "no packages"))

pytestmark = pytest.mark.skipif(not PACKAGES.is_dir(), reason="make packages builds and tries them")

DATA = """
from importlib import resources
from ocsnap.database.mysql import formatter
from ocsnap.librsync import signer
from ocsnap.snapshot import lister
from ocsnap.storage.prices import load_prices
for name in ("ocsnap-rescue.py", "format.md"):
    assert resources.files("ocsnap.repository.rescue").joinpath(name).is_file(), name
load_prices()
for module in (formatter, lister, signer):
    assert module.is_compiled(), module
import ocsnap
print(ocsnap.__file__)
"""


def output(*command: str | Path) -> str:
    environment = {"PATH": os.environ["PATH"], "HOME": "/nonexistent"}
    return subprocess.run(
        command, check=True, capture_output=True, text=True, cwd="/", env=environment
    ).stdout


@pytest.fixture(scope="module")
def wheel_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("wheel")
    venv.create(home, symlinks=True)
    (wheel,) = PACKAGES.glob("ocsnap-*.whl")
    pip = [sys.executable, "-m", "pip", "--python", home / "bin" / "python", "install", "--quiet"]
    pip.append("--no-compile")  # half of the time, for what is run twice
    subprocess.run(
        [*pip, "--require-hashes", "-r", FOLDER / "requirements.txt"],
        check=True,
    )
    subprocess.run([*pip, "--no-index", "--no-deps", wheel], check=True)
    return home


@pytest.fixture(scope="module")
def deb_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    (package,) = PACKAGES.glob("*.deb")
    root = tmp_path_factory.mktemp("deb")
    subprocess.run(["dpkg-deb", "--extract", package, root], check=True)
    return root


def test_the_wheel_has_all_that_it_needs(wheel_home: Path):
    assert output(wheel_home / "bin" / "ocsnap", "--version").startswith(f"ocsnap {__version__}\n")
    place = output(wheel_home / "bin" / "python", "-c", DATA)
    assert place.startswith(str(wheel_home))
    assert "is missing" not in output(wheel_home / "bin" / "ocsnap", "--version")


def test_the_debian_package_has_all_that_it_needs(deb_home: Path):
    home = deb_home / "usr/lib/ocsnap"
    told = output(home / "bin" / "python3", "-P", "-m", "ocsnap", "--version")
    assert told.startswith(f"ocsnap {__version__}\n")
    assert "is missing" not in told
    assert output(home / "bin" / "python3", "-P", "-c", DATA).startswith(str(home))
    for path in (
        "usr/share/man/man1/ocsnap.1.gz",
        "usr/share/bash-completion/completions/ocsnap",
        "usr/share/zsh/vendor-completions/_ocsnap",
        "usr/share/fish/vendor_completions.d/ocsnap.fish",
        "usr/share/doc/ocsnap/config.sample.toml",
        "usr/share/doc/ocsnap/docs/restore.md",
        "usr/share/doc/ocsnap/copyright",
    ):
        assert (deb_home / path).stat().st_size > 500, path


def test_the_debian_package_names_no_place_where_it_was_built(deb_home: Path):
    home = deb_home / "usr/lib/ocsnap"
    first = (home / "bin" / "ocsnap").read_text().partition("\n")[0]
    assert first == "#!/usr/lib/ocsnap/bin/python3"
    assert (deb_home / "usr/bin/ocsnap").readlink() == Path("/usr/lib/ocsnap/bin/ocsnap")
    assert (home / "bin" / "python3").readlink().is_relative_to("/usr/bin")
    assert "tmp" not in (home / "pyvenv.cfg").read_text()


def test_the_debian_package_names_what_it_calls():
    (package,) = PACKAGES.glob("*.deb")
    depends = output("dpkg-deb", "--field", package, "Depends")
    for name in ("python3 (>= ", "gnupg", "librsync2"):
        assert name in depends
    assert output("dpkg-deb", "--field", package, "Version").strip() == __version__
