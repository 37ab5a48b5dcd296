"""Reads config.php as ownCloud does: the overlays merged over it, each as PHP understands it."""

from __future__ import annotations

import fcntl
import re
import shutil
from typing import TYPE_CHECKING

from ocsnap.errors import OwncloudError
from ocsnap.owncloud.command import DEFAULT_ENVIRONMENT, as_owner, run
from ocsnap.owncloud.foreign_code import refuse_foreign_code
from ocsnap.owncloud.php_literal import parse_assignments
from ocsnap.owncloud.php_serialized import unserialize

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_TIMEOUT_SECONDS = 30
_GOOD, _BAD = b"\n=ocsnap=good=\n", b"\n=ocsnap=bad=\n"
# Runs on PHP 5.4 too, as ownCloud 8 did; the two catches are for PHP before and since 7.
_PROGRAM = r"""
function ocsnap_include($ocsnap_file) {
    $ocsnap_handle = fopen($ocsnap_file, 'r');
    if ($ocsnap_handle === false || !flock($ocsnap_handle, LOCK_SH)) {
        throw new Exception('cannot be opened and locked for reading');
    }
    include $ocsnap_file;
    flock($ocsnap_handle, LOCK_UN);
    return isset($CONFIG) && is_array($CONFIG) ? $CONFIG : null;
}
$ocsnap_reading = '';
function ocsnap_read($files) {
    global $ocsnap_reading;
    $merged = array();
    foreach ($files as $number => $file) {
        $ocsnap_reading = $file;
        $values = ocsnap_include($file);
        if ($values === null && $number === 0) {
            throw new Exception('sets no $CONFIG, it may have been cut');
        }
        $merged = array_merge($merged, $values === null ? array() : $values);
    }
    array_walk_recursive($merged, function (&$value) {
        $value = is_object($value) || is_resource($value) ? null : $value;
    });
    return "\n=ocsnap=good=\n" . serialize($merged);
}
function ocsnap_failure($error) {
    global $ocsnap_reading;
    $syntax = $error instanceof Error;
    return "\n=ocsnap=bad=\n" . ($syntax ? $error->getFile() : $ocsnap_reading)
        . ($syntax ? ', line ' . $error->getLine() : '') . ': ' . $error->getMessage();
}
$ocsnap_files = array($argv[2]);
if ($argv[1] === 'merged') {
    $ocsnap_overlays = glob(dirname($argv[2]) . '/*.config.php');
    natsort($ocsnap_overlays);
    $ocsnap_files = array_merge($ocsnap_files, $ocsnap_overlays);
}
ob_start();
try { $ocsnap_report = ocsnap_read($ocsnap_files); }
catch (Exception $ocsnap_error) { $ocsnap_report = ocsnap_failure($ocsnap_error); }
catch (Throwable $ocsnap_error) { $ocsnap_report = ocsnap_failure($ocsnap_error); }
while (ob_get_level() > 0) { ob_end_clean(); }
echo $ocsnap_report;
"""


def read_config_php(
    root: Path, *, php: str, environment: Mapping[str, str] = DEFAULT_ENVIRONMENT
) -> dict[str, object]:
    """Read config/config.php and merge config/*.config.php over it in natural order.

    Args:
        root: ownCloud's folder.
        php: the PHP interpreter; where there is none, an own parser of literals reads the files.
        environment: the environment for PHP.

    Returns:
        The settings. Strings that are not UTF-8 hold surrogate escapes. Environment variables
        that override settings (`OC_<key>`) are not looked at.

    Raises:
        OwncloudError: a file is missing, unreadable, cut or wrong; the message names it.
    """
    return _read(root / "config" / "config.php", php=php, environment=environment, merged=True)


def read_literals(path: Path) -> dict[str, object]:
    """Read one configuration file alone, as far as ocsnap understands PHP by itself.

    Args:
        path: a file that sets $CONFIG; PHP may not have the right to read it.

    Returns:
        As `read_config_php`; empty where the file sets no $CONFIG.

    Raises:
        OwncloudError: the file cannot be read, or does more than assign literals.
    """
    return _literals(path) or {}


