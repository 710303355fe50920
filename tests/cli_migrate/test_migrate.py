"""`podsysctl migrate`: what becomes of pods and DaemonSets, what is left, and what the command prints."""

from __future__ import annotations

import json
import textwrap
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from podsysctl.base.versions import KernelVersion
from podsysctl.cli import main
from podsysctl.policy.lint import engine
from podsysctl.policy.lint.context import Target
from podsysctl.policy.lint.engine import Input
from podsysctl.policy.lint.rules import RULES
from podsysctl.policy.migration.destination import Nodes
from podsysctl.policy.migration.migrate import Options, Result, migrate
from podsysctl.sysctls.tuned import build
from podsysctl.sysctls.tuned.plan import MachineFacts

WORKERS = [{"label": "node-role.kubernetes.io/worker"}]
STATEFUL_SET = """\
# kept above
apiVersion: apps/v1
kind: StatefulSet
metadata:
  name: db   # kept beside
spec:
  template:
    spec:
      initContainers:
      - name: tune
        image: busybox
        securityContext: {{privileged: true}}
        command: {command}
      containers:
      # kept within
      - name: db
        image: "db:1"
"""
DAEMON_SET = """\
apiVersion: apps/v1
kind: DaemonSet
metadata:
  name: {name}
spec:
  selector: {{matchLabels: {{app: tune}}}}
  template:
    metadata: {{labels: {{app: tune}}}}
    spec:
{fields}
      initContainers:
      - name: set
        image: busybox
        command: {command}
        securityContext: {{privileged: true}}
      containers:
      - name: wait
        image: registry.k8s.io/pause:3.9
"""


def sysctl(*pairs: str) -> str:
    """The command of a container, as YAML."""
    return json.dumps(["sysctl", "-w", *pairs])


def daemon_set(*pairs: str, name: str = "tune", fields: str = "hostNetwork: true") -> str:
    """A DaemonSet that sets these and then waits."""
    return DAEMON_SET.format(name=name, fields=textwrap.indent(fields, " " * 6), command=sysctl(*pairs))


def run(*texts: str, nodes: Nodes | None = None, **options: Any) -> Result:
    """The migration of files called 0.yaml, 1.yaml and so on."""
    given_files = Input()
    for index, text in enumerate(texts):
        given_files.add_yaml(f"{index}.yaml", text)
    return migrate(given_files, nodes or Nodes(), Options(**options))


def documents(result: Result, file: str = "0.yaml") -> list[Any]:
    """The documents of a changed file."""
    return [d for d in yaml.safe_load_all(result.texts[file]) if d is not None]


def data(tuned: Any) -> str:
    """The text of a Tuned object's only profile."""
    return str(tuned["spec"]["profile"][0]["data"])


def test_init_container_becomes_sysctls_a_tuned_and_placement() -> None:
    """Namespaced values into the pod, node-level ones onto nodes that the pod is sent to; comments stay."""
    result = run(STATEFUL_SET.format(command=sysctl("vm.max_map_count=262144", "net.core.somaxconn=9000")))
    workload, tuned = documents(result)
    spec = workload["spec"]["template"]["spec"]
    assert "initContainers" not in spec
    assert spec["securityContext"]["sysctls"] == [{"name": "net.core.somaxconn", "value": "9000"}]
    assert spec["nodeSelector"] == {"sysctl-profile": "db-sysctls"}
    toleration = {"key": "sysctl-profile", "operator": "Equal", "value": "db-sysctls", "effect": "NoSchedule"}
    assert spec["tolerations"] == [toleration]
    assert "vm.max_map_count=>262144" in data(tuned).split()
    assert tuned["spec"]["recommend"][0]["match"] == [{"label": "sysctl-profile", "value": "db-sysctls"}]
    assert result.allow == {"net.core.somaxconn"}
    assert result.dedicate == ["db-sysctls"]
    assert result.is_complete
    text = result.texts["0.yaml"]
    assert all(comment in text for comment in ("# kept above", "# kept beside", "# kept within", '"db:1"'))


