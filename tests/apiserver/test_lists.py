"""get and list: selectors, pages, snapshots, tables, partial objects."""

from __future__ import annotations

import asyncio

import pytest
import yaml

from tests.apiserver.api import CONFIG_MAPS, PODS, Api, config_map, pod

TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json"
PARTIAL = "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io,application/json"
NAMES = [f"m{n}" for n in range(7)]


async def fill(api: Api) -> None:
    for name in NAMES:
        await api.make(CONFIG_MAPS, config_map(name, labels={"even": str(int(name[1]) % 2 == 0).lower()}))


def names(body: dict[str, object]) -> list[str]:
    return [item["metadata"]["name"] for item in body["items"]]  # type: ignore[index, attr-defined]


async def test_list_carries_the_revision_it_is_of(api: Api) -> None:
    """A watch from there misses nothing."""
    await fill(api)
    body = (await api.call("GET", CONFIG_MAPS)).body
    assert (body["kind"], body["apiVersion"]) == ("ConfigMapList", "v1")
    assert int(body["metadata"]["resourceVersion"]) == api.server.context.store.revision
    assert names(body) == ["kube-root-ca.crt", *NAMES]


async def test_list_over_all_namespaces(api: Api) -> None:
    """Without a namespace all are listed, in order of namespace and name."""
    body = (await api.call("GET", "/api/v1/configmaps")).body
    assert [(i["metadata"]["namespace"], i["metadata"]["name"]) for i in body["items"]] == [
        (name, "kube-root-ca.crt") for name in ("default", "kube-node-lease", "kube-public", "kube-system")
    ]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({"labelSelector": "even=true"}, ["m0", "m2", "m4", "m6"]),
        ({"labelSelector": "even,even!=true"}, ["m1", "m3", "m5"]),
        ({"fieldSelector": "metadata.name=m3"}, ["m3"]),
        ({"fieldSelector": "metadata.name!=kube-root-ca.crt", "labelSelector": "even notin (false)"},
         ["m0", "m2", "m4", "m6"]),
        ({"fieldSelector": "metadata.name=m3", "labelSelector": "even=true"}, []),
    ],
)  # fmt: skip
async def test_list_with_selectors(api: Api, query: dict[str, str], expected: list[str]) -> None:
    """Both kinds of selectors must hold."""
    await fill(api)
    assert names((await api.call("GET", CONFIG_MAPS, **query)).body) == expected


async def test_list_of_pods_by_node_follows_every_change(api: Api) -> None:
    """What is bound, changed or deleted after the first such list is found where it is now, in order of names."""
    query = {"fieldSelector": "spec.nodeName=n1"}
    assert names((await api.call("GET", PODS, **query)).body) == []
    for name in ("c", "a", "b"):
        await api.make(PODS, pod(name, nodeName="n1"))
    await api.make(PODS, pod("d"))
    assert names((await api.call("GET", PODS, **query)).body) == ["a", "b", "c"]
    binding = {"metadata": {"name": "d"}, "target": {"kind": "Node", "name": "n1"}}
    await api.call("POST", f"{PODS}/d/binding", binding)
    await api.call("DELETE", f"{PODS}/b", gracePeriodSeconds="0")
    assert names((await api.call("GET", PODS, **query)).body) == ["a", "c", "d"]
    assert names((await api.call("GET", PODS, limit="2", **query)).body) == ["a", "c"]
    rest = (await api.call("GET", "/api/v1/pods", **query)).body
    assert names(rest) == ["a", "c", "d"]
    assert names((await api.call("GET", PODS, fieldSelector="spec.nodeName=")).body) == []


async def test_list_of_pods_by_node_and_phase(api: Api) -> None:
    """The fields that controllers and kubectl select by."""
    await api.make(PODS, pod("a"))
    await api.make(PODS, pod("b", nodeName="n1"))
    for query, expected in (
        ("spec.nodeName=n1", ["b"]),
        ("spec.nodeName=", ["a"]),
        ("status.phase!=Pending", []),
        ("spec.restartPolicy=Always,spec.hostNetwork=false", ["a", "b"]),
    ):
        assert names((await api.call("GET", PODS, fieldSelector=query)).body) == expected


