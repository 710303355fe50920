"""`./run docs`: writes the reference pages anew, each made by the module that knows its subject."""

from __future__ import annotations

import sys
from importlib import import_module
from pathlib import Path

PAGES = {"commands.md": "podsysctl.cli.reference"}
"""File and module; the module's `page()` is the file's text."""


def main() -> int:
    """Write every page; say which ones changed."""
    for name, module in PAGES.items():
        path = Path(__file__).with_name(name)
        text = import_module(module).page()
        if not path.exists() or path.read_text() != text:
            path.write_text(text)
            print(f"docs/{name} written")
    return 0


if __name__ == "__main__":
    sys.exit(main())
