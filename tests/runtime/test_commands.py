from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from podsysctl.runtime import commands
from podsysctl.runtime.commands import CommandError


async def test_program_that_is_missing_or_none_is_told(tmp_path: Path) -> None:
    """Whoever asks for a command expects one kind of error."""
    with pytest.raises(CommandError, match="none is not installed"):
        await commands.run(tmp_path / "none")
    (tmp_path / "text").write_text("no program")
    with pytest.raises(CommandError, match="text cannot be started: Permission denied"):
        await commands.run(tmp_path / "text")


async def test_machine_without_processes_left_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """A pod without a limit may take them all; what watches the runtime must go on."""

    async def create(*_: Any, **__: Any) -> Any:
        raise BlockingIOError(11, "Resource temporarily unavailable")

    monkeypatch.setattr(asyncio, "create_subprocess_exec", create)
    with pytest.raises(CommandError, match="ip cannot be started: Resource temporarily unavailable"):
        await commands.run("ip", "link")
