"""Two clusters on one machine: what one has set the other leaves, until it is put back."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from podsysctl.kernel import procsys
from podsysctl.kernel.journal import Journal
from podsysctl.node.tuning import files
from podsysctl.node.tuning.arbiter import Arbiter
from podsysctl.node.tuning.others import OtherClusters
from podsysctl.node.tuning.wish import Reason
from podsysctl.sysctls.name import SysctlName, parse_name
from tests.node_tuning.builders import no_dangers, wish

LEASE = parse_name("fs.lease-break-time")
STAT = parse_name("vm.dirtytime_expire_seconds")
BACKGROUND = parse_name("vm.dirty_background_bytes")
RATIO = parse_name("vm.dirty_background_ratio")

Originals = dict[SysctlName, str]


@contextmanager
def cluster(top: Path, name: str) -> Iterator[Arbiter]:
    """One cluster's arbiter, open, closed in the end."""
    data_dir = top / name
    data_dir.mkdir(exist_ok=True)
    found = Arbiter(data_dir, no_dangers, root=top / "none", shared=top / "shared")
    found.open()
    try:
        yield found
    finally:
        found.close()


def said(arbiter: Arbiter, node: str = "n") -> tuple[Reason, str] | None:
    """Reason and text of a node's refusal; None when it has what it wants."""
    verdict = arbiter.verdict(node)
    assert verdict is not None
    return None if verdict.refusal is None else (verdict.refusal.reason, verdict.refusal.text)


def test_parameter_of_another_cluster_is_refused_until_it_is_put_back(host: Originals, tmp_path: Path) -> None:
    """Even the same value: whoever goes first would take it from the other. Other parameters are free."""
    with cluster(tmp_path, "b") as second:
        with cluster(tmp_path, "a") as first:
            first.submit("n", wish("n", "[sysctl]\nfs.lease-break-time=44\n"))
            text = (
                f"another cluster of this machine, {tmp_path}/a, has set fs.lease-break-time to \"44\"; "
                "nothing of the profile is applied"
            )  # fmt: skip
            for value in ("43", "44"):
                second.submit("n", wish("n", f"[sysctl]\nfs.lease-break-time={value}\nvm.dirtytime_expire_seconds=3\n"))
                assert said(second) == (Reason.SHARED_KERNEL, text)
            second.submit("m", wish("m", "[sysctl]\nvm.dirtytime_expire_seconds=5\n"))
            assert said(second, "m") is None
            assert (procsys.read(LEASE), procsys.read(STAT)) == ("44", "5")
            second.submit("m", None)
            told: list[str] = []
            second.listen(told.append)
            second.watch_drift()
            assert told == []
        assert procsys.read(LEASE) == host[LEASE]
        second.watch_drift()
        assert told == ["n"]
        assert said(second) is None
        assert (procsys.read(LEASE), procsys.read(STAT)) == ("44", "3")
    assert (procsys.read(LEASE), procsys.read(STAT)) == (host[LEASE], host[STAT])
    assert not (tmp_path / "shared").exists()


def test_parameter_of_a_killed_cluster_stays_its_own_until_it_is_cleaned_up(host: Originals, tmp_path: Path) -> None:
    """Else its value would be taken for the machine's original; its next start or `down` frees it."""
    killed = tmp_path / "a"
    killed.mkdir()
    OtherClusters(killed, tmp_path / "shared").open()
    with Journal(str(files.Places(killed).journal)) as journal:
        procsys.write(LEASE, "44", journal=journal)
    with cluster(tmp_path, "b") as second:
        second.submit("n", wish("n", "[sysctl]\nfs.lease-break-time=43\n"))
        refused = said(second)
        assert refused is not None
        assert refused[0] is Reason.SHARED_KERNEL
        assert procsys.read(LEASE) == "44"
        danger = second.danger(wish("m", "[sysctl]\nfs.lease-break-time=43\n"))
        assert danger is not None
        assert danger.text == refused[1]
        files.restore(killed)
        OtherClusters(killed, tmp_path / "shared").close()
        second.watch_drift()
        assert procsys.read(LEASE) == "43"
    assert procsys.read(LEASE) == host[LEASE]