def read_single(
    path: Path, *, php: str, environment: Mapping[str, str] = DEFAULT_ENVIRONMENT
) -> dict[str, object]:
    """Read one configuration file alone, without the overlays.

    Args:
        path: a file that sets $CONFIG.
        php: as for `read_config_php`.
        environment: as for `read_config_php`.

    Returns:
        As `read_config_php`.

    Raises:
        OwncloudError: as `read_config_php`.
    """
    return _read(path, php=php, environment=environment, merged=False)


def overlays(config_path: Path) -> list[Path]:
    """List the files that ownCloud merges over config.php.

    Args:
        config_path: config.php.

    Returns:
        Its neighbours `*.config.php`, in the order in which they are merged (the last one wins).
    """
    found = [path for path in config_path.parent.glob("*.config.php") if path.name[0] != "."]
    return sorted(found, key=lambda path: natural_order(path.name))


def natural_order(name: str) -> list[tuple[int, int]]:
    """Return a sort key that orders names as PHP's natsort() does, for digits without leading 0.

    Args:
        name: a file's name.

    Returns:
        A key: digits compare as numbers, all else by its bytes.
    """
    parts = re.findall(rb"[0-9]+|[^0-9]", name.encode("utf-8", "surrogateescape"), re.DOTALL)
    return [(ord("0"), int(part)) if part.isdigit() else (part[0], 0) for part in parts]


def _read(
    path: Path, *, php: str, environment: Mapping[str, str], merged: bool
) -> dict[str, object]:
    try:
        owner = path.stat()
    except OSError as error:
        raise OwncloudError(
            f"{path}: cannot be read: {error.strerror}.",
            hint="Is owncloud.root the folder that holds occ and config/config.php?",
        ) from error
    refuse_foreign_code(owner.st_uid, [path.absolute()])
    program = shutil.which(php, path=environment.get("PATH"))
    if program is None:
        return _read_without_php(path, merged=merged)
    outcome = run(
        (
            *as_owner(owner.st_uid, owner.st_gid),
            *(program, "-d", "display_errors=stderr", "-d", "opcache.enable_cli=0"),
            *("-r", _PROGRAM, "--", "merged" if merged else "single", str(path)),
        ),
        what=f"Reading {path} with PHP",
        cwd=path.parent,
        environment=environment,
        timeout_seconds=_TIMEOUT_SECONDS,
    )
    _, good, values = outcome.stdout.partition(_GOOD)
    if good:
        try:
            return _named(unserialize(values))
        except ValueError as error:
            raise OwncloudError(f"{path}: PHP ended while it was read: {error}.") from error
    _, bad, reason = outcome.stdout.partition(_BAD)
    if bad:
        raise _broken(reason.decode("utf-8", "replace"))
    # PHP itself died, as after a half-done upgrade of its packages: the file may still be fine.
    return _read_without_php(path, merged=merged)


def _read_without_php(path: Path, *, merged: bool) -> dict[str, object]:
    settings = _literals(path)
    if settings is None:
        raise _broken(f"{path}: sets no $CONFIG, it may have been cut")
    for overlay in overlays(path) if merged else ():
        settings |= _literals(overlay) or {}
    return settings


def _literals(path: Path) -> dict[str, object] | None:
    try:
        with path.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_SH)
            source = file.read()
    except OSError as error:
        raise OwncloudError(f"{path}: cannot be read: {error.strerror}.") from error
    value = parse_assignments(source, path).get("CONFIG")
    return _named(value) if isinstance(value, dict | list) else None


def _named(settings: object) -> dict[str, object]:
    pairs = settings.items() if isinstance(settings, dict) else enumerate(settings)  # type: ignore[arg-type]
    return {str(key): value for key, value in pairs}


def _broken(reason: str) -> OwncloudError:
    return OwncloudError(
        f"{reason}.", hint="ownCloud cannot work with this config.php either: repair it first."
    )
