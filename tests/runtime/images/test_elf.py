from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from podsysctl.runtime.images import elf, pause


@pytest.mark.parametrize("name", ["bash", "sysctl", "ip", "tar", "grep"])
def test_libraries_of_a_program_are_those_the_loader_finds(name: str) -> None:
    """The same as the dynamic loader says itself."""
    program = next(
        (p for p in (Path("/usr/bin", name), Path("/usr/sbin", name), Path("/bin", name)) if p.exists()), None
    )
    if program is None:
        pytest.skip(f"{name} is not installed")
    found = elf.read_elf(program)
    assert found is not None
    said = subprocess.run([found.interpreter, "--list", program], capture_output=True, text=True, check=True).stdout
    listed = {match[1]: Path(match[2]).resolve() for match in re.finditer(r"(\S+) => (\S+) \(", said)}
    ours = elf.libraries([program])
    assert ours.pop(Path(found.interpreter).name) == Path(found.interpreter).resolve()
    assert ours == {Path(key).name: value for key, value in listed.items() if Path(key).name in ours}
    assert set(ours) == {Path(key).name for key in listed} - {Path(found.interpreter).name}


def test_elf_of_a_static_program_needs_nothing(tmp_path: Path) -> None:
    """No interpreter and no libraries."""
    program = pause.program("x86_64")
    assert program is not None
    (tmp_path / "pause").write_bytes(program)
    found = elf.read_elf(tmp_path / "pause")
    assert found == elf.Elf(machine=62, bits=64, interpreter="", needed=(), search=())
    assert elf.libraries([tmp_path / "pause"]) == {}


@pytest.mark.parametrize(
    "data", [b"", b"#!/bin/sh\n", b"\x7fELF", b"\x7fELF\x02\x01\x01" + bytes(80), b"\x7fELF" + b"\xff" * 200]
)
def test_elf_of_what_is_none_or_cut_short_is_none(tmp_path: Path, data: bytes) -> None:
    """Scripts and broken files need no libraries."""
    (tmp_path / "file").write_bytes(data)
    found = elf.read_elf(tmp_path / "file")
    assert found is None or found.needed == ()


def test_library_directories_follow_includes_of_the_configuration(tmp_path: Path) -> None:
    """ld.so.conf names directories and further files."""
    (tmp_path / "lib").mkdir()
    (tmp_path / "more.conf").write_text(f"# comment\n{tmp_path}/lib\n/does/not/exist\n")
    (tmp_path / "ld.so.conf").write_text(f"include {tmp_path}/*.conf\n")
    assert elf.library_directories(tmp_path / "ld.so.conf")[0] == tmp_path / "lib"
