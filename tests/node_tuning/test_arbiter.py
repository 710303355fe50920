"""What several nodes of one kernel get, and how values come and go: on the host's own harmless parameters."""

from __future__ import annotations

import os
import resource
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from podsysctl.base import limits
from podsysctl.base.clock import FakeClock
from podsysctl.cli import sysctl_origin_nodes
from podsysctl.kernel import procsys
from podsysctl.kernel.journal import Journal
from podsysctl.node.tuning import files
from podsysctl.node.tuning.arbiter import Arbiter
from podsysctl.node.tuning.wish import Reason, Verdict
from podsysctl.sysctls.name import SysctlName, parse_name
from podsysctl.sysctls.tuned import guard
from podsysctl.sysctls.tuned.guard import PodNetworking
from podsysctl.sysctls.tuned.plan import Plan
from tests.node_tuning import builders
from tests.node_tuning.builders import wish

LEASE = parse_name("fs.lease-break-time")
STAT = parse_name("vm.dirtytime_expire_seconds")
EXPIRE = parse_name("vm.dirty_expire_centisecs")
QUEUED = parse_name("fs.inotify.max_queued_events")
BACKGROUND = parse_name("vm.dirty_background_bytes")
RATIO = parse_name("vm.dirty_background_ratio")

Originals = dict[SysctlName, str]


@pytest.fixture
def arbiter(host: Originals, tmp_path: Path) -> Iterator[Arbiter]:
    """An open arbiter, closed in the end."""
    found = builders.arbiter(tmp_path)
    found.open()
    yield found
    found.close()


PLACE = "profile p, section [sysctl], fs.lease-break-time"


def origins(data_dir: Path, name: SysctlName) -> list[tuple[str, str, str]]:
    """What `sysctl origin` reads of the process's own notes."""
    return [(item.kind, item.where, item.value) for item in sysctl_origin_nodes.of_profiles(name, data_dir)]


def verdict(arbiter: Arbiter, node: str) -> Verdict:
    """A node's verdict, which there must be."""
    found = arbiter.verdict(node)
    assert found is not None
    return found


def refusal(arbiter: Arbiter, node: str) -> tuple[Reason, str]:
    """Reason and text of a refusal, which there must be."""
    found = verdict(arbiter, node).refusal
    assert found is not None
    return found.reason, found.text


def test_sections_that_set_one_parameter_come_to_what_applying_all_would(arbiter: Arbiter, host: Originals) -> None:
    """A guard looks at the value that the section before it left, not at the machine's."""
    text = "[sysctl]\nfs.lease-break-time=50\n[later]\ntype=sysctl\nfs.lease-break-time=>46\n"
    arbiter.submit("a", wish("a", text))
    assert procsys.read(LEASE) == "50"
    arbiter.submit("a", wish("a", text.replace(">46", "<47")))
    assert procsys.read(LEASE) == "47"
    low, high = int(host[LEASE]) + 5, int(host[LEASE]) + 9
    text = f"[sysctl]\nfs.lease-break-time=>{low}\n[later]\ntype=sysctl\nfs.lease-break-time=<{high}\n"
    arbiter.submit("a", wish("a", text))
    assert procsys.read(LEASE) == str(low)


def test_guard_against_breaking_pods_sees_requirements(host: Originals, tmp_path: Path) -> None:
    """What a requirement would make of a parameter is judged like a value; nothing is written."""

    def dangers(plan: Plan) -> Sequence[object]:
        return guard.dangers(plan, PodNetworking(bridge="br0"))

    found = Arbiter(tmp_path, dangers, root=tmp_path / "none", shared=tmp_path / "shared")
    found.open()
    try:
        forwarding = procsys.read(parse_name("net.ipv4.ip_forward"))
        found.submit("a", wish("a", "[sysctl]\nfs.lease-break-time=44\n[requirements]\nnet.ipv4.ip_forward = <=0\n"))
        reason, text = refusal(found, "a")
        assert reason is Reason.NETWORKING
        assert "would break pod networking: the host no longer forwards IPv4" in text
        assert (procsys.read(LEASE), procsys.read(parse_name("net.ipv4.ip_forward"))) == (host[LEASE], forwarding)
    finally:
        found.close()


