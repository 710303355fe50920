"""KubeletConfigs: pools, suffixes, merging, status."""

from __future__ import annotations

import pytest
import yaml

from podsysctl.controllers.machineconfig import kubelet_config as kc
from podsysctl.objects import machineconfig as names
from podsysctl.policy.kubelet_config_fields import KubeletConfigError
from tests.controllers.machineconfig.builders import NOW, Object, named, pool

LATER = "2026-01-02T03:09:09Z"


def config(name: str = "kc", *, suffix: str | None = None, deleted: bool = False, selector: Object | None = None,
           log_level: int | None = None, **fields: object) -> Object:  # fmt: skip
    """A KubeletConfig that selects pools labelled `a: b` unless told otherwise."""
    metadata: Object = {"name": name, "uid": f"uid-{name}", "generation": 2}
    if suffix is not None:
        metadata["annotations"] = {names.NAME_SUFFIX: suffix}
    if deleted:
        metadata["deletionTimestamp"] = NOW
    spec: Object = {"machineConfigPoolSelector": selector if selector is not None else {"matchLabels": {"a": "b"}}}
    if log_level is not None:
        spec["logLevel"] = log_level
    return {"metadata": metadata, "spec": {**spec, "kubeletConfig": fields}}


@pytest.mark.parametrize(
    ("selector", "expected"),
    [
        ({"matchLabels": {"a": "b"}}, ["infra", "worker"]),
        ({"matchExpressions": [{"key": "c", "operator": "Exists"}]}, ["infra"]),
        ({"matchLabels": {"a": "other"}}, []),
        ({}, []),
        ({"matchLabels": {}}, []),
    ],
)
def test_selected_pools_match_by_their_labels(selector: Object, expected: list[str]) -> None:
    """By name; an empty selector matches none."""
    pools = [pool("worker", labels={"a": "b"}), pool("infra", labels={"a": "b", "c": ""}), pool("master")]
    assert named(kc.selected_pools(config(selector=selector), pools)) == expected


@pytest.mark.parametrize(
    ("others", "expected"),
    [
        ([], ""),
        ([None], ""),
        ([""], "1"),
        (["", "1"], "2"),
        (["3"], "4"),
        (["", "8"], "9"),
    ],
)
def test_name_suffix_is_one_above_the_highest(others: list[str | None], expected: str) -> None:
    """The first has none; gaps are not filled."""
    assert kc.name_suffix(config(), [config(str(i), suffix=s) for i, s in enumerate(others)]) == expected


def test_name_suffix_that_is_remembered_stays() -> None:
    """Whatever the others have."""
    assert kc.name_suffix(config(suffix="4"), [config("o", suffix="9")]) == "4"
    assert kc.name_suffix(config(suffix=""), [config("o", suffix="9")]) == ""


def test_name_suffix_of_deleted_others_is_free() -> None:
    """A KubeletConfig on its way out no longer counts."""
    assert kc.name_suffix(config(), [config("o", suffix="9", deleted=True)]) == ""


def test_name_suffix_above_nine_is_refused() -> None:
    """Ten per pool, and upstream's text for the next."""
    with pytest.raises(KubeletConfigError) as caught:
        kc.name_suffix(config(), [config("o", suffix="9")])
    assert caught.value.message == (
        "could not get kubelet config key: max number of supported kubelet config (10) has been reached. "
        "Please delete old kubelet configs before retrying"
    )


@pytest.mark.parametrize(("suffix", "expected"), [("", "99-p-generated-kubelet"), ("1", "99-p-generated-kubelet-1")])
def test_machine_config_name_of_suffix(suffix: str, expected: str) -> None:
    """The first has no number."""
    assert kc.machine_config_name("p", suffix) == expected


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"maxPods": 100}, {"maxPods": 100, "list": [1], "map": {"x": 1}, "protectKernelDefaults": True}),
        ({"maxPods": 0}, {"maxPods": 250, "list": [1], "map": {"x": 1}, "protectKernelDefaults": True}),
        ({"list": [2, 3]}, {"maxPods": 250, "list": [2, 3], "map": {"x": 1}, "protectKernelDefaults": True}),
        ({"list": []}, {"maxPods": 250, "list": [1], "map": {"x": 1}, "protectKernelDefaults": True}),
        ({"map": {"y": 2}}, {"maxPods": 250, "list": [1], "map": {"x": 1, "y": 2}, "protectKernelDefaults": True}),
        ({"map": {"x": 3}}, {"maxPods": 250, "list": [1], "map": {"x": 3}, "protectKernelDefaults": True}),
        ({"protectKernelDefaults": False},
         {"maxPods": 250, "list": [1], "map": {"x": 1}, "protectKernelDefaults": False}),
        ({"cpuCFSQuota": False, "registryPullQPS": 0},
         {"maxPods": 250, "list": [1], "map": {"x": 1}, "protectKernelDefaults": True,
          "cpuCFSQuota": False, "registryPullQPS": 0}),
        ({"other": False, "text": "", "none": None},
         {"maxPods": 250, "list": [1], "map": {"x": 1}, "protectKernelDefaults": True}),
    ],
)  # fmt: skip
def test_merge_fields_overrides_field_by_field(fields: Object, expected: Object) -> None:
    """Lists are replaced, mappings merged, empty values have no effect."""
    base = {"maxPods": 250, "list": [1], "map": {"x": 1}, "protectKernelDefaults": True}
    assert kc.merge_fields(base, fields) == expected


