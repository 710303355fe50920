"""What people do with objects, against our own API server."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.cli.conftest import Done, Run

POD: dict[str, Any] = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"name": "web", "labels": {"app": "web"}},
    "spec": {
        "securityContext": {"sysctls": [{"name": "kernel.shm_rmid_forced", "value": "1"}]},
        "containers": [{"name": "a", "image": "centos", "command": ["sleep", "INF"]}],
    },
}


@pytest.fixture
def pod_file(tmp_path: Path) -> Path:
    """The file pod.yaml in the working directory."""
    path = tmp_path / "pod.yaml"
    path.write_text(yaml.safe_dump(POD))
    return path


def outputs(*done: Done) -> list[str]:
    """What each command printed."""
    return [d.out for d in done]


def test_apply_creates_leaves_alone_and_changes(run: Run, namespace: str, pod_file: Path) -> None:
    """created, then unchanged without a request that writes, then configured."""
    first, second = run("apply", "-f", "pod.yaml"), run("apply", "-f", "pod.yaml")
    changed = {**POD, "metadata": {"name": "web", "labels": {"tier": "front"}}}
    pod_file.write_text(yaml.safe_dump(changed))
    dry, third = run("apply", "-f", "pod.yaml", "--dry-run=server"), run("apply", "-f", "pod.yaml")
    assert outputs(first, second, dry, third) == [
        "pod/web created\n",
        "pod/web unchanged\n",
        "pod/web configured (server dry run)\n",
        "pod/web configured\n",
    ]
    assert run("get", "pod", "web", "-o", "jsonpath={.metadata.labels}").out == '{"tier":"front"}'


def test_apply_keeps_what_others_set(run: Run, namespace: str, pod_file: Path) -> None:
    """A label that the file never had survives the next apply."""
    run("apply", "-f", "pod.yaml")
    run("label", "pod", "web", "other=1")
    pod_file.write_text(yaml.safe_dump({**POD, "metadata": {"name": "web", "labels": {"app": "x"}}}))
    run("apply", "-f", "pod.yaml")
    assert run("get", "pod", "web", "-o", "jsonpath={.metadata.labels}").out == '{"app":"x","other":"1"}'


def test_apply_directory_and_stdin_and_list(
    run: Run, namespace: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """-f takes a directory (with -R all of it), and a List stands for its items."""
    maps = [{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": n}} for n in ("a", "b", "c")]
    (tmp_path / "m" / "below").mkdir(parents=True)
    (tmp_path / "m" / "1.yaml").write_text(yaml.safe_dump_all(maps[:1]))
    (tmp_path / "m" / "below" / "2.json").write_text(
        json.dumps({"apiVersion": "v1", "kind": "List", "items": maps[1:]})
    )
    (tmp_path / "m" / "notes.txt").write_text("not a manifest")
    assert run("apply", "-f", "m").out == "configmap/a created\n"
    assert run("apply", "-f", "m", "-R").out == "configmap/a unchanged\nconfigmap/b created\nconfigmap/c created\n"


def test_apply_bad_and_good_objects_does_the_good_ones(run: Run, namespace: str, tmp_path: Path) -> None:
    """One bad object does not stop the others; the errors come at the end, and the exit code says so."""
    bad = {**POD, "metadata": {"name": "bad"}, "spec": {**POD["spec"], "foo": 1}}
    (tmp_path / "both.yaml").write_text(yaml.safe_dump_all([bad, POD]))
    done = run("apply", "-f", "both.yaml")
    assert (done.out, done.code) == ("pod/web created\n", 1)
    assert done.err == (
        'Error from server (BadRequest): error when creating "both.yaml": Pod in version "v1" cannot be handled as a '
        'Pod: strict decoding error: unknown field "spec.foo"\n'
    )


def test_apply_unknown_field_is_a_warning_when_asked(run: Run, namespace: str, tmp_path: Path) -> None:
    """--validate=warn creates the object and says on stderr what was dropped."""
    odd = {**POD, "spec": {**POD["spec"], "foo": 1}}
    (tmp_path / "odd.yaml").write_text(yaml.safe_dump(odd))
    done = run("apply", "-f", "odd.yaml", "--validate=warn")
    assert done.out == "pod/web created\n"
    assert 'Warning: unknown field "spec.foo"\n' in done.err


def test_apply_server_side_conflicts_until_forced(run: Run, namespace: str, tmp_path: Path) -> None:
    """Another manager's field is a conflict with advice; --force-conflicts takes it over."""
    path = tmp_path / "cm.yaml"
    map_ = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "m"}, "data": {"a": "1"}}
    path.write_text(yaml.safe_dump(map_))
    assert run("apply", "--server-side", "-f", "cm.yaml").out == "configmap/m serverside-applied\n"
    path.write_text(yaml.safe_dump({**map_, "data": {"a": "2"}}))
    refused = run("apply", "--server-side", "-f", "cm.yaml", "--field-manager=other")
    assert refused.code == 1
    assert refused.err.startswith(
        'error: Apply failed with 1 conflict: conflict with "kubectl": .data.a\nPlease review'
    )
    taken = run("apply", "--server-side", "-f", "cm.yaml", "--field-manager=other", "--force-conflicts")
    assert taken.out == "configmap/m serverside-applied\n"
    assert run("get", "cm", "m", "-o", "jsonpath={.data.a}").out == "2"