@pytest.mark.parametrize("query", [{}, {"labelSelector": "even"}])
async def test_pages_show_one_snapshot(api: Api, query: dict[str, str]) -> None:
    """Changes between two pages do not show: nothing twice, nothing missing, one resourceVersion."""
    await fill(api)
    first = (await api.call("GET", CONFIG_MAPS, limit=3, **query)).body
    await api.call("DELETE", f"{CONFIG_MAPS}/m5")
    await api.make(CONFIG_MAPS, config_map("m4a", labels={"even": "x"}))
    await api.call("PUT", f"{CONFIG_MAPS}/m6", config_map("m6", data={"new": "1"}, labels={"even": "z"}))
    found, page = names(first), first
    while page["metadata"].get("continue"):
        page = (await api.call("GET", CONFIG_MAPS, limit=3, **{"continue": page["metadata"]["continue"]}, **query)).body
        assert page["metadata"]["resourceVersion"] == first["metadata"]["resourceVersion"]
        found += names(page)
    assert found == (NAMES if query else ["kube-root-ca.crt", *NAMES])


async def test_pages_count_what_remains(api: Api) -> None:
    """Only without selectors, as upstream."""
    await fill(api)
    assert (await api.call("GET", CONFIG_MAPS, limit=3)).body["metadata"]["remainingItemCount"] == 5
    chosen = (await api.call("GET", CONFIG_MAPS, limit=2, labelSelector="even=true")).body["metadata"]
    assert "continue" in chosen
    assert "remainingItemCount" not in chosen


async def test_limit_below_one_is_none(api: Api) -> None:
    """The whole list comes, also when it is empty, as upstream pages for a positive limit alone."""
    await fill(api)
    for limit in ("-1", "-5", "0"):
        body = (await api.call("GET", CONFIG_MAPS, limit=limit)).body
        assert names(body) == ["kube-root-ca.crt", *NAMES]
        assert "continue" not in body["metadata"]
    assert (await api.call("GET", PODS, limit=-1)).code == 200


async def test_snapshot_with_the_greatest_limit_is_whole(api: Api) -> None:
    """The database is asked for no more than it can count."""
    await fill(api)
    version = api.server.context.store.revision
    await api.make(CONFIG_MAPS, config_map("m9"))
    query = {"resourceVersion": version, "resourceVersionMatch": "Exact", "limit": 2**63 - 1}
    assert names((await api.call("GET", CONFIG_MAPS, **query)).body) == ["kube-root-ca.crt", *NAMES]


async def test_get_with_a_version_that_is_no_number_is_refused(api: Api) -> None:
    """As a list is."""
    path = f"{CONFIG_MAPS}/kube-root-ca.crt"
    for version in ("a", "\u00b2", "1" * 5000):
        assert (await api.call("GET", path, resourceVersion=version)).code == 422
    assert (await api.call("GET", path, resourceVersion="0")).code == 200


async def test_page_of_a_compacted_snapshot_expires_with_a_fresh_token(api: Api) -> None:
    """410 says how to go on; the fresh token lists the rest as it is now."""
    await fill(api)
    first = (await api.call("GET", CONFIG_MAPS, limit=3)).body
    await api.make(CONFIG_MAPS, config_map("m9"))
    await api.server.context.store.compact(api.server.context.store.revision)
    gone = await api.call("GET", CONFIG_MAPS, limit=3, **{"continue": first["metadata"]["continue"]})
    assert (gone.code, gone.body["reason"]) == (410, "Expired")
    assert gone.message.startswith("The provided continue parameter is too old to display a consistent list result.")
    rest = (await api.call("GET", CONFIG_MAPS, **{"continue": gone.body["metadata"]["continue"]})).body
    assert names(rest) == ["m2", "m3", "m4", "m5", "m6", "m9"]


async def test_list_at_an_exact_version_shows_the_past(api: Api) -> None:
    """resourceVersionMatch=Exact, and 410 when the past is gone."""
    await api.make(CONFIG_MAPS, config_map("a"))
    version = (await api.make(CONFIG_MAPS, config_map("b")))["metadata"]["resourceVersion"]
    await api.call("DELETE", f"{CONFIG_MAPS}/a")
    query = {"resourceVersion": version, "resourceVersionMatch": "Exact"}
    assert names((await api.call("GET", CONFIG_MAPS, **query)).body) == ["a", "b", "kube-root-ca.crt"]
    loose = {"resourceVersion": version, "resourceVersionMatch": "NotOlderThan"}
    assert names((await api.call("GET", CONFIG_MAPS, **loose)).body) == ["b", "kube-root-ca.crt"]
    await api.server.context.store.compact(api.server.context.store.revision)
    assert (await api.call("GET", CONFIG_MAPS, **query)).code == 410


