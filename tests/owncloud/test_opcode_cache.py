from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

import pytest

from ocsnap.clock import SystemClock
from ocsnap.monitor import SilentMonitor
from ocsnap.owncloud.opcode_cache import MARGIN_SECONDS, OpcodeCache
from ocsnap.owncloud.standstill import Standstill
from ocsnap.owncloud.web_server import WebServer
from tests.servers.owncloud_web import running_web

if TYPE_CHECKING:
    from pathlib import Path

    from tests.owncloud.conftest import Parts


@pytest.fixture
def machine(tmp_path: Path) -> Path:
    return tmp_path / "machine"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "owncloud"
    folder.mkdir()
    return folder


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def test_php_without_settings_looks_every_two_seconds(machine: Path, root: Path):
    assert OpcodeCache.find(root, machine=machine) == OpcodeCache(2)
    write(machine / "etc/php/8.2/cli/php.ini", "opcache.revalidate_freq=90\n")
    assert OpcodeCache.find(root, machine=machine).revalidate_seconds == 2
    write(machine / "etc/php/8.2/fpm/php.ini", ";opcache.revalidate_freq=90\n[opcache]\n")
    assert OpcodeCache.find(root, machine=machine).revalidate_seconds == 2


@pytest.mark.parametrize(
    "place",
    [
        "etc/php/7.4/apache2/php.ini",
        "etc/php/8.2/fpm/conf.d/99-local.ini",
        "etc/php/8.2/fpm/pool.d/www.conf",
        "etc/php82/conf.d/00_opcache.ini",
        "etc/php8/apache2/php.ini",
        "etc/php.d/10-opcache.ini",
        "etc/php-fpm.d/www.conf",
        "etc/opt/remi/php81/php.d/10-opcache.ini",
        "usr/local/etc/php/conf.d/opcache-recommended.ini",
        "usr/local/etc/php-fpm.d/zz.conf",
    ],
)
@pytest.mark.parametrize("other", ["1", "0"])
def test_the_slowest_counts_wherever_it_is(machine: Path, root: Path, place: str, other: str):
    for folder in ("8.2/fpm", "7.4/apache2"):
        write(machine / "etc/php" / folder / "php.ini", f"opcache.revalidate_freq={other}\n")
    for folder in ("etc/php82", "etc", "etc/opt/remi/php81", "usr/local/etc/php"):
        write(machine / folder / "php.ini", f"opcache.revalidate_freq = {other}\n")
    line = "opcache.revalidate_freq = 7 ; seconds\n"
    if place.endswith(".conf"):
        line = f"[www]\nuser = www-data\nphp_admin_value[{line.partition(' ')[0]}] = 7\n"
    write(machine / place, line)
    assert OpcodeCache.find(root, machine=machine).revalidate_seconds == 7


def test_a_later_file_wins_over_an_earlier_one(machine: Path, root: Path):
    folder = machine / "etc/php/8.2/fpm"
    write(folder / "php.ini", "opcache.revalidate_freq=60\n")
    write(folder / "conf.d/10-opcache.ini", "opcache.revalidate_freq=50\n")
    write(folder / "conf.d/20-own.ini", 'opcache.revalidate_freq="1"\n')
    assert OpcodeCache.find(root, machine=machine).revalidate_seconds == 1


@pytest.mark.parametrize("off", ["0", "Off", "no", '"false"'])
def test_a_cache_that_is_off_needs_no_waiting(machine: Path, root: Path, off: str):
    write(machine / "etc/php/8.2/fpm/php.ini", f"opcache.enable={off}\nopcache.revalidate_freq=9\n")
    cache = OpcodeCache.find(root, machine=machine)
    assert cache.revalidate_seconds == 0
    assert cache.settled_at(1000.9) == 1000.9 + MARGIN_SECONDS


@pytest.mark.parametrize(
    ("name", "line"),
    [
        (".user.ini", "opcache.revalidate_freq=5"),
        (".htaccess", "  php_value opcache.revalidate_freq 5"),
    ],
)
def test_owncloud_may_have_settings_of_its_own(machine: Path, root: Path, name: str, line: str):
    write(machine / "etc/php/8.2/fpm/php.ini", "")
    write(root / name, f"# more\n{line}\n")
    assert OpcodeCache.find(root, machine=machine).revalidate_seconds == 5


@pytest.mark.parametrize("value", ["", "many", "-3"])
def test_nonsense_is_the_default(machine: Path, root: Path, value: str):
    write(machine / "etc/php/8.2/fpm/php.ini", f"opcache.revalidate_freq={value}\n")
    assert OpcodeCache.find(root, machine=machine).revalidate_seconds == 2


def test_a_cache_that_never_looks_again_is_told(
    machine: Path, root: Path, parts: Parts, monkeypatch: pytest.MonkeyPatch
):
    place = machine / "etc/php/8.2/fpm"
    write(place / "php.ini", "opcache.validate_timestamps=0\nopcache.revalidate_freq=60\n")
    found = OpcodeCache.find(root, machine=machine)
    assert found == OpcodeCache(60, (place,))
    monkeypatch.setattr(OpcodeCache, "find", lambda _: found)
    for web, told in ((None, True), (WebServer("http://127.0.0.1"), False)):
        monitor = SilentMonitor()
        still = Standstill(parts.instance, parts.occ, SystemClock(), monitor, web, tuple)
        assert still.opcode_cache() is found
        assert any("validate_timestamps" in note for note in monitor.notes) is told
        assert any("60 seconds" in note for note in monitor.notes)


def test_php_really_takes_that_long_and_no_longer(parts: Parts):
    page = parts.site.root / "seen.php"
    page.write_text("<?php echo include 'config/seen.php';")
    seen = parts.site.config_path.with_name("seen.php")
    seen.write_text("<?php return 'old';")
    for path in (page, seen):
        os.utime(path, (1_600_000_000, 1_600_000_000))
    with running_web(parts.site.root, opcache_seconds=1) as url:
        web = WebServer(url)

        def ask() -> str:
            return web._get("/seen.php")[1].decode()

        time.sleep(1 - time.time() % 1)
        assert ask() == "old"
        seen.write_text("<?php return 'new';")
        settled_at = OpcodeCache(1).settled_at(time.time())
        time.sleep(1.2)
        assert ask() == "old"  # longer than opcache.revalidate_freq
        time.sleep(max(0.0, settled_at - time.time()))
        assert ask() == "new"
