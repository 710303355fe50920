"""Fixtures of the API server's tests."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.apiserver.api import Api, running


@pytest.fixture
async def api(tmp_path: Path) -> AsyncIterator[Api]:
    """A fresh server."""
    async with running(tmp_path / "data") as made:
        yield made


@pytest.fixture
def kubectl(api: Api) -> Api:
    """The same, for tests that drive the real kubectl."""
    if shutil.which("kubectl") is None:
        pytest.skip("kubectl is not installed")
    return api
