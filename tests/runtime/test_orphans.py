from __future__ import annotations

from pathlib import Path

import pytest

from podsysctl.runtime import orphans


def _lease(directory: Path, address: str, owner: str) -> Path:
    path = directory / address
    path.write_text(f"{owner}\r\neth0")
    return path


def test_leases_of_unknown_owners_are_released(tmp_path: Path) -> None:
    """What the runtime knows keeps its address, and so do the plugin's own notes."""
    files = [_lease(tmp_path, "10.0.0.2", "known"), _lease(tmp_path, "10.0.0.3", "unknown")]
    files += [_lease(tmp_path, "last_reserved_ip.0", "10.0.0.3"), _lease(tmp_path, "lock", "")]
    assert orphans._release_addresses(files, {"known"}) == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["10.0.0.2", "last_reserved_ip.0", "lock"]


def test_lease_that_goes_while_it_is_looked_at_is_no_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its sandbox ends at this moment; an error would end the whole process."""
    lease = _lease(tmp_path, "10.0.0.2", "unknown")
    is_file = Path.is_file

    def released_meanwhile(path: Path) -> bool:
        found = is_file(path)
        path.unlink()
        return found

    monkeypatch.setattr(Path, "is_file", released_meanwhile)
    assert orphans._release_addresses([lease], set()) == 0
