"""From a duply profile to answers for `ocsnap init`, with a word on each of its keys."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec

from ocsnap.commands.duply.file_list import read_file_list
from ocsnap.commands.duply.target import read_target, split_parameters
from ocsnap.commands.init.answers import Answers

if TYPE_CHECKING:
    from collections.abc import Callable

    from ocsnap.commands.duply.profile import Profile

_PLACEHOLDER: Final = re.compile(r"_[A-Z_]+_|scheme://.*|/path/of/source")
"""What stands in a new profile and nobody has filled in (duply 2.4)."""

_DISABLED: Final = "disabled"
_SECRETS: Final = frozenset({"GPG_PW", "GPG_PW_SIGN", "TARGET_PASS", "AWS_SECRET_ACCESS_KEY"})
_AGE: Final = re.compile(r"(\d+)([smhDWMY])")
_HOUR_SECONDS: Final = 3600
_AGE_SECONDS: Final = {"s": 1, "m": 60, "h": _HOUR_SECONDS}
_DAYS: Final = {"D": 1, "W": 7, "M": 30, "Y": 365}
"""duplicity's times (duplicity 3, "TIME FORMATS"); ocsnap's months and years are a day longer."""

_NEEDLESS: Final = {
    "VOLSIZE": "packs are about 16 MiB, and several are sent at once",
    "MAX_FULLBKP_AGE": "there are no full backups: each snapshot is complete in itself",
    "MAX_FULLS_WITH_INCRS": "there are no increments: any snapshot can be deleted",
    "TEMP_DIR": "what waits for its upload lies in backup.state_dir, or in backup.spool_dir",
    "ARCH_DIR": "ocsnap's notes lie in backup.state_dir",
    "VERBOSITY": "say --quiet or --verbose",
    "PYTHON": "ocsnap brings its own",
    "GPG_TEST": "the key is tried before each backup",
    "GPG_IMPORT": "keys are taken from key_files",
    "GPG_EXPORT": "ocsnap exports no keys; see ocsnap recovery-sheet",
    "GPG_PW_SIGN": "a passphrase of the signing key's own cannot be given",
}


class Verdict(StrEnum):
    """What became of a key."""

    CARRIED = "carried over"
    NEEDLESS = "not needed"
    LOST = "NOT CARRIED OVER"


class Carried(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one key of the profile.

    Attributes:
        key: the key, or the file.
        value: its value; never a secret.
        verdict: what became of it.
        text: where it went, or why it did not.
    """

    key: str
    value: str
    verdict: Verdict
    text: str


@dataclass(frozen=True)
class Translation:
    """A profile in ocsnap's words.

    Attributes:
        answers: what `init` need not ask.
        carried: what became of each key.
    """

    answers: Answers
    carried: tuple[Carried, ...]


def translate(
    profile: Profile,
    root: Path | None,
    data_dir: Path | None,
    fingerprint_of: Callable[[Path], str | None],
) -> Translation:
    """Translate a profile.

    Args:
        profile: what it says.
        root: ownCloud's folder, as far as it is known.
        data_dir: its data directory.
        fingerprint_of: tells the fingerprint of the key in a file.

    Returns:
        The answers, and one line for each key, file and script of the profile.
    """
    return _Translator(profile, root, data_dir, fingerprint_of).run()


