"""The profiles of a TuneD that is installed on this machine, as files: which there are, what the active one asks for.

Only reads. What the texts mean is `sysctls/tuned`.
"""

from __future__ import annotations

from pathlib import Path

from podsysctl.kernel.machine_facts import read_machine_facts
from podsysctl.sysctls.tuned import build
from podsysctl.sysctls.tuned.loader import Directory
from podsysctl.sysctls.tuned.plan import Place, Plan, ProfileError

DIRECTORIES = (
    "usr/lib/tuned",
    "usr/lib/tuned/profiles",
    "etc/tuned",
    "etc/tuned/profiles",
    "var/lib/ocp-tuned/profiles",
)
"""Where profiles are, the later ones winning: those of TuneD before and since 2.23, and of OpenShift's nodes."""


def directories(root: Path = Path("/")) -> tuple[Directory, ...]:
    """All profiles that can be read, by directory."""
    return tuple(Directory(str(root / name), _profiles(root / name)) for name in DIRECTORIES)


def active(root: Path = Path("/")) -> str:
    """The names of the profiles that TuneD was last told to apply, empty when there are none."""
    return _text(root / "etc/tuned/active_profile").strip()


def plan_of_active(root: Path = Path("/")) -> Plan | None:
    """What the active profiles ask for; None when there are none, or TuneD refuses them and so applies nothing."""
    names = active(root)
    if not names:
        return None
    try:
        return build.build(names, directories(root), read_machine_facts(root))
    except ProfileError:
        return None


def where(place: Place, root: Path = Path("/")) -> str:
    """The file and section of a place, for people."""
    for name in reversed(DIRECTORIES):
        file = root / name / place.profile / "tuned.conf"
        if file.is_file():
            return f"{file} [{place.section}]"
    return f"{place.profile} [{place.section}]"


def _profiles(directory: Path) -> dict[str, str]:
    return {file.parent.name: _text(file) for file in sorted(directory.glob("*/tuned.conf"))}


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
