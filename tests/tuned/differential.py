"""Random profile trees given to the real TuneD and to this program; every difference in the kernel is told.

python -m tests.tuned.differential COUNT [SEED]

Needs root and Debian's package `tuned`, whose service need not run: its own code is driven in throw-away namespaces.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from podsysctl.kernel import settings
from podsysctl.kernel.machine_facts import read_machine_facts
from podsysctl.node.tuning.arbiter import Arbiter
from podsysctl.node.tuning.wish import Wish
from podsysctl.sysctls.tuned import build, functions
from podsysctl.sysctls.tuned.loader import Directory, Text
from podsysctl.sysctls.tuned.plan import Guard, MachineFacts, Place, Plan, ProfileError, Setting
from podsysctl.sysctls.tuned.variables import Variables
from tests.tuned import fresh_network
from tests.tuned.trees import Generator

INTERPRETER = "/usr/bin/python3"
PACKAGE = Path("/usr/lib/python3/dist-packages/tuned")
DRIVER = Path(__file__).with_name("tuned_driver.py")
BATCH = 50
PRIVATE = (
    "mount -t tmpfs tmpfs /run && mkdir /run/tuned /run/etc && mount --bind /etc /run/etc && "
    "mount -t tmpfs tmpfs /etc && ln -s /run/etc/alternatives /etc/alternatives"
)
"""Gives TuneD a /run and an /etc of its own; virt-what, which it calls, finds programs by Debian's alternatives."""

Answer = dict[str, Any]
Tree = dict[str, Any]


def missing() -> str:
    """What keeps TuneD from being run here, empty when nothing does."""
    if not PACKAGE.is_dir():
        return f"{PACKAGE} is not installed (package tuned)"
    return "" if shutil.which("unshare") else "unshare is not installed"


def by_tuned(trees: list[Tree]) -> list[Answer]:
    """What TuneD makes of them: its error, what it logs, and the kernel's values afterwards."""
    script = f"{PRIVATE} && exec {INTERPRETER} -B {DRIVER}"
    command = ["unshare", "-n", "-m", "--propagation", "private", "sh", "-c", script]
    done = subprocess.run(command, input=json.dumps(trees), capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"exit code {done.returncode}: {done.stderr[-2000:]}")
    answers: list[Answer] = json.loads(done.stdout)
    return answers


def by_us(trees: list[Tree], facts: MachineFacts) -> list[Answer]:
    """The same of this program."""
    out = []
    for tree in trees:
        directories = [Directory(path, texts) for path, texts in tree["directories"]]
        try:
            plan = build.build(tree["name"], directories, facts)
        except ProfileError as error:
            answer: Answer = {"error": error.message, "log": [error.hint]}
            plan = Plan(tree["name"])
        else:
            answer = {"error": None, "log": [str(problem) for problem in plan.problems]}
        with tempfile.TemporaryDirectory() as place:
            root = Path(place)
            for name, text in tree["host"].items():
                (root / name).parent.mkdir(parents=True, exist_ok=True)
                (root / name).write_text(text)
            _, values = fresh_network.run(lambda plan=plan, root=root: write(plan, root))
            node, after = fresh_network.run(lambda plan=plan, root=root: by_node(plan, root))
            mine = {setting.name for setting in plan.sysctls}
            spared = [name.path for name in settings.reapplied(root) if name not in mine]
        more = {"expanded": expand(tree, facts), "node": node, "after": after, "spared": spared}
        out.append({**answer, **more, "values": values})
    return out


def by_node(plan: Plan, root: Path) -> dict[str, Any]:
    """What a node makes of a plan: the values, or why it refused; ended as a node ends, with the originals back."""
    with tempfile.TemporaryDirectory() as place:
        arbiter = Arbiter(Path(place), lambda _: (), root=root, shared=Path(place, "shared"))
        arbiter.open()
        try:
            arbiter.submit("node", Wish("node", plan))
            verdict = arbiter.verdict("node")
            refusal = "" if verdict is None or verdict.refusal is None else verdict.refusal.text
            return {"refusal": refusal, "values": {name: fresh_network.read(name) for name in fresh_network.NAMES}}
        finally:
            arbiter.close()


def expand(tree: Tree, facts: MachineFacts) -> list[str | None]:
    """The tree's texts filled in; None where an assertion fails."""
    variables = Variables(facts)
    for name, value in tree["variables"]:
        variables.define(name, Text(value, Place("", "", name, 0)))
    out: list[str | None] = []
    for text in tree["texts"]:
        try:
            found = variables.expand(text)
        except functions.AssertionFailed:
            out.append(None)
        else:
            out.append(found.text)
    return out