def test_all_workers_are_tuned_when_no_placement_is_wanted() -> None:
    """--all-workers: the pod goes where it went before."""
    workload, tuned = documents(run(STATEFUL_SET.format(command=sysctl("vm.swappiness=1")), place=False))
    assert "nodeSelector" not in workload["spec"]["template"]["spec"]
    assert tuned["spec"]["recommend"][0]["match"] == WORKERS


def test_safe_sysctl_needs_nothing_of_the_nodes() -> None:
    """A value that every kubelet allows goes into the pod, and no Tuned is made."""
    result = run(STATEFUL_SET.format(command=sysctl("net.ipv4.tcp_syncookies=0")))
    assert len(documents(result)) == 1
    assert result.allow == set()


def test_kubelet_config_is_added_when_asked_for() -> None:
    """And not for what a KubeletConfig among the files allows already."""
    text = STATEFUL_SET.format(command=sysctl("net.core.somaxconn=9000", "kernel.msgmax=9000"))
    *_, config = documents(run(text, kubelet_config=True))
    assert config["spec"]["kubeletConfig"]["allowedUnsafeSysctls"] == ["kernel.msgmax", "net.core.somaxconn"]
    known = yaml.safe_dump({**config, "spec": {"kubeletConfig": {"allowedUnsafeSysctls": ["kernel.msg*"]}}})
    assert run(text, known).allow == {"net.core.somaxconn"}


def test_default_of_the_kernel_is_left_out() -> None:
    """Each pod starts with 4096 since Linux 5.4: asking for less, or as much, is not needed. 5.3 still needs it."""
    text = STATEFUL_SET.format(command=sysctl("net.core.somaxconn=1024"))
    newer = run(text, nodes=Nodes(Target(kernel=KernelVersion(5, 4))))
    spec = documents(newer)[0]["spec"]["template"]["spec"]
    assert "initContainers" not in spec
    assert "securityContext" not in spec
    assert newer.outcomes[0].values[0].why == "each pod starts with 4096"
    older = run(text, nodes=Nodes(Target(kernel=KernelVersion(5, 3))))
    assert documents(older)[0]["spec"]["template"]["spec"]["securityContext"]["sysctls"][0]["value"] == "1024"


@pytest.mark.parametrize(("present", "needed"), [("262143", True), ("262144", False), ("1048576", False)])
def test_value_that_the_node_has_is_left_out(present: str, needed: bool) -> None:
    """Newer distributions ship a greater vm.max_map_count: then nothing has to be done on the node."""
    nodes = Nodes(values={"vm.max_map_count": present})
    result = run(STATEFUL_SET.format(command=sysctl("vm.max_map_count=262144")), nodes=nodes)
    assert (len(documents(result)) == 2) is needed
    assert bool(result.dedicate) is needed


def test_daemon_set_becomes_a_tuned_in_its_place() -> None:
    """For the workers, on which it ran; what it writes into the node's network namespace is the node's."""
    result = run("# before\n" + daemon_set("vm.swappiness=10", "net.core.somaxconn=9000") + "# after\n")
    [tuned] = documents(result)
    assert tuned["kind"] == "Tuned"
    assert {"vm.swappiness=10", "net.core.somaxconn=>9000"} <= set(data(tuned).split())
    assert tuned["spec"]["recommend"][0]["match"] == WORKERS
    assert result.texts["0.yaml"].startswith("# before\n")
    assert result.texts["0.yaml"].endswith("# after\n")


@pytest.mark.parametrize(
    ("fields", "match"),
    [
        ("nodeSelector: {disk: ssd, kubernetes.io/os: linux}", [{"label": "disk", "value": "ssd"}]),
        (
            "nodeSelector: {a: x, b: z}",
            [{"label": "a", "value": "x", "match": [{"label": "b", "value": "z"}]}],
        ),
        ("tolerations: [{operator: Exists}]", None),
        ("tolerations: [{key: a, operator: Exists}]", WORKERS),
    ],
)
def test_daemon_sets_nodes_become_the_tuneds(fields: str, match: Any) -> None:
    """All labels of the selector must hold; one that tolerates everything ran on every node."""
    [tuned] = documents(run(daemon_set("vm.swappiness=10", fields=fields)))
    assert tuned["spec"]["recommend"][0].get("match") == match


