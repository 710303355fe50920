"""Puts the program `podsysctl-tuning` into a directory of CNI plugins.

    python -m podsysctl.cni.install /opt/cni/bin

The program is a few lines of Python that this interpreter runs without its site module, which halves its start. It
carries the allowlist that holds on a node without one, which would cost more to look up than all else of a call. Not
part of a call: this module may import what it likes.
"""

from __future__ import annotations

import argparse
import compileall
import importlib.util
import os
import sys
from pathlib import Path

import podsysctl
from podsysctl.policy import interface

NAME = "podsysctl-tuning"

_PROGRAM = """#!{interpreter} -IS
# The tuning CNI plugin of podsysctl. -I: nothing of the environment; -S: no site module, which is half of the start.
import sys

sys.path[:0] = {places!r}
from podsysctl.cni.plugin import run

# Holds where the node has no list of its own. Install again to renew it.
run({entries})
"""

_SHEBANG_BYTES = 255
"""The kernel reads no more of the first line (BINPRM_BUF_SIZE)."""


def text() -> str:
    """The program for this interpreter and this installation."""
    interpreter = os.path.realpath(sys.executable)
    places = [str(Path(podsysctl.__file__).parents[1])]
    engine = importlib.util.find_spec("re2")
    if engine is not None and engine.origin is not None:
        places.append(str(Path(engine.origin).parents[0 if engine.submodule_search_locations is None else 1]))
    line = f"#!{interpreter} -IS"
    if len(os.fsencode(line)) >= _SHEBANG_BYTES or any(character.isspace() for character in interpreter):
        raise ValueError(f"{interpreter} cannot stand in the first line of a script")
    entries = "".join(f"\n    {entry!r}," for entry in interface.default_allowlist())
    return _PROGRAM.format(interpreter=interpreter, places=list(dict.fromkeys(places)), entries=f"({entries}\n)")


def install(directory: Path, name: str = NAME) -> Path:
    """Write the program, or leave it when it is the same; its path. Raises OSError, ValueError."""
    directory.mkdir(parents=True, exist_ok=True)
    path = directory / name
    program = text().encode()
    if path.exists() and path.read_bytes() == program:
        return path
    temporary = path.with_name(f".{name}.new")
    temporary.write_bytes(program)
    temporary.chmod(0o755)
    temporary.replace(path)
    return path


def main() -> int:
    """The command: install into a directory, compiled beforehand so that no call has to."""
    parser = argparse.ArgumentParser(description="Install podsysctl-tuning into a directory of CNI plugins.")
    parser.add_argument("directory", type=Path, help="such as /opt/cni/bin")
    parser.add_argument("--name", default=NAME, help="the program's name; tuning takes upstream's place")
    args = parser.parse_args()
    package = Path(podsysctl.__file__).parent
    for part in ("cni", "base", "kernel", "policy", "sysctls"):
        compileall.compile_dir(package / part, quiet=1, maxlevels=0)
    compileall.compile_file(package / "__init__.py", quiet=1)
    try:
        path = install(args.directory, args.name)
    except (OSError, ValueError) as error:
        sys.stderr.write(f"error: {args.name} cannot be installed: {error}\n")
        return 1
    sys.stdout.write(f"{path}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
