"""The whole job of ocsnap before your eyes: back up, change, back up, destroy, restore, compare.

Run it with `make demo`. Everything happens in demo/work, on a small ownCloud made for it.
"""

from __future__ import annotations

import secrets
import shutil
import subprocess
import sys
import time
from pathlib import Path

from demo.state import State
from ocsnap.units import MIB
from tests.servers.owncloud_site import Site, make_site

WORK = Path(__file__).parent.resolve() / "work"
CONFIG = WORK / "config.toml"
PASSPHRASE = WORK / "passphrase"
REPOSITORY = WORK / "repository"
STATE_DIR = WORK / "state"


class Demo:
    """Tells what it does, does it, and stops at the first thing that goes wrong."""

    def __init__(self) -> None:
        """Start with an empty folder."""
        shutil.rmtree(WORK, ignore_errors=True)
        WORK.mkdir()
        self.number = 0

    def step(self, title: str) -> None:
        """Announce a step."""
        self.number += 1
        print(f"\n=== {self.number}. {title} ".ljust(98, "="), flush=True)

    def ocsnap(self, *arguments: str) -> None:
        """Run ocsnap as an admin would."""
        program = Path(sys.executable).with_name("ocsnap")
        print(f"$ ocsnap -c {CONFIG.name} {' '.join(arguments)}", flush=True)
        status = subprocess.run([program, "-c", CONFIG, *arguments], check=False).returncode
        if status:
            raise SystemExit(f"FAILED: ocsnap {arguments[0]} ended with status {status}.")

    def demand_maintenance_off(self, site: Site) -> None:
        """Ask ownCloud itself."""
        print("$ occ maintenance:mode", flush=True)
        occ = ["php", str(site.root / "occ"), "maintenance:mode"]
        answer = subprocess.run(occ, check=True, stdout=subprocess.PIPE, text=True).stdout
        print(answer, end="")
        if "disabled" not in answer:
            raise SystemExit("FAILED: ownCloud is in maintenance mode.")


def main() -> None:
    """Tell the story from its beginning to its end."""
    began = time.monotonic()
    demo = Demo()

    demo.step("A small ownCloud: three users, an SQLite database, a repository on this disk")
    site = make_site(
        WORK / "owncloud", data_dir=WORK / "data", files_per_user=300, large_bytes=16 * MIB
    )
    PASSPHRASE.touch(mode=0o600)
    PASSPHRASE.write_text(secrets.token_urlsafe(32) + "\n")
    CONFIG.touch(mode=0o600)
    CONFIG.write_text(
        f'[owncloud]\nroot = "{site.root}"\n'
        f'[repository]\nurl = "{REPOSITORY.as_uri()}"\n'
        f'[encryption]\npassphrase_file = "{PASSPHRASE}"\n'
        f'[backup]\nstate_dir = "{STATE_DIR}"\n'
    )
    print(State.of(site))
    print(f"\n{CONFIG.name}:\n{CONFIG.read_text()}", end="")

    demo.step("The first backup stores everything")
    demo.ocsnap("backup")

    demo.step("The users work: uploads, edits inside large files, renames, deletions")
    for line in site.mutate(seed=1, changes=60):
        print(f"  {line}")
    before = State.of(site)
    print(before)

    demo.step("The second backup stores what is new, and of the large files only what changed")
    demo.ocsnap("backup")
    demo.demand_maintenance_off(site)

    demo.step("What there is, and whether it is sound: first asked, then read byte by byte")
    demo.ocsnap("snapshots")
    demo.ocsnap("verify")
    demo.ocsnap("verify", "--read-data")

    demo.step("The disaster: data directory, database and config are gone, ocsnap's notes too")
    for folder in (site.data_dir, site.root / "config", STATE_DIR):
        print(f"$ rm -r {folder}")
        shutil.rmtree(folder)

    demo.step("The restore needs config.toml, the passphrase and the repository, nothing else")
    demo.ocsnap("restore", "--yes", "--no-fingerprint")

    demo.step("Comparison with the state before the second backup")
    after = State.of(site)
    print(after)
    different = list(before.differences(after))
    for line in different:
        print(f"DIFFERENT {line}")
    if different:
        raise SystemExit(f"FAILED: {len(different)} things are not as they were.")
    demo.demand_maintenance_off(site)
    print(
        f"\nPROVEN in {time.monotonic() - began:.0f} s: after the loss of data, database and config"
        f" everything is back as it was ({after}), and maintenance mode is off."
    )


if __name__ == "__main__":
    main()
