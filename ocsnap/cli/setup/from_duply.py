"""What `ocsnap init --from-duply` takes over, and what it says of that."""

from __future__ import annotations

from dataclasses import fields, replace
from pathlib import Path
from typing import TYPE_CHECKING

from ocsnap.cli.text import printable
from ocsnap.errors import OcsnapError, RefusedError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from ocsnap.commands.duply.translation import Carried
    from ocsnap.commands.init.answers import Answers


def duply_answers(
    name: str, given: Answers, roots: Sequence[Path], environment: Mapping[str, str]
) -> tuple[Answers, tuple[Carried, ...]]:
    """Read a profile.

    Args:
        name: its name, or its folder.
        given: what the options say, which wins.
        roots: the ownClouds of this machine.
        environment: the environment's variables.

    Returns:
        All answers that are known, and what became of each key of the profile.

    Raises:
        ConfigError: there is no such profile, or bash cannot run it.
        RefusedError: other users can write it.
    """
    from ocsnap.commands.duply.profile import find_profile, read_profile  # noqa: PLC0415 - see session
    from ocsnap.commands.duply.translation import translate  # noqa: PLC0415 - see session
    from ocsnap.crypto.gpg import fingerprint_of  # noqa: PLC0415 - see session
    from ocsnap.owncloud.search import roots_in  # noqa: PLC0415 - see session

    profile = read_profile(find_profile(name))
    source = Path(profile.settings.get("SOURCE") or "/")
    places = [given.root] if given.root else [*roots, *roots_in(source)]
    root, data_dir = _owncloud_in(source, places)
    made = translate(profile, root, data_dir, lambda path: fingerprint_of(path, environment))
    chosen = {
        field.name: value
        for field in fields(given)
        if (value := getattr(given, field.name)) not in (None, (), {})
    }
    return replace(made.answers, **chosen), made.carried


def demand_key(answers: Answers, carried: Sequence[Carried]) -> None:
    """See that backups which only a secret key could open do not become ones with a passphrase.

    Args:
        answers: all answers that are known.
        carried: what became of each key of the profile.

    Raises:
        RefusedError: the profile's keys are missing, and nobody said what shall take their place.
    """
    from ocsnap.commands.duply.translation import Verdict  # noqa: PLC0415 - see session

    if answers.recipients or answers.passphrase_file is not None:
        return
    for item in carried:
        lost = item.verdict is Verdict.LOST and item.value != "disabled"
        if lost and item.key in {"GPG_KEY", "GPG_KEYS_ENC"}:
            raise RefusedError(
                f"{item.key} = {item.value} cannot be carried over: {item.text}.",
                hint="Or give --passphrase-file, for a passphrase instead.",
            )


def duply_lines(carried: Sequence[Carried]) -> Iterator[str]:
    """Yield what became of each key, for people.

    Args:
        carried: what became of it.
    """
    yield "From duply's profile:"
    for item in carried:
        value = f" = {printable(item.value)}" if item.value else ""
        yield f"  {item.verdict.value:<17}{item.key}{value}"
        yield f"  {'':17}  {item.text}"


def _owncloud_in(source: Path, roots: Sequence[Path]) -> tuple[Path | None, Path | None]:
    """Return the ownCloud that lies in a folder, or that the folder belongs to."""
    from ocsnap.config import OwncloudConfig  # noqa: PLC0415 - see session
    from ocsnap.owncloud.instance import Instance  # noqa: PLC0415 - see session

    source = source.resolve()
    for root in roots:
        try:
            data_dir = Instance.discover(OwncloudConfig(root=root)).data_dir
        except OcsnapError:
            continue  # init says more about it
        places = (root.resolve(), data_dir)
        if any(place.is_relative_to(source) or source.is_relative_to(place) for place in places):
            return root, data_dir
    return None, None