def test_daemon_set_writing_its_own_namespace_was_useless() -> None:
    """Without hostNetwork it changed its own network namespace, which nobody else sees: nothing is needed."""
    result = run(daemon_set("net.core.somaxconn=9000", fields="terminationGracePeriodSeconds: 1"))
    assert documents(result) == []
    assert "nothing of it is needed" in result.texts["0.yaml"]
    assert "nobody sees it" in result.outcomes[0].values[0].why


def test_daemon_set_that_writes_again_and_again_gets_drift_corrected() -> None:
    """Its loop undid what others changed: so does the Tuned, by annotation."""
    loop = json.dumps(["sh", "-c", "while true; do sysctl -q -w vm.swappiness=10; sleep 60; done"])
    text = daemon_set("vm.swappiness=10").replace(sysctl("vm.swappiness=10"), loop)
    [tuned] = documents(run(text))
    assert tuned["metadata"]["annotations"] == {"tuning.podsysctl.dev/correct-drift": "true"}


def test_daemon_set_with_work_of_its_own_stays() -> None:
    """Its init container goes, the values go to the nodes that it runs on, and it is sent nowhere else."""
    text = daemon_set("vm.swappiness=10").replace("registry.k8s.io/pause:3.9", "fluentd")
    workload, tuned = documents(run(text))
    assert workload["kind"] == "DaemonSet"
    assert "initContainers" not in workload["spec"]["template"]["spec"]
    assert "nodeSelector" not in workload["spec"]["template"]["spec"]
    assert tuned["spec"]["recommend"][0]["match"] == WORKERS


def test_two_daemon_sets_share_one_tuned() -> None:
    """A node takes one profile, so both must stand in it; of two minima the greater one."""
    result = run(daemon_set("vm.max_map_count=262144"), daemon_set("vm.max_map_count=1048576", name="other"))
    [tuned] = documents(result, "0.yaml")
    assert "vm.max_map_count=>1048576" in data(tuned).split()
    assert documents(result, "1.yaml") == []
    assert "Tuned tune-sysctls sets its values" in result.texts["1.yaml"]


def test_contradicting_daemon_sets_are_told() -> None:
    """The second one is left, and the first one's Tuned keeps its value."""
    result = run(daemon_set("vm.swappiness=10"), daemon_set("vm.swappiness=60", name="other"))
    assert list(result.texts) == ["0.yaml"]
    assert result.outcomes[1].left == ("vm.swappiness=60 contradicts 10 of tune",)


def test_narrower_profile_includes_the_broader_one_and_comes_first() -> None:
    """Nodes dedicated to the database are workers too, and keep what the DaemonSet set there."""
    result = run(STATEFUL_SET.format(command=sysctl("vm.max_map_count=262144")), daemon_set("vm.swappiness=10"))
    dedicated, workers = documents(result, "0.yaml")[1], documents(result, "1.yaml")[0]
    assert "include=tune-sysctls" in data(dedicated).split()
    assert dedicated["spec"]["recommend"][0]["priority"] < workers["spec"]["recommend"][0]["priority"] < 30


def test_base_is_what_nodes_have_without_the_new_profile() -> None:
    """OpenShift's own unless told otherwise; the one-machine cluster's, or none."""
    text = daemon_set("vm.swappiness=10")
    assert "include=openshift-node" in data(documents(run(text))[0]).split()
    assert "include=machine-defaults" in data(documents(run(text, base="machine-defaults"))[0]).split()
    assert "include" not in data(documents(run(text, base=""))[0])


