"""Plays scenarios of an arbiter's lives in this process's own namespaces: one JSON line in, one line out.

Run it in new net, ipc and uts namespaces. Each life is a child process that opens the arbiter, submits wishes, checks
after each that the kernel shows exactly the targets and otherwise the originals, and then ends: by closing, by SIGKILL,
or by SIGKILL at the n-th write to the kernel or the journal. After the last life what is left is put back, as `down`
does, and every value must be the original.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from podsysctl.kernel import journal, procfile, procsys, sysfs
from podsysctl.node.tuning import files
from podsysctl.node.tuning.arbiter import Arbiter
from podsysctl.sysctls import catalogue
from podsysctl.sysctls.name import SysctlName
from podsysctl.sysctls.value import values_equal
from tests.node_tuning import builders

WENT_WRONG = 7
PARTNERS = {builders.name("vm.dirty_background_bytes"), builders.name("vm.dirty_background_ratio")}
"""Each makes the other 0, so that of one profile's values for both only the last is there."""


def main() -> None:
    """Read scenarios until the end of the input."""
    for line in sys.stdin:
        scenario = json.loads(line)
        with tempfile.TemporaryDirectory() as folder:
            print(json.dumps(play(scenario, Path(folder))), flush=True)


def play(scenario: dict[str, Any], folder: Path) -> dict[str, Any]:
    """All lives, the clean-up, and what is not as it was."""
    names = [builders.name(text) for text in scenario["names"]]
    before = read(names)
    texts = {path: path.read_text() for path in map(Path, scenario["files"])}
    wrong: list[str] = []
    for life in scenario["lives"]:
        pid = os.fork()
        if pid == 0:
            live(life, scenario["profiles"], before, folder)
        _, status = os.waitpid(pid, 0)
        if os.WIFEXITED(status) and os.WEXITSTATUS(status):
            wrong.append((folder / "wrong").read_text() if (folder / "wrong").exists() else f"status {status}")
    files.restore(folder)
    after = read(names)
    wrong += [f"{name} was {before[name]!r} and is {after[name]!r}" for name in names if before[name] != after[name]]
    for path, text in texts.items():
        if path.read_text() != text:
            wrong.append(f"{path} was {text!r} and is {path.read_text()!r}")
            path.write_text(text)
    for name in names:  # so that the next scenario is not judged by this one's fault
        if before[name] != after[name]:
            procsys.write(name, before[name])
    return {"wrong": wrong}


def read(names: list[SysctlName]) -> dict[SysctlName, str]:
    """The values now."""
    return {name: procsys.read(name) for name in names}


def live(life: dict[str, Any], profiles: dict[str, str], originals: dict[SysctlName, str], folder: Path) -> None:
    """One life, in a process of its own that never returns."""
    try:
        if life["dies_at"] is not None:
            die_at(life["dies_at"])
        arbiter = builders.arbiter(folder)
        arbiter.open()
        compare(arbiter, originals)
        for node, profile in life["wishes"]:
            text = f"[main]\ninclude={profile}\n"
            arbiter.submit(node, None if profile is None else builders.wish(node, text, profiles))
            compare(arbiter, originals)
        if life["closes"]:
            arbiter.close()
            assert read(list(originals)) == originals, "not as before after close"
        else:
            os.kill(os.getpid(), signal.SIGKILL)
        os._exit(0)
    except BaseException as error:  # noqa: BLE001 - a forked child must not go on as its parent
        (folder / "wrong").write_text(f"{type(error).__name__}: {error}")
        os._exit(WENT_WRONG)


def compare(arbiter: Arbiter, originals: dict[SysctlName, str]) -> None:
    """The kernel shows the targets of nodes that were not refused, and originals elsewhere."""
    verdicts = [verdict for node in ("a", "b") if (verdict := arbiter.verdict(node)) is not None]
    targets = {name: target for verdict in verdicts for name, target in verdict.targets.items()}
    for verdict in verdicts:
        if verdict.refusal is None:
            missing = {claim.name for claim in verdict.claims} - targets.keys()
            assert not missing, f"{missing} of {verdict.wish.node} has no target"
        else:
            own = [name for name, target in targets.items() if verdict.wish.node in target.nodes]
            assert not own, f"{verdict.wish.node} is refused and has {own}: {verdict.refusal}"
    for name, original in originals.items():
        if name in PARTNERS:
            continue
        wanted = targets[name].value if name in targets else original
        live = procsys.read(name)
        same = values_equal(catalogue.spec_of(name), live, wanted)
        assert same, f"{name} is {live!r}, not {wanted!r}; it was {original!r}; {verdicts}"


def die_at(step: int) -> None:
    """SIGKILL before (even steps) or after (odd ones) the n-th write to the kernel or the journal."""
    count = 0

    def counted(function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **options: Any) -> Any:
            nonlocal count
            for moment in (0, 1):
                if count == step:
                    os.kill(os.getpid(), signal.SIGKILL)
                count += 1
                if moment == 0:
                    result = function(*args, **options)
            return result

        return call

    procfile.write = counted(procfile.write)
    sysfs._write = counted(sysfs._write)
    for method in ("_append", "_truncate"):
        setattr(journal.JournalOf, method, counted(getattr(journal.JournalOf, method)))


if __name__ == "__main__":
    main()
