"""The real kubectl against the API server alone: no scheduler, no node."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from tests.apiserver.api import PODS, Api, pod
from tests.apiserver.test_definitions import definition, widget
from tests.apiserver.test_subresources import BUDGETS, budget, run_pod

pytestmark = pytest.mark.e2e

MERGE = "application/merge-patch+json"


def manifest(*objects: Any) -> str:
    return "\n---\n".join(json.dumps(obj) for obj in objects)


def config(**data: str) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "m"}, "data": data}


async def test_apply_client_side_creates_leaves_and_configures(kubectl: Api) -> None:
    """Three outcomes in kubectl's words, and fields that were taken out go."""
    args = ("apply", "-f", "-")
    assert (await kubectl.kubectl(*args, text=manifest(config(a="1")))).out == "configmap/m created\n"
    assert (await kubectl.kubectl(*args, text=manifest(config(a="1")))).out == "configmap/m unchanged\n"
    assert (await kubectl.kubectl(*args, text=manifest(config(b="2")))).out == "configmap/m configured\n"
    assert (await kubectl.kubectl("get", "cm", "m", "-o", "jsonpath={.data}")).out == '{"b":"2"}'


async def test_apply_of_a_pod_is_unchanged_the_second_time(kubectl: Api) -> None:
    """Defaults and what admission added are no difference; an image is."""
    args = ("apply", "-f", "-")
    assert (await kubectl.kubectl(*args, text=manifest(pod()))).out == "pod/p created\n"
    assert (await kubectl.kubectl(*args, text=manifest(pod()))).out == "pod/p unchanged\n"
    changed = pod()
    changed["spec"]["containers"][0]["image"] = "other"
    assert (await kubectl.kubectl(*args, text=manifest(changed))).out == "pod/p configured\n"


async def test_apply_server_side_and_its_conflict(kubectl: Api) -> None:
    """Another manager's field is named with the way out; force takes it."""
    args = ("apply", "--server-side", "-f", "-")
    one = await kubectl.kubectl(*args, "--field-manager=one", text=manifest(config(a="1")))
    assert one.out == "configmap/m serverside-applied\n"
    two = await kubectl.kubectl(*args, "--field-manager=two", text=manifest(config(a="2")), check=False)
    assert two.err.startswith('error: Apply failed with 1 conflict: conflict with "one": .data.a')
    await kubectl.kubectl(*args, "--field-manager=two", "--force-conflicts", text=manifest(config(a="2")))


async def test_apply_server_side_takes_over_from_client_side(kubectl: Api) -> None:
    """kubectl moves the ownership over, and nothing conflicts."""
    await kubectl.kubectl("apply", "-f", "-", text=manifest(config(a="1")))
    done = await kubectl.kubectl("apply", "--server-side", "-f", "-", text=manifest(config(a="2")))
    assert done.out == "configmap/m serverside-applied\n"
    assert (await kubectl.kubectl("get", "cm", "m", "-o", "jsonpath={.data.a}")).out == "2"


async def test_dry_run_on_the_server(kubectl: Api) -> None:
    """kubectl says so, and nothing is stored."""
    done = await kubectl.kubectl("apply", "--dry-run=server", "-f", "-", text=manifest(pod()))
    assert done.out == "pod/p created (server dry run)\n"
    assert (await kubectl.kubectl("get", "pods")).err == "No resources found in default namespace.\n"


async def test_unknown_field_is_refused_by_the_server(kubectl: Api) -> None:
    """kubectl's default is strict; warn and ignore are weaker."""
    bad = manifest(pod(foo=1))
    strict = await kubectl.kubectl("create", "-f", "-", text=bad, check=False)
    assert 'strict decoding error: unknown field "spec.foo"' in strict.err
    warned = await kubectl.kubectl("create", "--validate=warn", "-f", "-", text=bad)
    assert (warned.out, warned.err) == ("pod/p created\n", 'Warning: unknown field "spec.foo"\n')