def test_transparent_huge_pages_are_told_to_be_no_sysctl() -> None:
    """Redis' other habit: it goes into [sysfs] of the node's profile, and the report says what it is."""
    script = "sysctl -w net.core.somaxconn=9000 && echo never > /sys/kernel/mm/transparent_hugepage/enabled"
    result = run(STATEFUL_SET.format(command=json.dumps(["sh", "-c", script])))
    workload, tuned = documents(result)
    assert workload["spec"]["template"]["spec"]["securityContext"]["sysctls"][0]["name"] == "net.core.somaxconn"
    assert_nodes_take(result, [workload, tuned])
    assert "[sysfs]\n/sys/kernel/mm/transparent_hugepage/enabled=never" in data(tuned)
    assert "transparent huge pages are no sysctl" in result.outcomes[0].notes[0]


def test_example_of_a_privileged_daemon_set_is_migrated() -> None:
    """What examples/node-tuning shows as the third way becomes the first: a Tuned object in its place."""
    example = Path(__file__).resolve().parents[2] / "examples" / "node-tuning" / "daemonset" / "vfs-cache-pressure.yaml"
    result = run(example.read_text())
    *others, tuned = documents(result)
    assert [d["kind"] for d in others] == ["Namespace", "ServiceAccount"]
    assert "vm.vfs_cache_pressure=90" in data(tuned).split()
    assert result.outcomes[0].notes == (
        "its ServiceAccount sysctl-setter and the rights of it may be needed no longer",
    )


def test_elastic_operators_pod_templates_are_changed() -> None:
    """ECK keeps pods in nodeSets[].podTemplate."""
    text = """\
apiVersion: elasticsearch.k8s.elastic.co/v1
kind: Elasticsearch
metadata:
  name: logs
spec:
  nodeSets:
  - name: a
    count: 3
    podTemplate:
      spec:
        initContainers:
        - name: sysctl
          securityContext:
            privileged: true
            runAsUser: 0
          command: ['sh', '-c', 'sysctl -w vm.max_map_count=262144']
        containers:
        - name: elasticsearch
"""
    workload, tuned = documents(run(text))
    spec = workload["spec"]["nodeSets"][0]["podTemplate"]["spec"]
    assert "initContainers" not in spec
    assert spec["nodeSelector"] == {"sysctl-profile": "logs-sysctls"}
    assert "vm.max_map_count=>262144" in data(tuned).split()


def test_script_of_a_config_map_among_the_files_is_read() -> None:
    """The chart's script is followed through volume and mount, whole or by key; another namespace's is not."""
    config = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: scripts\ndata:\n  i.sh: sysctl -w vm.swappiness=1\n"
    text = STATEFUL_SET.format(command="[bash, -e, /scripts/i.sh]").replace(
        "        image: busybox\n", "        image: busybox\n        volumeMounts: [{name: s, mountPath: /scripts}]\n"
    )
    text += "      volumes:\n      - name: s\n        configMap: {name: scripts}\n"
    workload, tuned = documents(run(text, config))
    assert "volumes" not in workload["spec"]["template"]["spec"]
    assert "vm.swappiness=1" in data(tuned).split()
    keys = "{name: scripts, items: [{key: i.sh, path: j.sh}]}"
    keyed = text.replace("{name: scripts}", keys).replace("/i.sh", "/j.sh")
    assert run(keyed, config).is_complete
    part = text.replace("mountPath: /scripts", "mountPath: /scripts/i.sh, subPath: i.sh")
    assert run(part, config).is_complete
    assert run(text, config.replace("name: scripts\n", "name: scripts\n  namespace: other\n")).texts == {}


