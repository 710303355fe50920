"""Lifecycle hooks that fail."""

from __future__ import annotations

from typing import Any, cast

import pytest

from podsysctl.base import limits
from podsysctl.node import hooks
from podsysctl.runtime.service import ExecResult
from tests.node.builders import container, pod


class _Runtime:
    """Every command fails with this output."""

    def __init__(self, stdout: bytes, stderr: bytes) -> None:
        self.result = ExecResult(stdout, stderr, 1)

    async def exec_sync(self, _container_id: str, _command: list[str]) -> ExecResult:
        return self.result


async def _failure(stdout: bytes, stderr: bytes) -> str:
    with pytest.raises(hooks.HookError) as caught:
        await hooks.run(cast(Any, _Runtime(stdout, stderr)), pod(), container(), "id", {"exec": {"command": ["x"]}}, "")
    return str(caught.value)


async def test_hook_that_fails_is_told_with_its_output() -> None:
    """In the kubelet's words."""
    assert (await _failure(b"out", b"err")).endswith("error: command 'x' exited with 1: err, message: 'outerr'")


async def test_output_of_a_hook_is_bounded() -> None:
    """It stands in the status of the pod: one that is too large for the API is never written."""
    text = await _failure(b"", b"\xff" * limits.REQUEST_BODY_BYTES)
    assert len(text.encode()) < limits.REQUEST_BODY_BYTES // 10
