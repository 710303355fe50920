"""The profiles that every node knows without an object: OpenShift's and those of TuneD that they include.

One file a profile in `profiles/`, read once at import. A node's own profile of the same name goes before.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Final

_DIRECTORY: Final = Path(__file__).parent / "profiles"

PROFILES: Final[Mapping[str, str]] = MappingProxyType(
    {path.stem: path.read_text(encoding="utf-8") for path in sorted(_DIRECTORY.glob("*.conf"))}
)
"""Texts by name."""