def test_container_that_sets_again_and_again_beside_others_goes() -> None:
    """A sidecar that does nothing but set values and wait; alone it is the pod, and stays."""
    loop = json.dumps(["sh", "-c", "while true; do sysctl -w net.core.somaxconn=9000; sleep 100; done"])
    sidecar = f"      - name: buddy\n        securityContext: {{privileged: true}}\n        command: {loop}\n"
    text = STATEFUL_SET.format(command='["true"]') + sidecar
    spec = documents(run(text))[0]["spec"]["template"]["spec"]
    assert [c["name"] for c in spec["containers"]] == ["db"]
    assert spec["securityContext"]["sysctls"] == [{"name": "net.core.somaxconn", "value": "9000"}]
    alone = text.replace('      - name: db\n        image: "db:1"\n', "")
    assert run(alone).texts == {}
    assert run(alone).outcomes[0].left == ("it is the pod's own container: take what it sets out of its command",)


def test_volumes_of_the_container_go_with_it() -> None:
    """A hostPath that nothing else mounts is no longer needed; another one stays."""
    text = STATEFUL_SET.format(command=sysctl("vm.swappiness=1")).replace(
        "        image: busybox\n", "        image: busybox\n        volumeMounts: [{name: s, mountPath: /host-sys}]\n"
    )
    text += "      volumes:\n      - name: s\n        hostPath: {path: /sys}\n      - name: d\n        emptyDir: {}\n"
    spec = documents(run(text))[0]["spec"]["template"]["spec"]
    assert [v["name"] for v in spec["volumes"]] == ["d"]


def test_other_containers_and_present_placement_stay() -> None:
    """Lists grow, and what stands in them stays."""
    text = """\
apiVersion: v1
kind: Pod
metadata:
  name: p
spec:
  nodeSelector:
    disk: ssd
  tolerations:
  - key: a
    operator: Exists
  securityContext:
    sysctls:
    - name: kernel.shm_rmid_forced
      value: "1"
  initContainers:
  - name: first
    image: i
  - name: one
    command: [sysctl, -w, vm.swappiness=1]
    securityContext: {privileged: true}
  - name: two
    command: [sysctl, -w, kernel.msgmax=9000]
    securityContext: {privileged: true}
  containers:
  - name: c
"""
    spec = documents(run(text))[0]["spec"]
    assert spec["nodeSelector"] == {"disk": "ssd", "sysctl-profile": "p-sysctls"}
    assert [t["key"] for t in spec["tolerations"]] == ["a", "sysctl-profile"]
    assert [s["name"] for s in spec["securityContext"]["sysctls"]] == ["kernel.shm_rmid_forced", "kernel.msgmax"]
    assert [c["name"] for c in spec["initContainers"]] == ["first"]


@pytest.mark.parametrize(
    ("change", "part"),
    [
        (("vm.swappiness=1", "no.such_name=1"), "the catalogue does not know it"),
        (("vm.swappiness=1", "vm.swappiness=hot"), "vm.swappiness"),
        (("vm.swappiness=1", "net.ipv4.conf.eth0.rp_filter=1"), "belongs to an interface"),
        (("vm.swappiness=1", "kernel.hostname=x"), "for which pods have no sysctls"),
        (("{privileged: true}", "{privileged: false}"), "is not privileged"),
        (("initContainers", "containers_"), ""),
        (('["sysctl", "-w", "vm.swappiness=1"]', "[sh, -c, 'sysctl -w vm.swappiness=1; chown x /d']"), "it runs chown"),
        (("      containers:", "      nodeSelector: {a: b}\n      containers:"), "cannot take sysctl-profile"),
        (("      containers:", "      nodeSelector:\n        sysctl-profile: x\n      containers:"), "cannot take"),
    ],
)
def test_undecided_is_told_and_left(change: tuple[str, str], part: str) -> None:
    """The file stays as it is, byte for byte, and the reason is given."""
    text = STATEFUL_SET.format(command=sysctl("vm.swappiness=1"))
    assert change[0] in text
    result = run(text.replace(*change))
    assert result.texts == {}
    assert result.tuned == []
    if part:
        assert any(part in reason for outcome in result.outcomes for reason in outcome.left), result.outcomes
        assert not result.is_complete


