"""The toolbox image: which of the machine's own files it holds, and where they stand in it.

A machine without a registry still has a shell, coreutils, procps and iproute2; that is all the pods of a first
try need. `toolbox.toml` lists the commands. Programs keep their names, so that one file that serves many
(busybox, uutils) still knows which it is; libraries go to the directory that the loader searches by itself.
"""

from __future__ import annotations

import json
import os
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from importlib import resources
from pathlib import Path

from podsysctl.base.errors import PodsysctlError
from podsysctl.runtime.images import archive, elf, pause
from podsysctl.runtime.images.aliases import PAUSE, TOOLBOX
from podsysctl.runtime.images.archive import Entry, ImageConfig

LAYOUT_VERSION = 1
"""Counted up when the same files would make another image."""

_SEARCH = ("/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin")
_MERGED = ("bin", "sbin", "lib", "lib32", "lib64", "libx32")
_PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_TERMINFO = ("/etc/terminfo", "/lib/terminfo", "/usr/share/terminfo")

_TEXTS = {
    "etc/passwd": "root:x:0:0:root:/root:/bin/bash\nnobody:x:65534:65534:nobody:/:/bin/false\n",
    "etc/group": "root:x:0:\nnogroup:x:65534:\n",
    "etc/nsswitch.conf": "passwd: files\ngroup: files\nhosts: files dns\n",
    "etc/os-release": 'ID=podsysctl-toolbox\nNAME="podsysctl toolbox"\nPRETTY_NAME="podsysctl toolbox"\n',
}
_DIRECTORIES = {
    "": ("dev", "etc", "home", "mnt", "opt", "proc", "run", "srv", "sys", "usr", "usr/local", "var", "var/log"),
    "sticky": ("tmp", "var/tmp"),
    "private": ("root",),
}


@dataclass(frozen=True, slots=True)
class Contents:
    """The machine's files that an image was or will be made of, each with its size and time of change."""

    files: dict[str, tuple[int, int]]

    def to_json(self) -> str:
        """A text that is equal when the image would be."""
        return json.dumps({"layout": LAYOUT_VERSION, "files": self.files}, sort_keys=True)


@cache
def _table() -> dict[str, list[str]]:
    return tomllib.loads(resources.files(__package__).joinpath("toolbox.toml").read_text())


def find_commands() -> dict[str, Path]:
    """The machine's commands by name. Raises PodsysctlError when a required one is missing."""
    found: dict[str, Path] = {}
    for name in (*_table()["required"], *_table()["commands"]):
        for place in _SEARCH:
            path = Path(place, name)
            if path.is_file() and os.access(path, os.X_OK):
                found[name] = path
                break
    missing = [name for name in _table()["required"] if name not in found]
    if missing:
        raise PodsysctlError(
            f"the toolbox image needs {', '.join(missing)}, and this machine lacks them",
            hint="install bash and coreutils",
        )
    return found


def contents() -> Contents:
    """The commands as they are now; equal to an earlier result when a new image would be the same."""
    files = {}
    for path in find_commands().values():
        state = path.stat()
        files[str(path)] = (state.st_size, state.st_mtime_ns)
    return Contents(files)


def build(target: Path) -> None:
    """Write the archive with both images, toolbox and pause. Takes about a third of a second; run it in a thread."""
    toolbox_layer = archive.layer(_entries())
    toolbox = ImageConfig(command=("/bin/bash",), environment=(_PATH,))
    program = pause.program()
    if program is None:
        pause_image = (
            (toolbox_layer,),
            ImageConfig(entrypoint=("/bin/bash", "-c", pause.SCRIPT), environment=(_PATH,)),
        )
    else:
        pause_layer = archive.layer({pause.PATH.lstrip("/"): archive.regular(program, 0o755)})
        pause_image = ((pause_layer,), ImageConfig(entrypoint=(pause.PATH,), environment=(_PATH,)))
    target.parent.mkdir(parents=True, exist_ok=True)
    archive.write_archive(target, {TOOLBOX: ((toolbox_layer,), toolbox), PAUSE: pause_image})


def _entries() -> dict[str, Entry]:
    out: dict[str, Entry] = {}
    for kind, paths in _DIRECTORIES.items():
        mode = {"sticky": 0o1777, "private": 0o700}.get(kind, 0o755)
        out |= {path: archive.directory(mode) for path in paths}
    for name in _MERGED:
        if name in ("bin", "sbin", "lib") or Path("/", name).exists():
            out[name] = archive.symlink(f"usr/{name}")
            out[f"usr/{name}"] = archive.directory()
    out |= {path: archive.regular(text.encode()) for path, text in _TEXTS.items()}
    programs: set[Path] = set()
    for name, path in find_commands().items():
        programs.add(_add_command(out, name, path))
    loader = _loader(programs)
    for name, path in elf.libraries(sorted(programs)).items():
        _add_library(out, name, path, loader)
    _add_terminals(out)
    return _with_parents(out)


def _merged(path: Path) -> str:
    """Where a file of the machine stands in the image, relative, with /bin as /usr/bin and so on."""
    text = str(path).lstrip("/")
    return f"usr/{text}" if text.split("/", 1)[0] in _MERGED else text


def _add_command(out: dict[str, Entry], name: str, path: Path) -> Path:
    real = path.resolve()
    if _is_library_of_commands(real):
        place = _merged(real)
        out.setdefault(f"usr/bin/{name}", archive.symlink(f"/{place}"))
    else:
        place = f"usr/bin/{name}"
    out[place] = archive.regular(real, 0o755)
    return real


def _is_library_of_commands(real: Path) -> bool:
    """Whether one program serves many names, so that it is stored once and linked to."""
    return real.name in ("busybox", "coreutils", "toybox")


def _loader(programs: Iterable[Path]) -> Path:
    """The dynamic loader that the programs name; its own directory is searched without any configuration."""
    read = (elf.read_elf(path) for path in sorted(programs))
    return next((Path(found.interpreter) for found in read if found and found.interpreter), Path("/lib/ld.so"))


def _add_library(out: dict[str, Entry], name: str, path: Path, loader: Path) -> None:
    place = f"{_merged(loader.resolve().parent)}/{name}"
    out[place] = archive.regular(path, 0o755)
    if loader.name == name and _merged(loader) != place:
        out[_merged(loader)] = archive.symlink(f"/{place}")


def _add_terminals(out: dict[str, Entry]) -> None:
    for name in _table()["terminals"]:
        for place in _TERMINFO:
            path = Path(place, name[0], name)
            if path.is_file():
                out[f"usr/share/terminfo/{name[0]}/{name}"] = archive.regular(path)
                break


def _with_parents(entries: dict[str, Entry]) -> dict[str, Entry]:
    out = dict(entries)
    for path in entries:
        for parent in Path(path).parents:
            if str(parent) != ".":
                out.setdefault(str(parent), archive.directory())
    return out
