"""Which shared libraries a program needs, read from the files themselves, without running anything.

Step: before the toolbox image is written. The rules are those of ld.so(8) for a program started with a clean
environment, as far as distributions use them: PT_INTERP, DT_NEEDED, DT_RPATH and DT_RUNPATH with $ORIGIN, the
directories of ld.so.conf, then the built-in ones. Formats: elf(5).
"""

from __future__ import annotations

import glob
import struct
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

_MAGIC = b"\x7fELF"
_PT_LOAD, _PT_DYNAMIC, _PT_INTERP = 1, 2, 3
_DT_NEEDED, _DT_STRTAB, _DT_RPATH, _DT_RUNPATH = 1, 5, 15, 29
_CONFIGURATION_DEPTH = 4


@dataclass(frozen=True, slots=True)
class Elf:
    """What the loader reads of one file. `machine` and `bits` tell whether two files can be mixed."""

    machine: int
    bits: int
    interpreter: str
    needed: tuple[str, ...]
    search: tuple[str, ...]


def read_elf(path: Path) -> Elf | None:
    """The loader's view of a file; None when it is no ELF file (a script, data) or is cut short."""
    data = path.read_bytes()
    try:
        return _parse(data, path)
    except (struct.error, IndexError, ValueError, UnicodeDecodeError):
        return None


def libraries(programs: Iterable[Path], directories: Iterable[Path] | None = None) -> dict[str, Path]:
    """Every library the programs need, by the name the loader asks for, interpreters included.

    A library that is nowhere to be found is left out: the program says so itself when it is started.
    """
    standard = tuple(library_directories() if directories is None else directories)
    found: dict[str, Path] = {}
    waiting = list(programs)
    seen: set[Path] = set()
    while waiting:
        path = waiting.pop()
        if path in seen:
            continue
        seen.add(path)
        elf = read_elf(path)
        if elf is None:
            continue
        if elf.interpreter and Path(elf.interpreter).exists():
            found.setdefault(Path(elf.interpreter).name, Path(elf.interpreter).resolve())
        for name in elf.needed:
            if name not in found:
                library = _locate(name, elf, standard)
                if library is not None:
                    found[name] = library
                    waiting.append(library)
    return found


def library_directories(configuration: Path = Path("/etc/ld.so.conf")) -> list[Path]:
    """Directories of ld.so.conf and the built-in ones, existing and without repeats, in search order."""
    names = [*_configured(configuration, _CONFIGURATION_DEPTH)]
    names += [*sorted(glob.glob("/usr/lib/*-linux-gnu*")), *sorted(glob.glob("/lib/*-linux-gnu*"))]
    names += ["/lib64", "/usr/lib64", "/lib", "/usr/lib"]
    existing = (Path(name).resolve() for name in names if Path(name).is_dir())
    return list(dict.fromkeys(existing))


def _configured(path: Path, depth: int) -> list[str]:
    if depth == 0 or not path.is_file():
        return []
    out: list[str] = []
    for raw in path.read_text(errors="replace").splitlines():
        line = raw.partition("#")[0].strip()
        if line.startswith("include"):
            for name in sorted(glob.glob(line.partition("include")[2].strip())):
                out += _configured(Path(name), depth - 1)
        elif line.startswith("/"):
            out.append(line)
    return out


def _locate(name: str, wanted: Elf, standard: tuple[Path, ...]) -> Path | None:
    for directory in (*map(Path, wanted.search), *standard):
        candidate = directory / name
        if candidate.is_file():
            elf = read_elf(candidate)
            if elf is not None and (elf.machine, elf.bits) == (wanted.machine, wanted.bits):
                return candidate.resolve()
    return None


def _parse(data: bytes, path: Path) -> Elf | None:
    if data[:4] != _MAGIC:
        return None
    bits, order = 64 if data[4] == 2 else 32, "<" if data[5] == 1 else ">"
    machine = struct.unpack_from(f"{order}H", data, 18)[0]
    segments = _segments(data, order, bits)
    interpreter, dynamic = "", b""
    for kind, start, _address, size in segments:
        if kind == _PT_INTERP:
            interpreter = data[start : start + size].rstrip(b"\0").decode()
        elif kind == _PT_DYNAMIC:
            dynamic = data[start : start + size]
    pair = struct.Struct(f"{order}qQ" if bits == 64 else f"{order}iI")
    entries = list(pair.iter_unpack(dynamic[: len(dynamic) // pair.size * pair.size]))
    strings = next((_file_offset(segments, value) for tag, value in entries if tag == _DT_STRTAB), 0)
    needed = tuple(_string(data, strings + value) for tag, value in entries if tag == _DT_NEEDED)
    paths = [_string(data, strings + value) for tag, value in entries if tag in (_DT_RPATH, _DT_RUNPATH)]
    return Elf(machine, bits, interpreter, needed, _search(paths, path.parent))


def _search(paths: list[str], origin: Path) -> tuple[str, ...]:
    parts = (part for text in paths for part in text.split(":"))
    spelled = (part.replace("${ORIGIN}", "$ORIGIN").replace("$ORIGIN", str(origin)) for part in parts)
    return tuple(part for part in spelled if part.startswith("/"))


def _segments(data: bytes, order: str, bits: int) -> list[tuple[int, int, int, int]]:
    """Kind, file offset, address and size in the file of every program header."""
    if bits == 64:
        at = struct.unpack_from(f"{order}Q", data, 32)[0]
        step, count = struct.unpack_from(f"{order}HH", data, 54)
        row = struct.Struct(f"{order}I4xQQ8xQ")
    else:
        at = struct.unpack_from(f"{order}I", data, 28)[0]
        step, count = struct.unpack_from(f"{order}HH", data, 42)
        row = struct.Struct(f"{order}III4xI")
    return [row.unpack_from(data, at + index * step) for index in range(count)]


def _file_offset(segments: list[tuple[int, int, int, int]], address: int) -> int:
    for kind, start, base, size in segments:
        if kind == _PT_LOAD and base <= address < base + size:
            return start + address - base
    raise ValueError("an address outside the file")


def _string(data: bytes, at: int) -> str:
    return data[at : data.index(b"\0", at)].decode()