UNSEEN = (
    "for n in 1 2; do sysctl -w vm.swappiness=$n; done",
    "sysctl -p /etc/sysctl.d/90-db.conf",
    "sysctl --system",
    "for n in 1 2; do echo $n > /proc/sys/vm/swappiness; done",
    "echo $((2 * 5)) | tee /proc/sys/vm/swappiness",
    "nproc > /proc/sys/vm/swappiness",
    "sysctl -w $(cat /values)",
)


@pytest.mark.parametrize("script", UNSEEN)
def test_privileged_container_that_sets_what_is_not_understood_is_told(script: str) -> None:
    """Not one value of it is known, and yet it is left to decide; without privileges it could set nothing."""
    text = STATEFUL_SET.format(command=json.dumps(["sh", "-c", script]))
    result = run(text)
    assert not result.is_complete
    assert result.texts == {}
    assert run(text.replace("privileged: true", "privileged: false")).outcomes == [] or "/proc/sys" in script


@pytest.mark.parametrize("script", ["for n in 1; do sysctl -n vm.swappiness; done", "sysctl $(cat /names)", "date | x"])
def test_privileged_container_that_only_reads_is_no_setter(script: str) -> None:
    """Nothing is left to decide about what sets nothing, however little of it is understood."""
    assert run(STATEFUL_SET.format(command=json.dumps(["sh", "-c", script]))).outcomes == []


@pytest.mark.parametrize(
    ("text", "part"),
    [
        (daemon_set("vm.swappiness=1", fields="affinity:\n  nodeAffinity:\n    requiredDuringSchedulingIgnored"
                    "DuringExecution: {nodeSelectorTerms: []}"), "by affinity"),
        (json.dumps(yaml.safe_load(daemon_set("vm.swappiness=1"))), "as JSON"),
        (STATEFUL_SET.format(command=sysctl("kernel.msgmax=9000")).replace(
            "      containers:", "      securityContext:\n        sysctls:\n        - name: kernel.msgmax\n"
            '          value: "8000"\n      containers:'), "the pod's sysctls have kernel.msgmax=8000"),
        ("apiVersion: opensearch.opster.io/v1\nkind: OpenSearchCluster\nmetadata: {name: s}\n"
         "spec: {general: {setVMMaxMapCount: true}}\n", "its operator adds a privileged init container"),
        (STATEFUL_SET.format(command=sysctl("vm.swappiness=1")).replace("initContainers:", "containers:", 1).replace(
            "      containers:\n      # kept", "      # kept"), "it is the pod's own container"),
    ],
)  # fmt: skip
def test_what_cannot_be_rewritten_is_told(text: str, part: str) -> None:
    """Affinity, JSON, contradictions, operators, the pod's own containers."""
    result = run(text)
    assert result.texts == {}
    assert any(part in reason for outcome in result.outcomes for reason in outcome.left), result.outcomes


def test_anchor_that_others_refer_to_is_left() -> None:
    """Without it the file could not be read any more; one that goes with all its references may go."""
    text = STATEFUL_SET.format(command=sysctl("kernel.msgmax=9000"))
    anchored = text.replace("image: busybox", "image: &image busybox")
    assert run(anchored).is_complete
    used = anchored.replace('image: "db:1"', "image: *image")
    assert run(used).texts == {}
    assert run(used).outcomes[0].left == ("other places of the file refer to its anchor &image",)


def test_tuned_among_the_files_is_not_doubled() -> None:
    """Of two profiles for the same nodes only one is applied: the values belong into the one that is there."""
    first = run(daemon_set("vm.swappiness=10")).texts["0.yaml"]
    result = run(first, daemon_set("kernel.pid_max=4194304"))
    assert result.texts == {}
    assert result.outcomes[0].left[0].startswith("Tuned tune-sysctls tunes the same nodes")


NAMES = ("vm.swappiness", "vm.max_map_count", "net.core.somaxconn", "kernel.shm_rmid_forced", "kernel.msgmax")


