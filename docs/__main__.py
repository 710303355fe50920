"""`./run docs`: write the pages that are made from the program; `--check` only tells which are not up to date."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from docs import metrics_text

from podsysctl.cli import reference
from podsysctl.policy.lint import pages
from podsysctl.policy.lint.rules import RULES

DOCS = Path(__file__).resolve().parent
Pages = Mapping[str, str]


def rule_pages() -> Pages:
    """A page for each rule of `podsysctl check`, and their table."""
    return {"rules/README.md": pages.index(), **{f"rules/{rule.id}.md": pages.page(rule) for rule in RULES}}


def command_page() -> Pages:
    """Every command with its arguments."""
    return {"commands.md": reference.page()}


def metrics_page() -> Pages:
    """How to read the metrics, and all of them."""
    return {"metrics.md": metrics_text.page()}


GENERATORS: tuple[Callable[[], Pages], ...] = (rule_pages, command_page, metrics_page)
"""Each makes pages by their path below docs/."""


def outdated() -> Pages:
    """Pages whose file differs or is missing."""
    made = {path: text for generate in GENERATORS for path, text in generate().items()}
    return {path: text for path, text in made.items() if _present(DOCS / path) != text}


def _present(path: Path) -> str | None:
    return path.read_text() if path.is_file() else None


def main(words: list[str]) -> int:
    """Write, or with --check compare; 1 when something is not up to date."""
    pages_to_write = outdated()
    for path, text in pages_to_write.items():
        print(f"docs/{path}")
        if "--check" not in words:
            (DOCS / path).parent.mkdir(exist_ok=True)
            (DOCS / path).write_text(text)
    return 1 if pages_to_write and "--check" in words else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