def test_apply_server_side_after_client_side_moves_the_ownership(run: Run, namespace: str, tmp_path: Path) -> None:
    """A field dropped from the file goes although client-side apply once owned it."""
    path = tmp_path / "cm.yaml"
    map_ = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "m"}, "data": {"a": "1", "b": "1"}}
    path.write_text(yaml.safe_dump(map_))
    run("apply", "-f", "cm.yaml")
    run("apply", "--server-side", "-f", "cm.yaml")
    path.write_text(yaml.safe_dump({**map_, "data": {"a": "1"}}))
    run("apply", "--server-side", "-f", "cm.yaml")
    assert run("get", "cm", "m", "-o", "jsonpath={.data}").out == '{"a":"1"}'


def test_get_watch_prints_changes_as_they_come(run: Run, namespace: str, tmp_path: Path) -> None:
    """get -w lists, then adds a line per change, aligned with the list."""
    run("create", "secret", "generic", "first")
    watcher = subprocess.Popen(
        [sys.executable, "-m", "podsysctl.cli.main", "get", "secrets", "-w", "--output-watch-events"],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert watcher.stdout is not None
    lines: list[str] = []
    seen = threading.Event()

    def collect() -> None:
        assert watcher.stdout is not None
        for line in watcher.stdout:
            lines.append(line)
            if len(lines) == 2:
                seen.set()
            if line.startswith("DELETED"):
                break

    reader = threading.Thread(target=collect)
    reader.start()
    try:
        assert seen.wait(15)
        run("create", "secret", "generic", "second")
        run("label", "secret", "second", "a=b")
        run("delete", "secret", "second")
        reader.join(15)
    finally:
        watcher.terminate()
        watcher.wait(10)
        watcher.stdout.close()
    kinds = [line.split()[:2] for line in lines]
    assert kinds == [
        ["EVENT", "NAME"],
        ["ADDED", "first"],
        ["ADDED", "second"],
        ["MODIFIED", "second"],
        ["DELETED", "second"],
    ]


def test_get_sort_by_orders_rows(run: Run, namespace: str) -> None:
    """--sort-by orders by any field, amounts as amounts; objects without it come first."""
    for name, value in (("b", "1500m"), ("c", "2"), ("a", "1")):
        run("create", "configmap", name, f"--from-literal=k={value}")
    rows = run("get", "cm", "--sort-by=.data.k", "--no-headers").out.splitlines()
    assert [row.split()[0] for row in rows] == ["kube-root-ca.crt", "a", "b", "c"]
    names = run("get", "cm", "--sort-by=.data.k", "-o", "jsonpath={.items[*].metadata.name}").out
    assert names == "kube-root-ca.crt a b c"


def test_get_ignore_not_found_is_silent(run: Run, namespace: str) -> None:
    """An absent object is no failure when that is asked for."""
    done = run("get", "cm", "none", "--ignore-not-found")
    assert (done.out, done.err, done.code) == ("", "", 0)


def test_label_and_annotate_say_what_they_did(run: Run, namespace: str) -> None:
    """Set, refuse to overwrite, overwrite, remove."""
    run("create", "configmap", "m")
    assert run("label", "cm", "m", "a=1").out == "configmap/m labeled\n"
    assert run("label", "cm", "m", "a=1").out == "configmap/m not labeled\n"
    refused = run("label", "cm", "m", "a=2")
    assert refused.err.startswith("error: 'a' already has a value (1), and --overwrite is false\n")
    assert refused.code == 1
    assert run("label", "cm", "m", "a=2", "--overwrite").out == "configmap/m labeled\n"
    assert run("label", "cm", "m", "a-", "b-").out == 'label "b" not found.\nconfigmap/m unlabeled\n'
    assert run("annotate", "cm/m", "note=x y").out == "configmap/m annotated\n"
    assert run("annotate", "cm/m", "note-").out == "configmap/m annotated\n"


def test_taint_cordon_and_their_opposites(run: Run, namespace: str, tmp_path: Path) -> None:
    """A node can be tainted and cordoned, and both undone."""
    name = f"n-{namespace}"
    node = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": name}}
    (tmp_path / "node.yaml").write_text(yaml.safe_dump(node))
    run("create", "-f", "node.yaml")
    assert run("cordon", name).out == f"node/{name} cordoned\n"
    assert run("cordon", name).out == f"node/{name} already cordoned\n"
    assert run("adm", "uncordon", name).out == f"node/{name} uncordoned\n"
    assert run("taint", "node", name, "k=v:NoSchedule").out == f"node/{name} tainted\n"
    again = run("taint", "node", name, "k=w:NoSchedule")
    assert again.err == f"error: node {name} already has k taint(s) with same effect(s) and --overwrite is false\n"
    assert run("taint", "node", name, "k-").out == f"node/{name} untainted\n"
    assert run("taint", "node", name, "k-").err == 'error: taint "k" not found\n'
    assert run("get", "node", name, "-o", "jsonpath={.spec}").out in ("", "{}")
    run("delete", "node", name)


def test_patch_of_each_type(run: Run, namespace: str) -> None:
    """Strategic, merge and JSON patches, and a patch that changes nothing."""
    run("create", "configmap", "m", "--from-literal=a=1")
    assert run("patch", "cm", "m", "-p", "data: {b: '2'}").out == "configmap/m patched\n"
    assert run("patch", "cm", "m", "-p", '{"data":{"b":"2"}}').out == "configmap/m patched (no change)\n"
    assert run("patch", "cm", "m", "--type=merge", "-p", '{"data":{"a":null}}').out == "configmap/m patched\n"
    json_patch = '[{"op":"replace","path":"/data/b","value":"3"}]'
    assert run("patch", "cm", "m", "--type=json", "-p", json_patch).out == "configmap/m patched\n"
    assert run("get", "cm", "m", "-o", "jsonpath={.data}").out == '{"b":"3"}'


def test_edit_saves_what_the_editor_wrote(run: Run, namespace: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The change becomes a patch; an untouched file changes nothing."""
    run("create", "configmap", "m", "--from-literal=a=1")
    monkeypatch.setenv("EDITOR", 'sed -i \'s/a: "1"/a: "2"/\'')
    assert run("edit", "cm", "m").out == "configmap/m edited\n"
    assert run("get", "cm", "m", "-o", "jsonpath={.data.a}").out == "2"
    monkeypatch.setenv("EDITOR", "true")
    assert run("edit", "cm", "m").err == "Edit cancelled, no changes made.\n"


def test_replace_puts_the_file_in_place(run: Run, namespace: str, tmp_path: Path) -> None:
    """What the file does not have is gone afterwards."""
    run("create", "configmap", "m", "--from-literal=a=1", "--from-literal=b=2")
    map_ = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "m"}, "data": {"c": "3"}}
    (tmp_path / "cm.yaml").write_text(yaml.safe_dump(map_))
    assert run("replace", "-f", "cm.yaml").out == "configmap/m replaced\n"
    assert run("get", "cm", "m", "-o", "jsonpath={.data}").out == '{"c":"3"}'
    assert run("replace", "--force", "-f", "cm.yaml").out == "configmap/m deleted\nconfigmap/m replaced\n"


def test_delete_by_name_file_and_label(run: Run, namespace: str, tmp_path: Path) -> None:
    """Each way names what went, and nothing is left."""
    for name in ("a", "b", "c"):
        run("create", "configmap", name)
        run("label", "cm", name, f"is={name}")
    assert run("delete", "cm", "a", "none").out == 'configmap "a" deleted\n'
    assert run("delete", "cm", "-l", "is in (b)").out == 'configmap "b" deleted\n'
    map_ = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c"}}
    (tmp_path / "c.yaml").write_text(yaml.safe_dump(map_))
    assert run("delete", "-f", "c.yaml").out == 'configmap "c" deleted\n'
    assert run("delete", "secrets", "--all").out == "No resources found\n"


def test_delete_waits_for_finalizers(run: Run, namespace: str) -> None:
    """The command ends when the object is gone, or when its time is over."""
    run("create", "configmap", "m")
    run("patch", "cm", "m", "-p", '{"metadata":{"finalizers":["test.io/hold"]}}')
    waiting = run("delete", "cm", "m", "--timeout=1s")
    assert waiting.out == 'configmap "m" deleted\n'
    assert waiting.err == "error: timed out waiting for the condition on configmaps/m\n"
    assert run("delete", "cm", "m", "--wait=false").code == 0
    run("patch", "cm", "m", "--type=merge", "-p", '{"metadata":{"finalizers":null}}')
    assert run("get", "cm", "m").code == 1


def test_wait_for_condition_path_and_deletion(run: Run, namespace: str, pod_file: Path) -> None:
    """Each goal is met or times out with kubectl's words."""
    run("apply", "-f", "pod.yaml")
    assert run("wait", "--for=jsonpath={.status.phase}=Pending", "pod/web").out == "pod/web condition met\n"
    timed_out = run("wait", "--for=condition=Ready", "pod/web", "--timeout=1s")
    assert (timed_out.err, timed_out.code) == ("error: timed out waiting for the condition on pods/web\n", 1)
    status = '{"status":{"conditions":[{"type":"Ready","status":"True"}]}}'
    run("patch", "pod", "web", "--subresource=status", "-p", status)
    assert run("wait", "--for=condition=ready", "pods", "--all").out == "pod/web condition met\n"
    run("delete", "pod", "web", "--force")
    assert run("wait", "--for=delete", "pod/web").code == 0
    assert run("wait", "--for=condition=Ready", "pods", "--all").err == "error: no matching resources found\n"


def test_project_switches_the_context(run: Run, namespace: str) -> None:
    """new-project creates and switches, project shows and goes back."""
    other = f"{namespace}-two"
    assert run("new-project", other).out.startswith(f'Now using project "{other}" on server "https://')
    assert run("project", "-q").out == f"{other}\n"
    assert run("config", "view", "--minify", "-o", "jsonpath={.contexts[0].context.namespace}").out == other
    assert run("project", namespace).out.startswith(f'Now using project "{namespace}" on server')
    assert run("project", "nowhere").code == 1


def test_config_view_hides_keys(run: Run) -> None:
    """Keys are printed only with --raw."""
    assert "client-key-data: DATA+OMITTED" in run("config", "view").out
    assert "DATA+OMITTED" not in run("config", "view", "--raw").out


def test_auth_can_i_answers_with_word_and_exit_code(run: Run, namespace: str) -> None:
    """yes is 0 and no is 1."""
    yes, no = run("auth", "can-i", "create", "pods"), run("auth", "can-i", "create", "pods", "--as=nobody")
    assert (yes.out, yes.code, no.out, no.code) == ("yes\n", 0, "no\n", 1)
    assert run("whoami").out == "kubernetes-admin\n" or run("whoami").out.strip()


def test_complete_offers_commands_kinds_and_names(run: Run, namespace: str) -> None:
    """The shell gets words that fit where the cursor stands."""
    run("create", "configmap", "settings")
    assert run("__complete", "--", "des").out == "describe\n"
    assert "history\n" in run("__complete", "--", "rollout", "").out
    assert "configmaps\n" in run("__complete", "--", "get", "conf").out
    assert run("__complete", "--", "get", "cm", "set").out == "settings\n"
    assert run("__complete", "--", "get", "cm/set").out == "cm/settings\n"
    assert run("__complete", "--", "get", "-n", namespace[:-1]).out.splitlines()[0].startswith(namespace[:-1])
    assert "--field-selector\n" in run("__complete", "--", "get", "--fi").out
    assert run("__complete", "--", "get", "pods", "-o", "js").out == "json\njsonpath=\n"
    assert run("__complete", "--", "config", "use-context", "pod").out == "podsysctl\n"


@pytest.mark.parametrize("command", ["explain", "sysctl get", "sysctl set", "sysctl list", "sysctl origin"])
def test_complete_offers_parameters_without_a_server(
    run: Run, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    """Names that can be used as they are, so none with a word that stands for an interface."""
    monkeypatch.setenv("KUBECONFIG", "/does/not/exist")
    assert run("__complete", "--", *command.split(), "net.core.som").out == "net.core.somaxconn\n"
    offered = run("__complete", "--", *command.split(), "").out.split()
    assert "vm.swappiness" in offered
    assert not [name for name in offered if "IFNAME" in name or "cpuN" in name or "FAMILY" in name]


def test_complete_of_explain_offers_kinds_too(run: Run) -> None:
    """It explains objects of the cluster as well."""
    assert "pods\n" in run("__complete", "--", "explain", "po").out
