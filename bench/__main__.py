"""`./run bench [NAME ...]`: run the benchmarks and print a table in Markdown."""

from __future__ import annotations

import platform
import sys
from importlib import import_module
from pathlib import Path

from bench import Row

NAMES = tuple(sorted(path.stem for path in Path(__file__).parent.glob("*.py") if not path.stem.startswith("_")))


def main(words: list[str]) -> int:
    """Run what was asked for; 2 for a name that is none."""
    unknown = [word for word in words if word not in NAMES]
    if unknown:
        print(f"error: no benchmark is called {unknown[0]}\n\nhint: there are {', '.join(NAMES)}", file=sys.stderr)
        return 2
    print(f"Linux {platform.release()}, {platform.machine()}, Python {platform.python_version()}\n", flush=True)
    print("| what | podsysctl | beside it | target |\n|---|---|---|---|", flush=True)
    for name in words or NAMES:
        for row in import_module(f"bench.{name}").run():
            print(_line(row), flush=True)
    return 0


def _line(row: Row) -> str:
    return f"| {row.what} | {row.ours} | {row.peer} | {row.target} |"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