def test_parameter_that_tuned_has_set_for_another_cluster_is_refused(host: Originals, tmp_path: Path) -> None:
    """Its originals are in a journal of their own."""
    with cluster(tmp_path, "a"), cluster(tmp_path, "b") as second:
        with Journal(str(files.Places(tmp_path / "a").tuned_journal)) as journal:
            journal.record({LEASE: (host[LEASE], "44")})
        second.submit("n", wish("n", "[sysctl]\nfs.lease-break-time=43\n"))
        refused = said(second)
        assert refused is not None
        assert f"{tmp_path}/a, has set fs.lease-break-time" in refused[1]


def test_file_of_sys_of_another_cluster_is_refused(host: Originals, tmp_path: Path) -> None:
    """It has one original as well."""
    path = Path("/sys/kernel/mm/ksm/sleep_millisecs")
    if not path.exists():
        pytest.skip("this kernel has no kernel samepage merging")
    before = path.read_text()
    with cluster(tmp_path, "a") as first, cluster(tmp_path, "b") as second:
        first.submit("n", wish("n", f"[sysfs]\n{path}=21\n"))
        second.submit("n", wish("n", f"[sysfs]\n{str(path)[:-3]}*=22\n"))
        refused = said(second)
        assert refused is not None
        assert f'{tmp_path}/a, has set {path} to "21"' in refused[1]
        first.submit("n", None)
        second.watch_drift()
        assert path.read_text() == "22\n"
    assert path.read_text() == before


def test_partner_of_another_clusters_parameter_is_refused_as_well(host: Originals, tmp_path: Path) -> None:
    """The kernel makes one 0 when the other is set."""
    with cluster(tmp_path, "a") as first, cluster(tmp_path, "b") as second:
        first.submit("n", wish("n", "[sysctl]\nvm.dirty_background_ratio=11\n"))
        second.submit("n", wish("n", "[sysctl]\nvm.dirty_background_bytes=1048576\n"))
        refused = said(second)
        assert refused is not None
        assert "has set vm.dirty_background_" in refused[1]
        assert procsys.read(RATIO) == "11"


def test_journal_that_nobody_can_read_holds_nothing(host: Originals, tmp_path: Path) -> None:
    """Nothing can be put back from it, so no original is lost; a removed data directory likewise."""
    for name in ("a", "c"):
        (tmp_path / name).mkdir()
        OtherClusters(tmp_path / name, tmp_path / "shared").open()
    files.Places(tmp_path / "a").journal.write_text("not a record\n")
    (tmp_path / "c").rmdir()
    with cluster(tmp_path, "b") as second:
        second.submit("n", wish("n", "[sysctl]\nfs.lease-break-time=43\n"))
        assert said(second) is None


def test_journal_peek_sees_what_is_pending_and_takes_no_lock(host: Originals, tmp_path: Path) -> None:
    """Also while its owner has it open; what was put back, a torn last line and an earlier boot count for nothing."""
    path = tmp_path / "journal"
    assert Journal.peek(str(path)) == []
    with Journal(str(path)) as journal:
        journal.record({LEASE: ("45", "44"), STAT: ("1", "2")})
        journal.forget([STAT])
        assert [(r.name, r.original, r.wanted) for r in Journal.peek(str(path))] == [(LEASE, "45", "44")]
    text = path.read_text()
    path.write_text(text + '{"op": "for')
    assert [r.name for r in Journal.peek(str(path))] == [LEASE]
    head, _, rest = text.partition("\n")
    path.write_text(head.replace(head.split('"')[-2], "another-boot") + "\n" + rest)
    assert Journal.peek(str(path)) == []