@given(
    st.lists(st.tuples(st.sampled_from(NAMES), st.integers(0, 1)), min_size=1, max_size=4),
    st.lists(st.tuples(st.sampled_from(NAMES), st.integers(0, 1)), min_size=1, max_size=4),
    st.booleans(),
    st.sampled_from(["hostNetwork: true", "hostIPC: true", "nodeSelector: {a: b}", "terminationGracePeriodSeconds: 1"]),
)
def test_migrated_files_have_nothing_left_to_migrate(
    pod: list[tuple[str, int]], node: list[tuple[str, int]], place: bool, fields: str
) -> None:
    """Whatever was set, the result is YAML, holds no privileged setter, and a second run changes nothing."""
    texts = (
        STATEFUL_SET.format(command=sysctl(*(f"{name}={value}" for name, value in pod))),
        daemon_set(*(f"{name}={value}" for name, value in node), fields=fields),
    )
    result = run(*texts, place=place)
    after = [result.texts.get(f"{i}.yaml", text) for i, text in enumerate(texts)]
    again = run(*after, place=place)
    assert again.texts == {}
    assert_nodes_take(result, [*documents_of(after[0]), *documents_of(after[1])])
    left = [outcome for outcome in result.outcomes if outcome.left]
    assert len(again.outcomes) == len(left)
    assert len(left) <= 1, "only a contradiction of the two may be left"


def documents_of(text: str) -> list[Any]:
    """The documents of a text."""
    return [d for d in yaml.safe_load_all(text) if d is not None]


def assert_nodes_take(result: Result, found: list[Any]) -> None:
    """The profiles load as nodes load them, every entry is applied, and each sets what was decided."""
    profiles = {p["name"]: p["data"] for d in found if d["kind"] == "Tuned" for p in d["spec"]["profile"]}
    assert set(profiles) == {tuned.name for tuned in result.tuned}
    for tuned in result.tuned:
        plan = build.build_plan(tuned.name, profiles, MachineFacts())
        assert not [p for p in plan.problems if p.place.profile in profiles]
        got = {s.name.dotted: str(s.guard) + s.value for s in plan.sysctls if s.place.profile == tuned.name}
        assert got == tuned.values
        assert {s.path: s.value for s in plan.sysfs if s.place.profile == tuned.name} == tuned.sysfs


def test_check_finds_nothing_more_in_migrated_files() -> None:
    """The rules about privileged setters, node-level names and placement are content with the result."""
    result = run(STATEFUL_SET.format(command=sysctl("vm.max_map_count=262144", "kernel.msgmax=9000")))
    migrated = Input()
    migrated.add_yaml("0.yaml", result.texts["0.yaml"])
    found = {finding.rule for finding in engine.run(migrated, RULES, Target())}
    assert not found & {"PSC005", "PSC013", "PSC019", "PSC301", "PSC302", "PSC304"}
    unplaced = Input()
    unplaced.add_yaml("0.yaml", result.texts["0.yaml"].replace("sysctl-profile: db-sysctls", "a: b"))
    assert "PSC019" in {finding.rule for finding in engine.run(unplaced, RULES, Target())}


