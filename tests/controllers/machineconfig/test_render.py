"""Rendered MachineConfigs: selection, merge order, names."""

from __future__ import annotations

import re

import pytest

from podsysctl.controllers.machineconfig import render
from podsysctl.controllers.machineconfig.kubelet_config import configuration_file
from podsysctl.objects import machineconfig as names
from tests.controllers.machineconfig.builders import Object, named, pool


def machine_config(name: str, role: str, text: str = "", path: str = names.KUBELET_CONF_PATH) -> Object:
    """A MachineConfig with one file."""
    files = [configuration_file(path, text)] if text else []
    return {
        "metadata": {"name": name, "labels": {names.ROLE_LABEL: role}},
        "spec": {"config": {"ignition": {"version": "3.5.0"}, "storage": {"files": files}}},
    }


INFRA = pool("infra", machineConfigSelector={"matchExpressions": [
    {"key": names.ROLE_LABEL, "operator": "In", "values": ["worker", "infra"]}]})  # fmt: skip


def test_selected_of_a_custom_pool_has_the_workers_first() -> None:
    """Role worker by name, then the others by name, whatever their numbers say; rendered ones never."""
    given = [
        machine_config(name, role)
        for name, role in (
            ("00-infra", "infra"), ("99-worker", "worker"), ("01-worker", "worker"),
            ("rendered-worker-1", "worker"), ("00-master", "master"),
        )
    ]  # fmt: skip
    assert named(render.selected(INFRA, given)) == ["01-worker", "99-worker", "00-infra"]


def test_selected_of_a_pool_without_machine_configs_says_so() -> None:
    """The text that RenderDegraded shows."""
    with pytest.raises(names.RenderError, match="Failed to render configuration for pool infra: no MachineConfigs "
                                                "found matching selector "):  # fmt: skip
        render.selected(INFRA, [machine_config("00-master", "master")])


def test_render_of_files_with_one_path_takes_the_later_whole() -> None:
    """Files are replaced, not merged."""
    rendered = render.render(pool(), [machine_config("01", "worker", "a: 1"), machine_config("99", "worker", "b: 2")])
    assert names.kubelet_file(rendered) == "b: 2"


def test_render_name_depends_on_the_content_alone() -> None:
    """Same content, same name: going back to a configuration goes back to its name."""
    one = render.render(pool(), [machine_config("01", "worker", "a: 1")])["metadata"]["name"]
    other = render.render(pool(), [machine_config("01", "worker", "a: 2")])["metadata"]["name"]
    again = render.render(pool(), [machine_config("02", "worker", "a: 0"), machine_config("03", "worker", "a: 1")])
    assert re.fullmatch(r"rendered-worker-[0-9a-f]{32}", one)
    assert (one == again["metadata"]["name"], one == other) == (True, False)


@pytest.mark.parametrize("file", [{"mode": 420}, "text", None, []])
def test_render_of_a_file_without_path_is_an_error_of_the_pool(file: object) -> None:
    """A MachineConfig that a person wrote badly does not end the controller."""
    bad = machine_config("50-bad", "worker")
    bad["spec"]["config"]["storage"]["files"] = [file]
    with pytest.raises(names.RenderError, match="50-bad"):
        render.render(pool(), [bad])


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("data:,a%3A%201%0A", "a: 1\n"),
        ("data:text/plain;charset=utf-8;base64,YTogMQo=", "a: 1\n"),
        ("data:;base64,YTogMQo%3D", "a: 1\n"),
        ("data:,", ""),
        (None, ""),
    ],
)
def test_kubelet_file_reads_every_form_of_data_url(source: str | None, expected: str) -> None:
    """Percent-encoded and base64."""
    given = machine_config("m", "worker", "x")
    given["spec"]["config"]["storage"]["files"][0]["contents"] = {"source": source}
    assert names.kubelet_file(given) == expected


@pytest.mark.parametrize("source", ["http://elsewhere/", "data:", "data:;base64,YTog!", "data:,%ff"])
def test_kubelet_file_that_cannot_be_read_is_an_error(source: str) -> None:
    """Never an exception that nobody expects."""
    given = machine_config("m", "worker", "x")
    given["spec"]["config"]["storage"]["files"][0]["contents"] = {"source": source}
    with pytest.raises(names.RenderError):
        names.kubelet_file(given)


def test_kubelet_file_that_is_absent_is_an_error() -> None:
    """Its name is told."""
    with pytest.raises(names.RenderError, match=f"^m holds no {names.KUBELET_CONF_PATH}$"):
        names.kubelet_file(machine_config("m", "worker", "x", path="/etc/other"))