async def test_invalid_pod_is_explained_field_by_field(kubectl: Api) -> None:
    """The text of the chapter's refusals."""
    bad = pod(hostNetwork=True, securityContext={"sysctls": [{"name": "net.core.somaxconn", "value": "1"}]})
    done = await kubectl.kubectl("create", "-f", "-", text=manifest(bad), check=False)
    rule = "Invalid value: \"net.core.somaxconn\": may not be specified when 'hostNetwork' is true"
    assert done.err == f'The Pod "p" is invalid: spec.securityContext.sysctls[0].name: {rule}\n'


async def test_create_commands_send_protobuf(kubectl: Api) -> None:
    """Typed creates: no JSON retry exists, so these must be understood."""
    for arguments in (
        ("namespace", "demo"),
        ("configmap", "c", "--from-literal=a=1", "-n", "demo"),
        ("serviceaccount", "bot", "-n", "demo"),
        ("secret", "generic", "s", "--from-literal=k=v", "-n", "demo"),
        ("role", "r", "--verb=get,list", "--resource=pods,deployments.apps", "-n", "demo"),
        ("rolebinding", "b", "--role=r", "--serviceaccount=demo:bot", "-n", "demo"),
        ("clusterrole", "cr", "--verb=get", "--resource=nodes"),
        ("deployment", "d", "--image=centos", "--replicas=2", "-n", "demo"),
        ("job", "j", "--image=centos", "-n", "demo", "--", "true"),
        ("cronjob", "cj", "--image=centos", "--schedule=*/5 * * * *", "-n", "demo", "--", "true"),
        ("poddisruptionbudget", "pdb", "--selector=a=b", "--min-available=50%", "-n", "demo"),
        ("priorityclass", "pc", "--value=10"),
    ):
        done = await kubectl.kubectl("create", *arguments)
        assert done.out.endswith(" created\n")
    assert (await kubectl.kubectl("get", "secret", "s", "-n", "demo", "-o", "jsonpath={.data.k}")).out == "dg=="
    assert len((await kubectl.kubectl("create", "token", "bot", "-n", "demo")).out.split(".")) == 3


async def test_auth_commands(kubectl: Api) -> None:
    """can-i, whoami, and as somebody else."""
    assert (await kubectl.kubectl("auth", "can-i", "create", "pods")).out == "yes\n"
    denied = await kubectl.kubectl("auth", "can-i", "create", "pods", "--as", "alice", check=False)
    assert (denied.out, denied.code) == ("no\n", 1)
    assert "kubernetes-admin" in (await kubectl.kubectl("auth", "whoami")).out
    forbidden = await kubectl.kubectl("get", "pods", "--as", "alice", check=False)
    assert forbidden.err == (
        'Error from server (Forbidden): pods is forbidden: User "alice" cannot list resource "pods" '
        'in API group "" in the namespace "default"\n'
    )


async def test_get_shows_tables_like_upstream(kubectl: Api) -> None:
    """Columns, wide columns, several kinds, selectors, sorting, output forms."""
    await run_pod(kubectl, "a", labels={"x": "1"})
    await kubectl.make(PODS, pod("b"))
    lines = (await kubectl.kubectl("get", "pods")).out.splitlines()
    assert lines[0].split() == ["NAME", "READY", "STATUS", "RESTARTS", "AGE"]
    assert [line.split()[:4] for line in lines[1:]] == [["a", "0/1", "Running", "0"], ["b", "0/1", "Pending", "0"]]
    wide = (await kubectl.kubectl("get", "pods", "a", "-o", "wide")).out.splitlines()
    assert wide[0].split()[5:] == ["IP", "NODE", "NOMINATED", "NODE", "READINESS", "GATES"]
    assert wide[1].split()[5:] == ["<none>", "n1", "<none>", "<none>"]
    assert (await kubectl.kubectl("get", "pods", "-l", "x=1", "-o", "name")).out == "pod/a\n"
    assert (await kubectl.kubectl("get", "pods", "--field-selector", "spec.nodeName=n1", "-o", "name")).out == "pod/a\n"
    both = (await kubectl.kubectl("get", "pods,sa")).out
    assert "pod/a" in both
    assert "serviceaccount/default" in both
    ordered = await kubectl.kubectl("get", "pods", "--sort-by=.metadata.creationTimestamp", "--no-headers")
    assert len(ordered.out.splitlines()) == 2
    everything = (await kubectl.kubectl("get", "pods", "-A", "--chunk-size=1")).out.splitlines()
    assert [line.split()[1] for line in everything[1:]] == ["a", "b"]
    bad = await kubectl.kubectl("get", "pods", "--field-selector", "foo=bar", check=False)
    assert bad.err.endswith('field selector "foo=bar": field label not supported: foo\n')