def call(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    """The command's exit code and what it printed."""
    code = main.main(["migrate", *words])
    printed = capsys.readouterr()
    return code, printed.out, printed.err


def test_command_prints_changes_and_keeps_the_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """stdout is one stream that can be applied; stderr says what was done and what nodes must do."""
    file = tmp_path / "a.yaml"
    text = STATEFUL_SET.format(command=sysctl("vm.max_map_count=262144", "kernel.msgmax=9000"))
    file.write_text(text)
    code, out, err = call(capsys, str(file))
    assert code == 0
    assert [d["kind"] for d in yaml.safe_load_all(out)] == ["StatefulSet", "Tuned"]
    assert f"{file}:10: container tune of StatefulSet db: migrated\n" in err
    assert "nodes must allow kernel.msgmax" in err
    assert "podsysctl node dedicate NODE --for sysctl-profile=db-sysctls" in err
    assert file.read_text() == text


def test_command_writes_in_place_and_below_a_directory(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """In place only what changed; below a directory everything that was read, so that it is whole."""
    changed, same = tmp_path / "in" / "a.yaml", tmp_path / "in" / "b.yaml"
    changed.parent.mkdir()
    changed.write_text(daemon_set("vm.swappiness=1"))
    same.write_text("kind: ConfigMap\napiVersion: v1\n")
    out = tmp_path / "out"
    assert call(capsys, str(changed.parent), "--output-dir", str(out))[:2] == (0, "")
    written = sorted(p for p in out.rglob("*.yaml"))
    assert [p.name for p in written] == ["a.yaml", "b.yaml"]
    assert "kind: Tuned" in written[0].read_text()
    assert "kind: DaemonSet" in changed.read_text()
    assert call(capsys, str(changed.parent), "--in-place")[0] == 0
    assert changed.read_text() == written[0].read_text()


def test_command_reports_as_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Values with their destination and reason, what is left, what nodes must allow, and the files' texts."""
    file = tmp_path / "a.yaml"
    file.write_text(STATEFUL_SET.format(command=json.dumps(["sh", "-c", "sysctl -w kernel.msgmax=9000; reboot"])))
    code, out, _ = call(capsys, str(file), "-o", "json")
    report = json.loads(out)
    assert code == 3
    assert report["complete"] is False
    [container] = report["containers"]
    assert container["left"] == ["it does more than set values: it runs reboot"]
    assert container["values"][0] | {"why": ""} == {
        "name": "kernel.msgmax", "value": "9000", "goes": "pod", "why": "", "nodesMustAllow": True,
    }  # fmt: skip
    assert report["files"] == [{"file": str(file), "changed": False, "text": file.read_text()}]


def test_command_takes_a_nodes_values(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """--kernel reads what `sysctl export` wrote on a node."""
    file, node = tmp_path / "a.yaml", tmp_path / "node.json"
    file.write_text(daemon_set("vm.max_map_count=262144"))
    node.write_text(json.dumps({"format": 1, "release": "6.1.0", "values": {"vm.max_map_count": "1048576"}}))
    code, out, err = call(capsys, str(file), "--kernel", str(node))
    assert code == 0
    assert "kind:" not in out
    assert "vm.max_map_count=262144 is not needed: the node has 1048576 already" in err


@pytest.mark.parametrize(
    ("words", "code", "part"),
    [
        ([], 2, "migrate needs a file, a directory or -"),
        (["none.yaml"], 2, 'the path "none.yaml" does not exist'),
        (["-", "--in-place"], 2, "standard input cannot be changed in place"),
        ([".", "--in-place", "--dry-run"], 2, "exclude each other"),
        ([".", "--kernel", "new"], 2, "does not begin with two numbers"),
    ],
)
def test_command_that_is_not_understood_exits_2(
    capsys: pytest.CaptureFixture[str], words: list[str], code: int, part: str
) -> None:
    """Usage errors, with a hint where there is one."""
    found, _, err = call(capsys, *words)
    assert found == code
    assert part in err


def test_dry_run_exits_3_while_there_is_something_to_migrate(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What CI asks: is there still such a container? Nothing is written; afterwards the answer is no."""
    file = tmp_path / "a.yaml"
    text = STATEFUL_SET.format(command=sysctl("vm.swappiness=1"))
    file.write_text(text)
    code, out, err = call(capsys, str(file), "--dry-run")
    assert (code, out, file.read_text()) == (3, "", text)
    assert "container tune of StatefulSet db: would be migrated\n" in err
    assert call(capsys, str(file), "--in-place")[0] == 0
    assert call(capsys, str(file), "--dry-run")[0] == 0


def test_unreadable_file_exits_3(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A chart that is not rendered was not migrated, and nobody may think it was."""
    file = tmp_path / "a.yaml"
    file.write_text("kind: {{ .Values.kind }}\na: b: c\n")
    code, _, err = call(capsys, str(file), "--dry-run")
    assert code == 3
    assert "was not read" in err