def test_merge_fields_zero_of_a_pointer_does_not_beat_the_base() -> None:
    """Upstream merges into what the base points at, where a zero is empty again."""
    assert kc.merge_fields({"podPidsLimit": 4096}, {"podPidsLimit": 0}) == {"podPidsLimit": 4096}


@pytest.mark.parametrize(("level", "is_refused"), [(-1, True), (0, False), (10, False), (11, True)])
def test_check_log_level_is_from_0_to_10(level: int, is_refused: bool) -> None:
    """Upstream's text on both sides."""
    if not is_refused:
        kc.check(config(log_level=level), [pool()])
        return
    with pytest.raises(KubeletConfigError) as caught:
        kc.check(config(log_level=level), [pool()])
    assert caught.value.message == f"KubeletConfig's LogLevel is not valid [0,10]: {level}"


@pytest.mark.parametrize(
    ("fields", "pool_name", "text"),
    [
        ({"cgroupDriver": "cgroupfs"}, "worker",
         "KubeletConfiguration: cgroupDriver is not allowed to be set, but contains: cgroupfs"),
        ({"staticPodPath": "/x"}, "worker",
         'KubeletConfiguration: staticPodPath must be empty for pool "worker", but contains: /x'),
        ({"staticPodPath": "/x"}, "master",
         'KubeletConfiguration: staticPodPath is not allowed to be set for control plane pool "master"'),
    ],
)  # fmt: skip
def test_check_forbidden_field_is_refused(fields: Object, pool_name: str, text: str) -> None:
    """Upstream's texts."""
    with pytest.raises(KubeletConfigError) as caught:
        kc.check(config(**fields), [pool(pool_name)])
    assert caught.value.message == text


def test_check_without_pools_is_refused_last() -> None:
    """A wrong field is told before a missing pool."""
    with pytest.raises(KubeletConfigError, match="could not find any MachineConfigPool set for"):
        kc.check(config(), [])
    with pytest.raises(KubeletConfigError, match="cgroupDriver"):
        kc.check(config(cgroupDriver="x"), [])


def test_machine_config_carries_the_merged_file_and_its_owner() -> None:
    """Role label, owner, and a kubelet.conf with the user's list."""
    made = kc.machine_config(config(allowedUnsafeSysctls=["net.core.somaxconn"]), "infra", "2", {"maxPods": 250})
    assert made["metadata"]["name"] == "99-infra-generated-kubelet-2"
    assert made["metadata"]["labels"] == {names.ROLE_LABEL: "infra"}
    assert made["metadata"]["ownerReferences"][0]["uid"] == "uid-kc"
    file = made["spec"]["config"]["storage"]["files"][0]
    assert (file["path"], file["mode"], file["overwrite"]) == ("/etc/kubernetes/kubelet.conf", 420, True)
    assert yaml.safe_load(names.kubelet_file(made)) == {"maxPods": 250, "allowedUnsafeSysctls": ["net.core.somaxconn"]}


def test_status_after_keeps_three_verdicts_and_one_old_form() -> None:
    """The newest three Accepted entries, then one Success or Failure."""
    current = config()
    for error in ("one", "two", "", "three"):
        current = {**current, "status": kc.status_after(current, error, NOW)}
    found = [(c["type"], c["status"], c["message"]) for c in current["status"]["conditions"]]
    assert found == [
        ("Accepted", "False", "Error: two"), ("Accepted", "True", "Success"), ("Accepted", "False", "Error: three"),
        ("Failure", "True", "Error: three"),
    ]  # fmt: skip
    assert current["status"]["observedGeneration"] == 2


def test_status_after_the_same_verdict_moves_its_time_only() -> None:
    """A repeat adds no entry."""
    first = {**config(), "status": kc.status_after(config(), "x", NOW)}
    again = kc.status_after(first, "x", LATER)
    assert [c["lastTransitionTime"] for c in again["conditions"]] == [LATER, LATER]


def test_is_accepted_needs_success_of_the_newest_generation() -> None:
    """Not synced, failed, or synced before the last change: not accepted."""
    accepted = {**config(), "status": kc.status_after(config(), "", NOW)}
    assert kc.is_accepted(accepted)
    assert not kc.is_accepted(config())
    assert not kc.is_accepted({**config(), "status": kc.status_after(config(), "x", NOW)})
    accepted["metadata"] = {**accepted["metadata"], "generation": 3}
    assert not kc.is_accepted(accepted)
