"""The same command typed into kubectl and into podsysctl, against one server: the same text, word for word.

Ages, times and uids are masked; each program works in a namespace of its own. Measured with kubectl 1.32.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.conftest import Run
from tests.cli.test_flows import POD

READING = [
    "get ns",
    "get ns -o wide",
    "get ns --show-labels",
    "get ns -L kubernetes.io/metadata.name",
    "get ns -o name",
    "get ns default -o yaml",
    "get ns default -o json",
    "get ns -o jsonpath={.items[*].metadata.name}",
    "get ns -o custom-columns=N:.metadata.name,S:.status.phase,X:.none",
    "get ns --sort-by=.metadata.name --no-headers",
    "get ns/default ns/kube-system",
    "get ns default none",
    "get ns,pods",
    "get all",
    "get pods",
    "get pods -A",
    "get pods -o yaml",
    "get foo",
    "get pod none",
    "get pods --field-selector=foo=bar",
    "api-resources",
    "api-resources -o wide",
    "api-resources --namespaced=false",
    "api-versions",
    "auth can-i get pods",
    "auth can-i create pods --as jane",
    "auth can-i get foo",
    "auth can-i --list",
    "auth whoami",
    "config view",
    "config current-context",
    "describe ns default",
]

STEPS = [
    "apply -f pod.yaml",
    "apply -f pod.yaml",
    "get pods",
    "get -f pod.yaml -o wide",
    "label pod web a=b",
    "label pod web a=b",
    "label pod web a=c --overwrite",
    "label pod web a- zzz-",
    "annotate pod web d=e",
    "annotate pod web d-",
    'patch pod web -p {"metadata":{"labels":{"p":"q"}}}',
    'patch pod web -p {"metadata":{"labels":{"p":"q"}}}',
    'patch pod web --type=merge -p {"spec":{"hostNetwork":true}}',
    "create -f pod.yaml",
    "create configmap cm --from-literal=a=b",
    "create configmap cm --from-literal=a=b",
    "create secret generic s --from-literal=a=b",
    "get cm cm -o yaml",
    "get secret s -o json",
    "describe secret s",
    "describe cm cm",
    "create sa builder",
    "apply -f unknown.yaml",
    "apply -f invalid.yaml",
    "apply -f kind.yaml",
    "apply --server-side -f pod.yaml",
    "apply --server-side -f pod.yaml --force-conflicts",
    "wait --for=condition=Ready pod/web --timeout=1s",
    "wait --for=jsonpath={.status.phase}=Pending pod/web",
    "delete pod none",
    "delete pod web --now",
    "delete cm,secret --all",
    "wait --for=delete pod/web --timeout=5s",
]

MASKS = (
    (r"[0-9a-f]{8}-[0-9a-f-]{27}", "UID"),
    (r"\b\d+(s|m|h|d)(\d+s)?\b", "AGE"),
    (r"\d{4}-\d\d-\d\dT[\d:.]+Z", "TIME"),
    (r"resourceVersion\"?: \"\d+\"", "RV"),
    (r"kube-api-access-\w{5}", "ACCESS"),
    (r"\bt\d+-\d+\b", "NS"),
    (r"kubectl|podsysctl", "PROGRAM"),
    (r"\n\nhint: .*", ""),
)


def masked(text: str) -> str:
    """The text without what must differ."""
    for pattern, mask in MASKS:
        text = re.sub(pattern, mask, text)
    return re.sub(r" {2,}", "  ", text).rstrip("\n")


@pytest.fixture
def kubectl(run: Run) -> Callable[..., subprocess.CompletedProcess[str]]:
    """kubectl with the same kubeconfig and working directory."""
    if shutil.which("kubectl") is None:
        pytest.skip("kubectl is not installed")
    return lambda *words: subprocess.run(["kubectl", *words], capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.parametrize("command", READING)
def test_reading_command_prints_what_kubectl_prints(
    run: Run, kubectl: Callable[..., subprocess.CompletedProcess[str]], command: str
) -> None:
    """Tables, lists and errors are the same."""
    theirs, ours = kubectl(*command.split()), run(*command.split())
    assert masked(ours.out) == masked(theirs.stdout)
    assert masked(ours.err) == masked(theirs.stderr)
    assert ours.code == theirs.returncode


def write_manifests(directory: Path) -> None:
    """The files that the steps name."""
    import yaml

    spec = POD["spec"]
    bad_sysctl = {"securityContext": {"sysctls": [{"name": "bad name", "value": "1"}]}}
    files = {
        "pod.yaml": POD,
        "unknown.yaml": {**POD, "metadata": {"name": "unknown"}, "spec": {**spec, "foo": {"a": 1}}},
        "invalid.yaml": {**POD, "metadata": {"name": "invalid"}, "spec": {**spec, **bad_sysctl}},
        "kind.yaml": {"apiVersion": "v9", "kind": "Foo", "metadata": {"name": "x"}},
    }
    for name, document in files.items():
        (directory / name).write_text(yaml.safe_dump(document))


def test_writing_commands_print_what_kubectl_prints(
    run: Run, namespace: str, kubectl: Callable[..., subprocess.CompletedProcess[str]], tmp_path: Path
) -> None:
    """The same steps in two namespaces have the same answers, all the way."""
    write_manifests(tmp_path)
    other = f"{namespace}0"
    run("create", "namespace", other)
    different = []
    for step in STEPS:
        words = step.split()
        theirs, ours = kubectl("-n", other, *words), run("-n", namespace, *words)
        told = masked(theirs.stdout), masked(theirs.stderr), theirs.returncode
        if (masked(ours.out), masked(ours.err), ours.code) != told:
            different.append(f"{step}\n  kubectl:   {theirs}\n  podsysctl: {ours}")
    assert different == []
