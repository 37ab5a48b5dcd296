"""What the tables of the configuration file are made of."""

from __future__ import annotations

from typing import Annotated

import msgspec

Text = Annotated[str, msgspec.Meta(min_length=1)]
Port = Annotated[int, msgspec.Meta(ge=1, le=65535)]
# TOML knows `inf`; users would be locked out for ever.
Patience = Annotated[float, msgspec.Meta(ge=0, le=3600)]
# As `ocsnap.repository.retention` reads it.
Duration = Annotated[str, msgspec.Meta(pattern=r"^(\d+[hdwmy])+\Z")]
Command = Annotated[tuple[Text, ...], msgspec.Meta(min_length=1)]


class Section(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A table of the file: an unknown key is an error, never ignored."""