def test_switch_keeps_shared_values_and_returns_the_others(arbiter: Arbiter, host: Originals) -> None:
    """A value of both profiles goes straight to the new one; one of the old profile alone to its original."""
    arbiter.submit("a", wish("a", "[sysctl]\nfs.lease-break-time=44\nvm.dirtytime_expire_seconds=3\n"))
    assert (procsys.read(LEASE), procsys.read(STAT)) == ("44", "3")
    arbiter.submit("a", wish("a", "[sysctl]\nfs.lease-break-time=43\n"))
    assert (procsys.read(LEASE), procsys.read(STAT)) == ("43", host[STAT])
    arbiter.submit("a", None)
    assert procsys.read(LEASE) == host[LEASE]


def test_guard_compares_with_the_value_before_ours(arbiter: Arbiter, host: Originals) -> None:
    """`>` after our own larger value still looks at the original, so that a switch ends where a fresh start would."""
    arbiter.submit("a", wish("a", "[sysctl]\nfs.lease-break-time=90\n"))
    arbiter.submit("a", wish("a", f"[sysctl]\nfs.lease-break-time=>{int(host[LEASE]) + 1}\n"))
    assert procsys.read(LEASE) == str(int(host[LEASE]) + 1)
    arbiter.submit("a", wish("a", f"[sysctl]\nfs.lease-break-time=>{int(host[LEASE]) - 1}\n"))
    assert procsys.read(LEASE) == host[LEASE]
    target = verdict(arbiter, "a").targets[LEASE]
    assert target.satisfied


def test_refused_name_or_value_leaves_nothing_of_the_profile(arbiter: Arbiter, host: Originals) -> None:
    """Every problem is told with its place, and no entry is applied, also none that is right."""
    text = "[sysctl]\nfs.lease-break-time=44\nvm.no_such_parameter=1\nvm.dirtytime_expire_seconds=many\n"
    arbiter.submit("a", wish("a", text))
    reason, told = refusal(arbiter, "a")
    assert reason is Reason.ERROR
    assert "sysctl option vm.no_such_parameter will not be set, failed to read the original value." in told
    place = "profile p, section [sysctl], vm.dirtytime_expire_seconds (line 4)"
    assert f"{place}: vm.dirtytime_expire_seconds: 'many' is not a number" in told
    assert procsys.read(LEASE) == host[LEASE]


def test_value_that_only_the_kernel_refuses_undoes_the_whole_change(arbiter: Arbiter, host: Originals) -> None:
    """A low threshold above the high one is known to the kernel alone; what was written before it in the same change
    goes back, the former profile's values go, too, and the other node keeps its own."""
    high = int(procsys.read(parse_name("net.ipv4.ipfrag_high_thresh")))
    arbiter.submit("b", wish("b", "[sysctl]\nvm.dirtytime_expire_seconds=2\n"))
    arbiter.submit("a", wish("a", "[sysctl]\nvm.dirty_expire_centisecs=2999\n"))
    arbiter.submit("a", wish("a", f"[sysctl]\nfs.lease-break-time=44\nnet.ipv4.ipfrag_low_thresh={high + 1}\n"))
    reason, told = refusal(arbiter, "a")
    assert reason is Reason.ERROR
    assert f"net.ipv4.ipfrag_low_thresh = '{high + 1}': the kernel does not accept this value (EINVAL)" in told
    assert "profile p, section [sysctl], net.ipv4.ipfrag_low_thresh (line 3)" in told
    assert [procsys.read(name) for name in (LEASE, EXPIRE)] == [host[LEASE], host[EXPIRE]]
    assert procsys.read(STAT) == "2"


