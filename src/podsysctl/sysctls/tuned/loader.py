"""Finds a profile and all that it includes, as TuneD does: included ones first, each text once.

Profiles live in directories; of two with one name the one in the later directory wins, and it may include its own
name to get the earlier. Where the texts come from is the caller's: objects of the API, this program's own, or files.
Merging is `merger.py`. Source: tuned profiles/loader.py and locator.py, daemon/daemon.py for the texts.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from podsysctl.base import limits
from podsysctl.sysctls.tuned import parser
from podsysctl.sysctls.tuned.plan import Place, ProfileError

_SAFE_NAME = re.compile(r"[a-zA-Z0-9_.-]+")
_SEPARATOR = re.compile(r"[,;]")
_PROFILE_DIR = re.compile(r"(?<!\\)\$\{i:PROFILE_DIR\}")

Expand = Callable[[str], str]


@dataclass(frozen=True, slots=True)
class Directory:
    """Profiles by name, and the path that TuneD's messages call them by."""

    path: str
    profiles: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Text:
    """A value as it is written, and where."""

    value: str
    place: Place


@dataclass(frozen=True, slots=True)
class Profile:
    """One profile's sections, keys in order."""

    name: str
    sections: Mapping[str, Mapping[str, Text]]


@dataclass(slots=True)
class _Search:
    directories: Sequence[Directory]
    expand: Expand
    loaded: list[tuple[int, str]] = field(default_factory=list)
    profiles: list[Profile] = field(default_factory=list)


class _Refused(Exception):
    """What TuneD calls InvalidProfileException; the hint is ours."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


def load(names: str, directories: Sequence[Directory], expand: Expand) -> list[Profile]:
    """The profiles in the order in which they are merged, the chosen ones last.

    `names` may hold several, separated by white space; of the directories the later ones win; `expand` evaluates
    functions in an include. Raises ProfileError in TuneD's words.
    """
    wanted = names.split()
    for name in wanted or [names]:
        if not any(_holds(directory, name) for directory in directories):
            raise ProfileError(f"Requested profile '{name}' doesn't exist.")
    search = _Search(directories, expand)
    try:
        wanted = [name for name in wanted if _SAFE_NAME.fullmatch(name)]
        if not wanted:
            raise _Refused("No profile or invalid profiles were specified.")
        for name in wanted:
            _load(search, name, 0)
    except _Refused as error:
        text = f"Cannot load profile(s) '{' '.join(names.split())}': {error}"
        raise ProfileError(text, hint=error.hint) from error
    return search.profiles


def refused(names: str, message: str) -> ProfileError:
    """The error of a profile that was found and is refused for what it says."""
    return ProfileError(f"Cannot load profile(s) '{' '.join(names.split())}': {message}")


def _load(search: _Search, name: str, depth: int) -> None:
    found = _find(search, name)
    if found is None:
        return
    directory = search.directories[found[0]]
    search.loaded.append(found)
    if len(search.loaded) > limits.TUNED_PROFILES or depth > limits.TUNED_INCLUDE_DEPTH:
        raise _Refused(
            f"Profile '{found[1]}' is one include too many.",
            f"at most {limits.TUNED_PROFILES} profiles, {limits.TUNED_INCLUDE_DEPTH} deep",
        )
    profile = _read(directory, found[1])
    include = profile.sections.get("main", {}).get("include")
    if include is not None:
        # TuneD reads includes before variables, so only functions mean something here.
        for part in _SEPARATOR.split(search.expand(include.value)):
            try:
                _load(search, part.strip() if part else part, depth + 1)
            except _Refused as error:
                late = "; variables are read after includes" if "${" in part else ""
                error.hint = error.hint or f"it is included by {include.place}{late}"
                raise
    search.profiles.append(profile)


def _find(search: _Search, name: str) -> tuple[int, str] | None:
    optional = name.startswith("-")
    base = name.removeprefix("-").rpartition("/")[2]
    skipped = False
    for index in range(len(search.directories) - 1, -1, -1):
        if (index, base) in search.loaded:
            skipped = True
        elif _holds(search.directories[index], base):
            return index, base
    if optional or skipped:
        return None
    paths = [directory.path for directory in reversed(search.directories)]
    raise _Refused(f"Cannot find profile '{name}' in '{paths}'.")


def _holds(directory: Directory, name: str) -> bool:
    return name not in ("", ".", "..") and name in directory.profiles


def _read(directory: Directory, name: str) -> Profile:
    text = parser.parse(directory.profiles[name])
    path = f"{directory.path}/{name}"
    if text.bad:
        hint = "; ".join(f"profile {name}, {bad}" for bad in text.bad[:3])
        raise _Refused(f"Cannot parse '{path}/tuned.conf'.", hint)
    sections: dict[str, dict[str, Text]] = {}
    for section, keys in text.sections().items():
        sections[section] = {
            key: Text(_PROFILE_DIR.sub(lambda _: path, item.value), Place(name, section, key, item.line))
            for key, item in keys.items()
        }
    return Profile(name, sections)