class _Translator:
    def __init__(
        self,
        profile: Profile,
        root: Path | None,
        data_dir: Path | None,
        fingerprint_of: Callable[[Path], str | None],
    ) -> None:
        self._profile = profile
        self._fingerprint_of = fingerprint_of
        self._data_dir = data_dir
        self._told: list[Carried] = []
        self._answers = Answers(root=root)
        self._seen: set[str] = set()

    def run(self) -> Translation:
        self._source()
        self._target()
        self._key()
        self._retention()
        self._parameters()
        self._excluded()
        for key in ("pre", "post"):
            if key in self._profile.scripts:
                self._tell(key, "", Verdict.LOST, _SCRIPTS)
        for key, why in _NEEDLESS.items():
            if self._get(key) is not None:
                self._tell(key, self._get(key) or "", Verdict.NEEDLESS, why)
        self._rest()
        return Translation(self._answers, tuple(self._told))

    def _get(self, key: str) -> str | None:
        value = self._profile.settings.get(key)
        return None if not value or _PLACEHOLDER.fullmatch(value) else value

    def _tell(self, key: str, value: str, verdict: Verdict, text: str) -> None:
        self._seen.add(key)
        shown = "(secret)" if key in _SECRETS else value
        self._told.append(Carried(key=key, value=shown, verdict=verdict, text=text))

    def _source(self) -> None:
        source = self._get("SOURCE")
        root = self._answers.root
        if source is None:
            return
        if root is None:
            self._tell("SOURCE", source, Verdict.LOST, "no ownCloud was found there: --owncloud")
            return
        text = f"ownCloud in {root}: its data, configuration and database"
        if not _is_owncloud_only(Path(source), root, self._data_dir):
            text += "; whatever else lies in SOURCE is not backed up"
        self._tell("SOURCE", source, Verdict.CARRIED, text)

    def _target(self) -> None:
        target = self._get("TARGET")
        if target is None:
            return
        place = read_target(target, self._get("DUPL_PARAMS") or "")
        shown = re.sub(r"//[^/@]*@", "//(secret)@", target)
        if place.url is None:
            self._tell(
                "TARGET", shown, Verdict.LOST, "ocsnap stores in S3 or on a disk: --repository"
            )
            self._credentials(None, None, Verdict.LOST, "they belong to that place")
            return
        remarks = " ".join(place.remarks)
        text = f"repository.url = {place.url}; duplicity's own files stay as they are. {remarks}"
        self._tell("TARGET", shown, Verdict.CARRIED, text.strip())
        self._answers = replace(
            self._answers, url=place.url, region=place.region, endpoint=place.endpoint
        )
        if self._answers.is_s3:
            self._credentials(
                place.user, place.password, Verdict.CARRIED, "repository.access_key_id and its file"
            )

    def _credentials(
        self, user: str | None, password: str | None, verdict: Verdict, text: str
    ) -> None:
        for name, secret in (
            ("TARGET_USER", "TARGET_PASS"),
            ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"),
        ):
            user, password = self._get(name) or user, self._get(secret) or password
            for key in (name, secret):
                if self._get(key) is not None:
                    self._tell(key, self._get(key) or "", verdict, text)
        if verdict is Verdict.CARRIED and user and password:
            self._answers = replace(self._answers, access_key_id=user, secret=password)

    def _key(self) -> None:
        passphrase = self._get("GPG_PW")
        keys, source = self._recipients()
        if self._get("GPG_KEY") == _DISABLED:
            how = "a passphrase is made" if passphrase is None else "with the one of GPG_PW"
            self._tell("GPG_KEY", _DISABLED, Verdict.LOST, f"ocsnap always encrypts: {how}")
        elif keys:
            self._public_keys(keys, source, passphrase)
            return
        if passphrase is not None:
            self._answers = replace(self._answers, passphrase=passphrase)
            self._tell("GPG_PW", "", Verdict.CARRIED, "the passphrase of the new repository")

    def _recipients(self) -> tuple[list[str], str]:
        for key in ("GPG_KEYS_ENC", "GPG_KEY"):
            value = self._get(key)
            if value is not None and value != _DISABLED:
                return [part.strip() for part in value.split(",") if part.strip()], key
        return [], ""

    def _public_keys(self, keys: list[str], source: str, passphrase: str | None) -> None:
        shown = ",".join(keys)
        fingerprints: list[str] = []
        files: list[Path] = []
        missing: list[str] = []
        for key in keys:
            path = self._profile.exported_key(key, "pub")
            fingerprint = None if path is None else self._fingerprint_of(path)
            if path is None or fingerprint is None:
                missing.append(key)
            else:
                files.append(path)
                fingerprints.append(fingerprint)
        if missing:
            text = f"duply has exported no {', '.join(missing)}: give --recipient and --key-file"
            self._tell(source, shown, Verdict.LOST, text)
            if passphrase is not None:
                self._tell("GPG_PW", "", Verdict.NEEDLESS, "it is the passphrase of a secret key")
            return
        self._answers = replace(
            self._answers, recipients=tuple(fingerprints), key_files=tuple(files)
        )
        text = "encryption.recipients; this machine cannot read its backups, as long as the secret"
        self._tell(source, shown, Verdict.CARRIED, f"{text} key is not on it")
        if passphrase is not None:
            text = "the passphrase of the secret key is not needed for backups, only for a restore"
            self._tell("GPG_PW", "", Verdict.NEEDLESS, text)

    def _retention(self) -> None:
        age, fulls = self._get("MAX_AGE"), self._get("MAX_FULL_BACKUPS")
        each = self._get("MAX_FULLBKP_AGE")
        if age is not None:
            self._keep("MAX_AGE", age, keep_within(age))
        if fulls is None:
            return
        within = keep_within(each, times=int(fulls)) if each and fulls.isdigit() else None
        if age is not None:
            self._tell("MAX_FULL_BACKUPS", fulls, Verdict.NEEDLESS, "MAX_AGE says what stays")
        elif within is None:
            text = "there are no full backups; without MAX_FULLBKP_AGE this is no time"
            self._tell("MAX_FULL_BACKUPS", fulls, Verdict.LOST, f"{text}: see [prune]")
        else:
            self._keep("MAX_FULL_BACKUPS", f"{fulls} of {each} each", within)

    def _keep(self, key: str, value: str, within: str | None) -> None:
        if within is None:
            self._tell(key, value, Verdict.LOST, "it is no age that ocsnap knows: see [prune]")
            return
        self._answers.further["prune"] = {"keep_within": within}
        text = f"prune.keep_within = {within}: ocsnap prune removes what is older"
        self._tell(key, value, Verdict.CARRIED, text)

    def _parameters(self) -> None:
        parameters = self._get("DUPL_PARAMS")
        if parameters is None:
            return
        lost = [word for word in split_parameters(parameters) if _is_option(word)]
        known = {"--full-if-older-than", "--volsize", "--s3-endpoint-url", "--s3-region-name"}
        known |= {"--s3-european-buckets", "--s3-use-new-style", "--s3-unencrypted-connection"}
        known |= {"--asynchronous-upload", "--allow-source-mismatch", "--time-separator"}
        unknown = sorted({word.partition("=")[0] for word in lost} - known)
        if unknown:
            text = f"nothing stands for {', '.join(unknown)}: see docs/duply.md"
            self._tell("DUPL_PARAMS", parameters.strip(), Verdict.LOST, text)
        else:
            text = "what it says is in the other keys, or not needed"
            self._tell("DUPL_PARAMS", parameters.strip(), Verdict.NEEDLESS, text)

    def _excluded(self) -> None:
        lines = self._profile.file_list
        if lines is None:
            return
        if self._data_dir is None:
            if any(line.strip() for line in lines):
                text = "no ownCloud was found, so nobody knows what it leaves out of it"
                self._tell("exclude", "", Verdict.LOST, text)
            return
        patterns = []
        for line in read_file_list(lines, self._data_dir):
            if line.pattern is None:
                self._tell("exclude", line.line, Verdict.LOST, line.reason)
            else:
                patterns.append(line.pattern)
                text = f'backup.exclude "{line.pattern}"'
                self._tell("exclude", line.line, Verdict.CARRIED, text)
        self._answers = replace(self._answers, exclude=tuple(patterns))

    def _rest(self) -> None:
        for key in sorted(self._profile.settings.keys() - self._seen):
            if self._get(key) is not None:
                why = _LOST.get(key, "ocsnap has nothing of the kind")
                self._tell(key, self._get(key) or "", Verdict.LOST, why)