async def test_missing_things_are_not_found(kubectl: Api) -> None:
    """An object, a namespace, a kind."""
    for arguments, text in (
        (("get", "pod", "p"), 'Error from server (NotFound): pods "p" not found\n'),
        (("get", "pod", "p", "-n", "demo"), 'Error from server (NotFound): namespaces "demo" not found\n'),
        (("get", "nothings"), 'error: the server doesn\'t have a resource type "nothings"\n'),
    ):
        assert (await kubectl.kubectl(*arguments, check=False)).err == text


async def test_label_annotate_patch_and_replace(kubectl: Api) -> None:
    """Small changes in kubectl's words."""
    await kubectl.make(PODS, pod())
    assert (await kubectl.kubectl("label", "pod", "p", "a=b")).out == "pod/p labeled\n"
    assert (await kubectl.kubectl("label", "pod", "p", "a-")).out == "pod/p unlabeled\n"
    assert (await kubectl.kubectl("annotate", "pod", "p", "a=b")).out == "pod/p annotated\n"
    patched = await kubectl.kubectl("patch", "pod", "p", "-p", '{"spec":{"activeDeadlineSeconds":5}}')
    assert patched.out == "pod/p patched\n"
    current = (await kubectl.kubectl("get", "pod", "p", "-o", "json")).out
    assert (await kubectl.kubectl("replace", "-f", "-", text=current)).out == "pod/p replaced\n"
    old = json.loads(current)
    old["metadata"]["resourceVersion"] = "1"
    stale = await kubectl.kubectl("replace", "-f", "-", text=json.dumps(old), check=False)
    assert 'Operation cannot be fulfilled on pods "p": the object has been modified' in stale.err


async def test_node_commands(kubectl: Api) -> None:
    """cordon, taint, and drain with a budget that yields in the end."""
    node = {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": "n1", "labels": {"node-role.kubernetes.io/worker": ""}},
    }
    await kubectl.make("/api/v1/nodes", node)
    assert (await kubectl.kubectl("cordon", "n1")).out == "node/n1 cordoned\n"
    assert (await kubectl.kubectl("cordon", "n1")).out == "node/n1 already cordoned\n"
    lines = (await kubectl.kubectl("get", "nodes")).out.splitlines()
    assert lines[0].split() == ["NAME", "STATUS", "ROLES", "AGE", "VERSION"]
    assert lines[1].split()[:3] == ["n1", "Unknown,SchedulingDisabled", "worker"]
    assert (await kubectl.kubectl("uncordon", "n1")).out == "node/n1 uncordoned\n"
    assert (await kubectl.kubectl("taint", "node", "n1", "k=v:NoSchedule")).out == "node/n1 tainted\n"
    assert (await kubectl.kubectl("taint", "node", "n1", "k-")).out == "node/n1 untainted\n"
    await run_pod(kubectl, labels={"app": "x"})
    await budget(kubectl)
    draining = asyncio.create_task(kubectl.kubectl("drain", "n1", "--force", "--timeout=25s"))
    await asyncio.sleep(1)
    allowed = {"status": {"disruptionsAllowed": 1}}
    assert (await kubectl.call("PATCH", f"{BUDGETS}/b/status", allowed, media=MERGE)).code == 200
    for _ in range(400):
        found = await kubectl.call("GET", f"{PODS}/p")
        if found.body["metadata"].get("deletionTimestamp"):
            break
        await asyncio.sleep(0.05)
    await kubectl.call("DELETE", f"{PODS}/p", {"gracePeriodSeconds": 0})
    done = await draining
    assert "node/n1 drained\n" in done.out
    assert "Cannot evict pod as it would violate the pod's disruption budget." in done.err