def test_coupled_parameter_comes_back_with_its_partner(arbiter: Arbiter, host: Originals) -> None:
    """vm.dirty_background_bytes makes vm.dirty_background_ratio 0 and takes no 0 itself; both end as they were."""
    arbiter.submit("a", wish("a", f"[sysctl]\nvm.dirty_background_bytes={1 << 30}\n"))
    assert (procsys.read(BACKGROUND), procsys.read(RATIO)) == (str(1 << 30), "0")
    arbiter.submit("a", wish("a", "[sysctl]\nvm.dirty_background_ratio=11\n"))
    assert (procsys.read(BACKGROUND), procsys.read(RATIO)) == ("0", "11")
    arbiter.submit("a", wish("a", f"[sysctl]\nvm.dirty_background_bytes={1 << 30}\n"))
    arbiter.submit("a", None)
    assert (procsys.read(BACKGROUND), procsys.read(RATIO)) == (host[BACKGROUND], host[RATIO])


def test_value_that_the_kernel_makes_another_of_is_a_lasting_warning(arbiter: Arbiter) -> None:
    """The second of two partners resets the first; the node that asked for both is told, also after others' changes."""
    text = f"[sysctl]\nvm.dirty_background_bytes={1 << 30}\nvm.dirty_background_ratio=11\n"
    arbiter.submit("a", wish("a", text))
    told = (f'vm.dirty_background_bytes: asked for "{1 << 30}", the kernel made it "0"',)
    assert verdict(arbiter, "a").warnings == told
    arbiter.submit("b", wish("b", "[sysctl]\nfs.lease-break-time=44\n"))
    assert (verdict(arbiter, "a").warnings, verdict(arbiter, "b").warnings) == (told, ())


def test_nodes_with_different_values_get_nothing_and_both_are_told(arbiter: Arbiter, host: Originals) -> None:
    """Neither the first nor the last wins; when one of them goes, the other gets its own."""
    arbiter.submit("a", wish("a", "[sysctl]\nfs.lease-break-time=44\nvm.dirtytime_expire_seconds=3\n"))
    arbiter.submit("b", wish("b", "[sysctl]\nfs.lease-break-time=43\n"))
    text = (
        "nodes a and b share one kernel and want different values of fs.lease-break-time: "
        'a wants "44" (profile p, section [sysctl], fs.lease-break-time (line 2)), '
        'b wants "43" (profile p, section [sysctl], fs.lease-break-time (line 2)); nothing of either profile is applied'
    )
    assert refusal(arbiter, "a") == refusal(arbiter, "b") == (Reason.SHARED_KERNEL, text)
    assert (procsys.read(LEASE), procsys.read(STAT)) == (host[LEASE], host[STAT])
    arbiter.submit("b", None)
    assert verdict(arbiter, "a").refusal is None
    assert procsys.read(LEASE) == "44"


def test_nodes_with_equal_values_or_other_parameters_do_not_conflict(arbiter: Arbiter) -> None:
    """The same value in another spelling is the same wish; a node that leaves does not take it along."""
    arbiter.submit("a", wish("a", "[sysctl]\nfs.lease-break-time=44\n"))
    arbiter.submit("b", wish("b", "[sysctl]\nfs.lease-break-time=0x2c\nvm.dirtytime_expire_seconds=3\n"))
    assert verdict(arbiter, "a").refusal is verdict(arbiter, "b").refusal is None
    arbiter.submit("a", None)
    assert (procsys.read(LEASE), procsys.read(STAT)) == ("44", "3")


def test_requirements_of_all_nodes_combine_and_write_no_more_than_needed(arbiter: Arbiter, host: Originals) -> None:
    """The largest lower bound is taken; where the host satisfies all, nothing is written and the target says so."""
    low = int(host[QUEUED])
    arbiter.submit("a", wish("a", f"[requirements]\nfs.inotify.max_queued_events = >={low - 1}\n"))
    assert verdict(arbiter, "a").targets[QUEUED].satisfied
    assert procsys.read(QUEUED) == host[QUEUED]
    arbiter.submit("b", wish("b", f"[requirements]\nfs.inotify.max_queued_events = >={low + 5}\n"))
    assert procsys.read(QUEUED) == str(low + 5)
    target = verdict(arbiter, "a").targets[QUEUED]
    assert not target.satisfied
    assert "owner-of-a" in target.said
    assert "owner-of-b" in target.said
    arbiter.submit("b", None)
    assert procsys.read(QUEUED) == host[QUEUED]