_SCRIPTS: Final = (
    "ocsnap itself freezes ownCloud and dumps its database; what else the script does goes into "
    "[hooks] before_backup or after_backup"
)
_LOST: Final = {
    "GPG_OPTS": "gpg's options are ocsnap's own; for another keyring: encryption.gnupg_home",
    "GPG_KEY_SIGN": "to sign snapshots: encryption.sign_with, and the key in key_files",
    "GPG": "the gpg of PATH is used",
    "DUPL_PRECMD": "to limit the line or the priority: the unit of ocsnap schedule, or nice",
    "FILENAME": "folders with such a file are not left out: name them in backup.exclude",
}


def keep_within(age: str, *, times: int = 1) -> str | None:
    """Return one of duplicity's ages as ocsnap writes it.

    Args:
        age: such as `1M` or `1Y6M`.
        times: how often it is taken.

    Returns:
        At least as long a time, such as `31d`; None: it is no age.
    """
    parts = _AGE.findall(age)
    if not parts or "".join(number + unit for number, unit in parts) != age:
        return None
    days = sum(int(number) * _DAYS.get(unit, 0) for number, unit in parts)
    seconds = sum(int(number) * _AGE_SECONDS.get(unit, 0) for number, unit in parts)
    hours = math.ceil(seconds * times / _HOUR_SECONDS)
    text = (f"{days * times}d" if days else "") + (f"{hours}h" if hours else "")
    return text or None


def _is_option(word: str) -> bool:
    return word.startswith("--")


def _is_owncloud_only(source: Path, root: Path, data_dir: Path | None) -> bool:
    places = [place for place in (root, data_dir) if place is not None]
    return any(source.is_relative_to(place) for place in places)