async def test_delete_waits_until_the_object_is_gone(kubectl: Api) -> None:
    """A graceful pod is waited for; force does not wait; --all takes everything."""
    await run_pod(kubectl)
    deleting = asyncio.create_task(kubectl.kubectl("delete", "pod", "p"))
    for _ in range(200):
        if (await kubectl.call("GET", f"{PODS}/p")).body["metadata"].get("deletionTimestamp"):
            break
        await asyncio.sleep(0.02)
    assert not deleting.done()
    await kubectl.call("DELETE", f"{PODS}/p", {"gracePeriodSeconds": 0})
    assert (await deleting).out == 'pod "p" deleted\n'
    await run_pod(kubectl, "q")
    forced = await kubectl.kubectl("delete", "pod", "q", "--force", "--grace-period=0")
    assert forced.out == 'pod "q" force deleted\n'
    await kubectl.make(PODS, pod("r"))
    assert (await kubectl.kubectl("delete", "pods", "--all")).out == 'pod "r" deleted\n'


async def test_watch_and_wait(kubectl: Api) -> None:
    """get -w prints a row per change; wait returns when the condition holds."""
    await run_pod(kubectl, ready=False)
    watching = asyncio.create_task(kubectl.kubectl("get", "pods", "-w", "--request-timeout=3s", check=False))
    waiting = asyncio.create_task(kubectl.kubectl("wait", "--for=condition=Ready", "pod/p", "--timeout=10s"))
    await asyncio.sleep(1)
    running = {"startedAt": "2026-01-01T00:00:00Z"}
    container = {"name": "c", "ready": True, "restartCount": 0, "image": "", "imageID": ""}
    container["state"] = {"running": running}
    ready = {"status": {"conditions": [{"type": "Ready", "status": "True"}], "containerStatuses": [container]}}
    assert (await kubectl.call("PATCH", f"{PODS}/p/status", ready, media=MERGE)).code == 200
    assert (await waiting).out == "pod/p condition met\n"
    rows = [line.split()[:3] for line in (await watching).out.splitlines()]
    assert rows == [["NAME", "READY", "STATUS"], ["p", "0/1", "Running"], ["p", "1/1", "Running"]]
    late = await kubectl.kubectl("wait", "--for=condition=Nothing", "pod/p", "--timeout=1s", check=False)
    assert late.err == "error: timed out waiting for the condition on pods/p\n"


async def test_describe_and_events(kubectl: Api) -> None:
    """describe joins the object with its events."""
    made = await kubectl.make(PODS, pod())
    event = {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"name": "p.1"},
        "involvedObject": {"kind": "Pod", "namespace": "default", "name": "p", "uid": made["metadata"]["uid"],
                           "apiVersion": "v1"},
        "reason": "SysctlForbidden",
        "message": 'forbidden sysctl: "kernel.msgmax" not allowlisted',
        "type": "Warning",
        "source": {"component": "kubelet", "host": "n1"},
        "firstTimestamp": made["metadata"]["creationTimestamp"],
        "lastTimestamp": made["metadata"]["creationTimestamp"],
        "count": 1,
    }  # fmt: skip
    await kubectl.make("/api/v1/namespaces/default/events", event)
    text = (await kubectl.kubectl("describe", "pod", "p")).out
    assert "Status:           Pending" in text
    assert 'SysctlForbidden  0s    kubelet  forbidden sysctl: "kernel.msgmax" not allowlisted' in text.replace(
        "1s ", "0s "
    )
    listed = (await kubectl.kubectl("events", "--for", "pod/p")).out.splitlines()
    assert listed[0].split() == ["LAST", "SEEN", "TYPE", "REASON", "OBJECT", "MESSAGE"]
    assert listed[1].split()[1:4] == ["Warning", "SysctlForbidden", "Pod/p"]
    table = (await kubectl.kubectl("get", "events")).out.splitlines()
    assert table[1].split()[1:4] == ["Warning", "SysctlForbidden", "pod/p"]
    for kind, name in (("ns", "default"), ("sa", "default"), ("cm", "kube-root-ca.crt")):
        assert (await kubectl.kubectl("describe", kind, name)).out.startswith("Name:")