def test_guard_decides_where_requirements_allow_what_it_makes(arbiter: Arbiter, host: Originals) -> None:
    """One node's `<` lowers to its bound; another node's lower requirement does not draw the value down to itself."""
    bound = int(host[STAT]) - 1
    arbiter.submit("a", wish("a", f"[sysctl]\nvm.dirtytime_expire_seconds=<{bound}\n"))
    assert procsys.read(STAT) == str(bound)
    arbiter.submit("b", wish("b", "[requirements]\nvm.dirtytime_expire_seconds = >=10\n"))
    assert procsys.read(STAT) == str(bound)
    arbiter.submit("c", wish("c", f"[requirements]\nvm.dirtytime_expire_seconds = <={bound - 1}\n"))
    assert procsys.read(STAT) == "10"


def test_requirements_that_exclude_each_other_name_their_owners(arbiter: Arbiter, host: Originals) -> None:
    """Bounds against bounds, and a profile's value against a bound."""
    arbiter.submit("a", wish("a", "[requirements]\nfs.inotify.max_queued_events = >=50000\n"))
    arbiter.submit("b", wish("b", "[requirements]\nfs.inotify.max_queued_events = <=40000\n"))
    reason, told = refusal(arbiter, "a")
    assert reason is Reason.REQUIREMENTS
    assert "owner-of-a needs at least 50000" in told
    assert "owner-of-b allows at most 40000" in told
    assert procsys.read(QUEUED) == host[QUEUED]
    arbiter.submit("b", wish("b", "[sysctl]\nfs.inotify.max_queued_events=40001\n"))
    reason, told = refusal(arbiter, "b")
    assert reason is Reason.REQUIREMENTS
    assert "owner-of-a" in told
    assert "40001" in told


def test_kubelet_that_protects_kernel_defaults_refuses_other_values(arbiter: Arbiter) -> None:
    """With protectKernelDefaults a kubelet would not start beside such a value; nothing is written."""
    text = "[sysctl]\nkernel.keys.root_maxkeys=2000000\n"
    arbiter.submit("a", wish("a", text, protects_kernel_defaults=True))
    reason, told = refusal(arbiter, "a")
    assert reason is Reason.ERROR
    assert "protectKernelDefaults is on in this node's kubelet configuration" in told


def test_danger_for_pod_networking_is_refused_with_its_reason(host: Originals, tmp_path: Path) -> None:
    """What the guard finds is told, and nothing of the profile is applied."""
    arbiter = Arbiter(tmp_path, lambda plan: ["no packet passes"], root=tmp_path / "none", shared=tmp_path / "shared")
    arbiter.open()
    arbiter.submit("a", wish("a", "[sysctl]\nfs.lease-break-time=44\n"))
    assert refusal(arbiter, "a") == (Reason.NETWORKING, "no packet passes; nothing of the profile is applied")
    assert procsys.read(LEASE) == host[LEASE]
    arbiter.close()