def write(plan: Plan, root: Path) -> None:
    """Write the settings in order, then what the host's own files say of the same parameters; what the kernel refuses
    is passed over, as TuneD does."""
    for setting in plan.sysctls:
        file = Path(setting.name.proc_path)
        try:
            if is_wanted(setting, file.read_text()):
                file.write_text(setting.value)
        except OSError:
            continue
    host = settings.reapplied(root)
    for name in {setting.name for setting in plan.sysctls} & set(host):
        Path(name.proc_path).write_text(host[name].value or "")


def is_wanted(setting: Setting, current: str) -> bool:
    """What the guard says of the present value."""
    if setting.guard is Guard.NONE:
        return True
    raises = int(setting.value) > int(current)
    return raises if setting.guard is Guard.RAISE else int(setting.value) < int(current)


def machine() -> MachineFacts:
    """The facts, with TuneD's own idea of whether the machine is virtual."""
    facts = read_machine_facts()
    command = shutil.which("virt-what", path="/usr/sbin:/sbin:/usr/bin:/bin")
    found = "" if command is None else subprocess.run([command], capture_output=True, text=True, check=False).stdout
    return MachineFacts(found.split()[0] if found.split() else "none", facts.cpus, facts.files, facts.uname)


def difference(tree: Tree, theirs: Answer, ours: Answer) -> str:
    """What is not the same, empty when everything is.

    Parameters that only the host's files name are spared: TuneD sets them once more, a node leaves them alone.
    """
    error = ours["error"]
    prefix = f"Cannot load profile(s) '{tree['name']}': "
    told = []
    if (error is None) != (theirs["error"] is None) or (error or "").removeprefix(prefix) != (theirs["error"] or ""):
        told.append(f"TuneD: {theirs['error']}\nours:  {error}")
    for name, value in theirs["values"].items():
        if ours["values"][name] != value and name not in ours["spared"]:
            told.append(f"{name}: TuneD {value!r}, ours {ours['values'][name]!r}")
    told += difference_of_node(theirs, ours)
    for text, their, our in zip(tree["texts"], theirs["expanded"], ours["expanded"], strict=True):
        if their not in (our, "?"):
            told.append(f"{text!r}: TuneD {their!r}, ours {our!r}; variables {tree['variables']}")
    if not told:
        return ""
    texts = [f"--- {path}/{name}\n{text}" for path, texts in tree["directories"] for name, text in texts.items()]
    texts += [f"--- {name}\n{text}" for name, text in tree["host"].items()]
    return "\n".join([*told, "TuneD's log:", *theirs["log"], "our problems:", *ours["log"], *texts])


def difference_of_node(theirs: Answer, ours: Answer) -> list[str]:
    """A node comes to the same values, or refuses and changes nothing; afterwards everything is as it was."""
    node, untouched = ours["node"], UNTOUCHED
    wanted = untouched if node["refusal"] else theirs["values"]
    told = [
        f"{name}: TuneD {theirs['values'][name]!r}, node {value!r} ({node['refusal'] or 'not refused'})"
        for name, value in node["values"].items()
        if value != wanted[name] and name not in ours["spared"]
    ]
    return told + [
        f"{name}: {value!r} after the node's end, {untouched[name]!r} before"
        for name, value in ours["after"].items()
        if value != untouched[name]
    ]


def main(count: int, seed: int) -> int:
    """Run so many trees; print the differences and how many there are."""
    why = missing()
    if why:
        print(why, file=sys.stderr)
        return 2
    generator = Generator(seed)
    trees = [generator.tree() for _ in range(count)]
    facts = machine()
    found = loaded = written = applied = 0
    for start in range(0, count, BATCH):
        batch = trees[start : start + BATCH]
        for tree, theirs, ours in zip(batch, by_tuned(batch), by_us(batch, facts), strict=True):
            text = difference(tree, theirs, ours)
            found += bool(text)
            loaded += theirs["error"] is None
            written += theirs["values"] != UNTOUCHED
            applied += not ours["node"]["refusal"] and ours["node"]["values"] != UNTOUCHED
            if text:
                print(f"===== tree {trees.index(tree)} of seed {seed}\n{text}\n")
    print(
        f"{count} trees, {loaded} of them loaded, {written} with a changed kernel, {applied} applied by a node, "
        f"{found} differences"
    )
    return 1 if found else 0


UNTOUCHED: dict[str, str | None] = {}
"""The values of a fresh namespace."""


if __name__ == "__main__":
    UNTOUCHED.update(fresh_network.run(lambda: None)[1])
    sys.exit(main(int(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 1))