async def test_explain_and_discovery(kubectl: Api) -> None:
    """From the OpenAPI documents."""
    text = (await kubectl.kubectl("explain", "pod.spec.securityContext.sysctls")).out
    assert "FIELD: sysctls <[]Sysctl>" in text
    assert "name\t<string> -required-" in text
    resources = (await kubectl.kubectl("api-resources", "-o", "name")).out.split()
    assert {"pods", "deployments.apps", "machineconfigpools.machineconfiguration.openshift.io"} <= set(resources)
    assert "apps/v1" in (await kubectl.kubectl("api-versions")).out.split()
    assert "Server Version: v1.36" in (await kubectl.kubectl("version")).out


async def test_custom_kind_from_file_to_deletion(kubectl: Api) -> None:
    """Create the definition, wait, apply, list by short name, explain, scale, delete."""
    await kubectl.kubectl("create", "-f", "-", text=manifest(definition()))
    await kubectl.kubectl("wait", "--for=condition=Established", "crd/widgets.example.com", "--timeout=5s")
    assert (await kubectl.kubectl("apply", "-f", "-", text=manifest(widget()))).out == "widget.example.com/w created\n"
    assert (
        await kubectl.kubectl("apply", "-f", "-", text=manifest(widget()))
    ).out == "widget.example.com/w unchanged\n"
    lines = (await kubectl.kubectl("get", "wd")).out.splitlines()
    assert [line.split() for line in lines] == [["NAME", "SIZE", "READY", "AGE"], ["w", "3", lines[1].split()[-1]]]
    assert "size\t<integer> -required-" in (await kubectl.kubectl("explain", "widget.spec")).out
    assert (await kubectl.kubectl("scale", "wd", "w", "--replicas=5")).out == "widget.example.com/w scaled\n"
    bad = await kubectl.kubectl("patch", "wd", "w", "--type=merge", "-p", '{"spec":{"size":0}}', check=False)
    assert bad.err == (
        'The Widget "w" is invalid: spec.size: Invalid value: 0: spec.size in body should be greater than '
        "or equal to 1\n"
    )
    await kubectl.kubectl("delete", "crd", "widgets.example.com", "--timeout=10s")
    gone = await kubectl.kubectl("get", "wd", check=False)
    assert "doesn't have a resource type" in gone.err or "could not find the requested resource" in gone.err


async def test_edit_and_diff(kubectl: Api) -> None:
    """diff asks the server what apply would do."""
    await kubectl.kubectl("apply", "-f", "-", text=manifest(config(a="1")))
    done = await kubectl.kubectl("diff", "-f", "-", text=manifest(config(a="2")), check=False)
    assert done.code == 1
    assert '-  a: "1"' in done.out
    assert '+  a: "2"' in done.out


async def test_rollout_and_scale_of_a_deployment(kubectl: Api) -> None:
    """The table and the scale subresource of a workload."""
    await kubectl.kubectl("create", "deployment", "d", "--image=centos")
    assert (await kubectl.kubectl("scale", "deployment", "d", "--replicas=3")).out == "deployment.apps/d scaled\n"
    lines = (await kubectl.kubectl("get", "deploy", "-o", "wide")).out.splitlines()
    assert lines[0].split() == ["NAME", "READY", "UP-TO-DATE", "AVAILABLE", "AGE", "CONTAINERS", "IMAGES", "SELECTOR"]
    assert lines[1].split()[1:4] == ["0/3", "0", "0"]
    assert lines[1].split()[5:] == ["centos", "centos", "app=d"]
    assert (
        await kubectl.kubectl("set", "image", "deploy/d", "centos=other")
    ).out == "deployment.apps/d image updated\n"