def test_host_file_beats_the_profile_unless_reapply_is_off(host: Originals, tmp_path: Path) -> None:
    """reapply_sysctl: files of /etc and /run win, those of /usr do not; the verdict knows what was overridden."""
    etc, usr = tmp_path / "root/etc/sysctl.d", tmp_path / "root/usr/lib/sysctl.d"
    etc.mkdir(parents=True)
    usr.mkdir(parents=True)
    (etc / "10-mine.conf").write_text("fs.lease-break-time = 46\n")
    (usr / "10-vendor.conf").write_text("vm.dirtytime_expire_seconds = 9\n")
    arbiter = builders.arbiter(tmp_path, tmp_path / "root")
    arbiter.open()
    text = "[sysctl]\nfs.lease-break-time=44\nvm.dirtytime_expire_seconds=3\n"
    arbiter.submit("a", wish("a", text))
    assert (procsys.read(LEASE), procsys.read(STAT)) == ("46", "3")
    assert [(c.name, c.beaten) for c in verdict(arbiter, "a").claims if c.beaten] == [(LEASE, "44")]
    before, after = (origins(tmp_path, name) for name in (LEASE, STAT))
    assert before == [("Tuned", f"{PLACE} (line 2), node a, not applied: overridden by {etc}/10-mine.conf:1", "44")]
    assert after == [
        ("before the profile", "undo journal", host[STAT]),
        ("Tuned", "profile p, section [sysctl], vm.dirtytime_expire_seconds (line 3), node a", "3"),
    ]
    arbiter.submit("a", wish("a", text, reapply=False))
    assert procsys.read(LEASE) == "44"
    arbiter.close()


def test_foreign_value_stays_when_we_leave_and_originals_of_others_return(arbiter: Arbiter, host: Originals) -> None:
    """What somebody else set since is theirs; the switch says so in a warning."""
    arbiter.submit("a", wish("a", "[sysctl]\nfs.lease-break-time=44\nvm.dirtytime_expire_seconds=3\n"))
    procsys.write(LEASE, "50")
    arbiter.submit("a", wish("a", "[sysctl]\nvm.dirty_expire_centisecs=2999\n"))
    assert (procsys.read(LEASE), procsys.read(STAT)) == ("50", host[STAT])
    assert any('fs.lease-break-time stays "50"' in text for text in verdict(arbiter, "a").warnings)
    procsys.write(LEASE, host[LEASE])


def test_drift_is_found_told_once_and_gone_when_the_value_is_back(arbiter: Arbiter) -> None:
    """One look finds it; the same value is not news again; the right value ends it."""
    heard: list[str] = []
    arbiter.listen(heard.append)
    arbiter.submit("a", wish("a", "[sysctl]\nfs.lease-break-time=44\n"))
    heard.clear()
    procsys.write(LEASE, "50")
    arbiter.watch_drift()
    (item,) = verdict(arbiter, "a").drifted
    assert (item.name, item.expected, item.live) == (LEASE, "44", "50")
    assert [news.live for news in arbiter.take_news("a")] == ["50"]
    arbiter.watch_drift()
    assert arbiter.take_news("a") == []
    assert heard == ["a"]
    procsys.write(LEASE, "44")
    arbiter.watch_drift()
    assert verdict(arbiter, "a").drifted == ()
    assert heard == ["a", "a"]


def test_drift_is_corrected_where_asked_for_but_not_for_ever(host: Originals, tmp_path: Path) -> None:
    """A program that sets it again and again wins in the end, and is told of; later it is tried anew."""
    clock = FakeClock()
    arbiter = Arbiter(tmp_path, builders.no_dangers, root=tmp_path / "none", shared=tmp_path / "shared", time=clock)
    arbiter.open()
    arbiter.submit("a", wish("a", "[sysctl]\nfs.lease-break-time=44\n", corrects=True))
    for _ in range(limits.TUNING_CORRECTIONS):
        procsys.write(LEASE, "50")
        arbiter.watch_drift()
        assert procsys.read(LEASE) == "44"
        assert [item.corrected for item in arbiter.take_news("a")] == [True]
        assert verdict(arbiter, "a").drifted == ()
    procsys.write(LEASE, "50")
    arbiter.watch_drift()
    assert procsys.read(LEASE) == "50"
    assert [item.tired for item in verdict(arbiter, "a").drifted] == [True]
    clock.advance(limits.TUNING_CORRECTIONS_S + 1)
    arbiter.watch_drift()
    assert procsys.read(LEASE) == "44"
    arbiter.close()
    assert procsys.read(LEASE) == host[LEASE]


