"""Exit statuses are a promise to scripts: fixed, one for each kind of failure, documented."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from ocsnap import errors
from ocsnap.errors import DamagedError, ExitStatus, OcsnapError, StorageError

DOCUMENT = Path(__file__).parents[1] / "docs" / "exit-statuses.md"

PROMISED = {
    "OK": 0,
    "INTERNAL": 1,
    "USAGE": 2,
    "INCOMPLETE": 3,
    "CONFIG": 4,
    "OWNCLOUD": 5,
    "DATABASE": 6,
    "STORAGE": 7,
    "ACCESS_DENIED": 8,
    "CRYPTO": 9,
    "DAMAGED": 10,
    "NO_REPOSITORY": 11,
    "BUSY": 12,
    "NO_SNAPSHOT": 13,
    "REFUSED": 14,
    "LOCAL_IO": 15,
    "MAINTENANCE_LEFT_ON": 16,
    "ALARM": 17,
    "UNSOUND": 18,
    "HOOK_STOPPED": 20,
    "HOOK_FAILED": 21,
    "INTERRUPTED": 130,
}

WITHOUT_A_CLASS = {
    ExitStatus.OK,
    ExitStatus.INTERNAL,
    ExitStatus.USAGE,
    ExitStatus.INCOMPLETE,
    ExitStatus.UNSOUND,
    ExitStatus.HOOK_FAILED,
    ExitStatus.INTERRUPTED,
}


def all_classes() -> list[type[OcsnapError]]:
    found = [
        value
        for value in vars(errors).values()
        if isinstance(value, type) and issubclass(value, OcsnapError) and value is not OcsnapError
    ]
    assert len(found) > 10
    return found


def test_the_numbers_never_change():
    assert {status.name: int(status) for status in ExitStatus} == PROMISED


def test_no_number_is_used_twice():
    assert len(ExitStatus.__members__) == len(list(ExitStatus))


def test_every_status_belongs_to_an_error_or_to_the_command_line():
    used = {kind.exit_status for kind in all_classes()}
    assert used | WITHOUT_A_CLASS == set(ExitStatus)
    assert not used & WITHOUT_A_CLASS


@pytest.mark.parametrize("kind", all_classes())
def test_errors_of_one_status_are_of_one_family(kind: type[OcsnapError]):
    family = [other for other in all_classes() if other.exit_status is kind.exit_status]
    assert any(all(issubclass(member, head) for member in family) for head in family)


def test_every_status_is_documented_under_its_name():
    row = re.compile(r"\| (\d+) \| `([a-z_]+)` \| .+ \| .+ \|")
    rows = [found for line in DOCUMENT.read_text().splitlines() if (found := row.fullmatch(line))]
    assert {found[2].upper(): int(found[1]) for found in rows} == PROMISED


def test_the_hint_follows_the_sentence():
    assert str(OcsnapError("It broke.", hint="Mend it.")) == "It broke. Mend it."
    assert str(OcsnapError("It broke.")) == "It broke."


@pytest.mark.parametrize("kind", [StorageError, DamagedError])
def test_errors_of_objects_carry_the_name(kind: type[StorageError | DamagedError]):
    error = kind("It broke.", hint="Mend it.", name="packs/ab/abc.gpg")
    assert (error.name, error.message, error.hint) == ("packs/ab/abc.gpg", "It broke.", "Mend it.")
    assert kind("It broke.").name == ""
