"""What a restore has done."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass
class RestoreReport:
    """What was restored.

    Attributes:
        files: entries of all kinds.
        size_bytes: sizes of the regular files.
        failed: paths that could not be restored, or not whole.
        left_out: sockets, and devices unless they were asked for.
        reused_files: regular files that were taken from what stands there.
        reused_bytes: their sizes.
    """

    files: int = 0
    size_bytes: int = 0
    reused_files: int = 0
    reused_bytes: int = 0
    failed: list[str] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)

    def add(self, other: RestoreReport) -> None:
        """Add what another restore did."""
        self.files += other.files
        self.size_bytes += other.size_bytes
        self.reused_files += other.reused_files
        self.reused_bytes += other.reused_bytes
        self.failed += other.failed
        self.left_out += other.left_out