async def test_long_list_is_streamed_whole(api: Api) -> None:
    """More objects than one chunk: valid JSON, every object once."""
    store = api.server.context.store
    for n in range(450):
        await store.create("configmaps", f"default/x{n:04}", config_map(f"x{n:04}", namespace="default"))
    reply = await api.call("GET", CONFIG_MAPS)
    assert len(reply.body["items"]) == 451
    table = await api.call("GET", CONFIG_MAPS, accept=TABLE)
    assert len(table.body["rows"]) == 451
    assert [row["cells"][0] for row in table.body["rows"]][-1] == "x0449"


@pytest.mark.parametrize("shape", ["", "Table", "PartialObjectMetadataList"])
async def test_list_in_yaml_is_one_document(api: Api, shape: str) -> None:
    """The same object as in JSON, as the dumper writes it whole; an empty one as well."""
    await fill(api)
    asked = f";as={shape};v=v1;g=meta.k8s.io" if shape else ""
    for path in (CONFIG_MAPS, PODS):
        plain = (await api.call("GET", path, accept=f"application/json{asked}")).body
        text = (await api.call("GET", path, accept=f"application/yaml{asked}")).body
        assert text == yaml.dump(plain, Dumper=yaml.CSafeDumper, sort_keys=True, allow_unicode=True)


async def test_list_in_yaml_lets_others_in_between(api: Api) -> None:
    """Somebody else has a turn after each object: the dumper takes a second for what is three megabytes."""
    store, count, turns = api.server.context.store, 500, 0
    made = [config_map(f"m{n}", namespace="default") for n in range(count)]
    await asyncio.gather(*(store.create("configmaps", f"default/{m['metadata']['name']}", m) for m in made))

    async def take_turns() -> None:
        nonlocal turns
        while True:
            await asyncio.sleep(0)
            turns += 1

    other = asyncio.ensure_future(take_turns())
    assert (await api.call("GET", CONFIG_MAPS, accept="application/yaml")).code == 200
    assert turns > count
    other.cancel()
    await asyncio.gather(other, return_exceptions=True)


async def test_table_shows_rows_with_metadata(api: Api) -> None:
    """A Table has columns, cells and the objects' metadata, or the objects, or nothing."""
    await api.make(PODS, pod())
    body = (await api.call("GET", PODS, accept=TABLE)).body
    assert (body["kind"], body["apiVersion"]) == ("Table", "meta.k8s.io/v1")
    assert [c["name"] for c in body["columnDefinitions"] if not c["priority"]] == [
        "Name", "Ready", "Status", "Restarts", "Age",
    ]  # fmt: skip
    row = body["rows"][0]
    assert row["cells"][:4] == ["p", "0/1", "Pending", "0"]
    assert row["object"]["kind"] == "PartialObjectMetadata"
    full = (await api.call("GET", PODS, accept=TABLE, includeObject="Object")).body["rows"][0]["object"]
    assert full["spec"]["containers"]
    assert "object" not in (await api.call("GET", PODS, accept=TABLE, includeObject="None")).body["rows"][0]
    one = (await api.call("GET", f"{PODS}/p", accept=TABLE)).body
    assert one["kind"] == "Table"
    assert one["metadata"]["resourceVersion"] == row["object"]["metadata"]["resourceVersion"]


async def test_partial_list_holds_metadata_only(api: Api) -> None:
    """What the garbage collector reads."""
    await api.make(PODS, pod())
    body = (await api.call("GET", PODS, accept=PARTIAL)).body
    assert body["kind"] == "PartialObjectMetadataList"
    assert set(body["items"][0]) == {"kind", "apiVersion", "metadata"}
    one = "application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io"
    assert (await api.call("GET", f"{PODS}/p", accept=one)).body["kind"] == "PartialObjectMetadata"
