from __future__ import annotations

from pathlib import Path

import pytest
from grpc_tools import protoc

from podsysctl import runtime

PACKAGE = Path(runtime.__file__).parent


@pytest.mark.parametrize("name", ["cri", "containerd_events", "containerd_tasks"])
def test_generated_messages_from_their_proto_are_the_committed_ones(tmp_path: Path, name: str) -> None:
    """Nobody edits generated code, and nobody forgets to generate it."""
    code = protoc.main(["protoc", f"-I{PACKAGE}", f"--python_out={tmp_path}", f"--pyi_out={tmp_path}", f"{name}.proto"])
    assert code == 0
    for suffix in ("py", "pyi"):
        assert (tmp_path / f"{name}_pb2.{suffix}").read_text() == (PACKAGE / f"{name}_pb2.{suffix}").read_text()