def test_correction_of_a_value_that_was_right_before_restores_that_value(host: Originals, tmp_path: Path) -> None:
    """Nothing was written at first, so the journal learns of the original only when drift is set back."""
    arbiter = builders.arbiter(tmp_path)
    arbiter.open()
    arbiter.submit("a", wish("a", f"[sysctl]\nfs.lease-break-time={host[LEASE]}\n", corrects=True))
    procsys.write(LEASE, "50")
    arbiter.watch_drift()
    assert procsys.read(LEASE) == host[LEASE]
    arbiter.close()
    assert procsys.read(LEASE) == host[LEASE]


def test_value_within_the_bounds_is_no_drift(arbiter: Arbiter, host: Originals) -> None:
    """Who only asked for at least so much does not mind more."""
    arbiter.submit("a", wish("a", "[requirements]\nfs.inotify.max_queued_events = >=20000\n"))
    procsys.write(QUEUED, "30000")
    arbiter.watch_drift()
    assert verdict(arbiter, "a").drifted == ()
    procsys.write(QUEUED, "10000")
    arbiter.watch_drift()
    assert [item.live for item in verdict(arbiter, "a").drifted] == ["10000"]
    procsys.write(QUEUED, verdict(arbiter, "a").targets[QUEUED].value)


def test_journal_in_use_keeps_a_second_process_out(arbiter: Arbiter, tmp_path: Path) -> None:
    """Two arbiters over one data directory would undo each other."""
    from podsysctl.base.errors import KernelError

    with pytest.raises(KernelError, match="another process is using this journal"):
        builders.arbiter(tmp_path).open()


def test_restore_of_the_data_directory_needs_no_arbiter(host: Originals, tmp_path: Path) -> None:
    """What `down` does after a crash: the journals' files are played back and removed."""
    with Journal(str(tmp_path / "tuning.journal")) as journal:
        procsys.write(LEASE, "44", journal=journal)
    files.restore(tmp_path)
    assert procsys.read(LEASE) == host[LEASE]
    assert os.listdir(tmp_path) == []


def test_sysfs_file_is_set_and_put_back(arbiter: Arbiter) -> None:
    """A harmless file of /sys, through a pattern; the chosen word of a list is what counts."""
    path = Path("/sys/kernel/mm/ksm/sleep_millisecs")
    if not path.exists():
        pytest.skip("this kernel has no kernel samepage merging")
    before = path.read_text().strip()
    arbiter.submit("a", wish("a", "[sysfs]\n/sys/kernel/mm/ksm/sleep_milli*=21\n"))
    assert path.read_text().strip() == "21"
    arbiter.submit("b", wish("b", "[sysfs]\n/sys/kernel/mm/ksm/sleep_millisecs=22\n"))
    assert refusal(arbiter, "a")[0] is Reason.SHARED_KERNEL
    assert path.read_text().strip() == before
    arbiter.submit("b", None)
    assert path.read_text().strip() == "21"
    arbiter.close()
    assert path.read_text().strip() == before


def test_journal_that_finds_no_room_leaves_nothing_of_the_profile(arbiter: Arbiter, host: Originals) -> None:
    """The parameters are written before the files of /sys: when these cannot be noted, those go back as well."""
    path = Path("/sys/kernel/mm/ksm/sleep_millisecs")
    if not path.exists():
        pytest.skip("this kernel has no kernel samepage merging")
    before = path.read_text()
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2048, hard))
    try:
        arbiter.submit("a", wish("a", f"[sysctl]\nfs.lease-break-time=44\n[sysfs]\n{path}={'1' * 4096}\n"))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    reason, text = refusal(arbiter, "a")
    assert reason is Reason.ERROR
    assert "tuning-sysfs.journal: the disk took" in text
    assert text.endswith("; nothing of the profile is applied")
    assert (procsys.read(LEASE), path.read_text()) == (host[LEASE], before)
