"""The parameters that profiles hold at a value: moved from one set of targets to the next, and back to the originals.

A move is one change: what leaves returns to its original, what stays and what is new goes straight to its value, in the
declared order, and a refusal by the kernel undoes the whole of it. Before each write the original is on disk. A
parameter that has its value already is not written.

Somebody else's later change is respected when we leave: such a value stays, since whoever set it meant it for the
machine without us, too. While we hold the parameter it is drift, which `drifted` finds and `correct` puts right.
"""

from __future__ import annotations

import errno
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from podsysctl.base.errors import KernelError, ValueSyntaxError
from podsysctl.kernel import procsys
from podsysctl.kernel.journal import Journal, Record
from podsysctl.node.tuning import coupled
from podsysctl.node.tuning.wish import Target
from podsysctl.sysctls import catalogue
from podsysctl.sysctls.name import SysctlName
from podsysctl.sysctls.value import parse_number, values_equal


@dataclass(frozen=True, slots=True)
class Held:
    """One parameter under a target: the target, what the kernel showed then, and the value before ours.

    `note` tells where the kernel made another value of what was asked for.
    """

    target: Target
    expected: str
    base: str
    note: str = ""


class Parameters:
    """What is held now, over an open journal."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._held: dict[SysctlName, Held] = {}
        self._stuck: set[SysctlName] = set()
        self._along: dict[SysctlName, set[SysctlName]] = {}

    @property
    def held(self) -> Mapping[SysctlName, Held]:
        """Everything under a target."""
        return self._held

    def base(self, name: SysctlName, live: str) -> str:
        """The value before ours, which is what guards and bounds compare with."""
        held = self._held.get(name)
        if held is not None:
            return held.base
        record = self._records().get(name)
        return live if record is None else record.original

    def move(self, targets: Mapping[SysctlName, Target]) -> list[str]:
        """Go to these targets; returns what was left to somebody else.

        Raises WriteRefusedError when the kernel refuses a value; everything is then as before the call. Raises
        KernelError when a parameter cannot be read or the journal cannot be written; nothing was changed then.
        """
        records = self._records()
        originals, done, foreign = self._to_restore(self._leaving(records, targets))
        values = dict(originals)
        held: dict[SysctlName, Held] = {}
        for name, target in targets.items():
            before = self._held.get(name)
            if before is not None and before.target.value == target.value:
                held[name] = replace(before, target=target)
                continue
            live = procsys.read(name)
            if name not in records and values_equal(catalogue.spec_of(name), live, target.value):
                held[name] = Held(target, live, live)
            else:
                values[name] = target.value
        bases = {name: records[name].original if name in records else procsys.read(name) for name in values}
        for item in self._write(values, bases):
            after = item.after if item.after is not None else item.wanted
            if item.name not in originals:
                note = "" if item.matched else f'{item.name}: asked for "{item.wanted}", the kernel made it "{after}"'
                held[item.name] = Held(targets[item.name], after, bases[item.name], note)
            elif item.matched:
                done.append(item.name)
            else:  # a partner among the new ones has changed it at once
                self._along[item.name] = set(targets)
        self._journal.forget(done)
        self._held = {name: held[name] for name in targets}
        return foreign

    def _leaving(self, records: Mapping[SysctlName, Record], targets: Mapping[SysctlName, Target]) -> list[Record]:
        """What is to go back to its original: the newest first, and before all the partners of what is set no more,
        since `vm.dirty_bytes` takes no 0 and becomes 0 with `vm.dirty_ratio`.
        """
        for name in [n for n, owners in self._along.items() if n in targets or n not in records or not owners]:
            del self._along[name]
        left = [
            record
            for name, record in reversed(list(records.items()))
            if name not in targets and name not in self._stuck and not self._along.get(name, set()) & targets.keys()
        ]
        return sorted(left, key=lambda record: record.name not in self._along)

    def let_be(self, name: SysctlName) -> None:
        """Leave an original for later that the kernel refuses now; the journal keeps it."""
        self._stuck.add(name)

    def try_again(self) -> bool:
        """Try in the next move what was left for later, now that its partners have moved; False if nothing was."""
        was, self._stuck = self._stuck, set()
        return bool(was)

    def drifted(self) -> dict[SysctlName, str]:
        """What is held and now shows another value, with that value; "" for what cannot be read any more."""
        out = {}
        for name, reading in procsys.read_here(self._held).items():
            held = self._held[name]
            if isinstance(reading, KernelError):
                out[name] = ""
            elif reading != held.expected and not _fits(held, name, reading):
                out[name] = reading
        return out

    def correct(self, names: Iterable[SysctlName]) -> None:
        """Set these back to their targets. Raises KernelError; what cannot be set back is then drifted still."""
        values = {name: self._held[name].target.value for name in names}
        for item in self._write(values, {name: self._held[name].base for name in values}):
            held = self._held[item.name]
            self._held[item.name] = replace(held, expected=item.after or item.wanted)

    def forget_all(self) -> None:
        """After the journal was played back."""
        self._held.clear()

    def _records(self) -> dict[SysctlName, Record]:
        return {record.name: record for record in self._journal.pending()}

    def _to_restore(self, leaving: list[Record]) -> tuple[dict[SysctlName, str], list[SysctlName], list[str]]:
        """What has to be written back, what needs nothing more, and what was left to somebody else."""
        values: dict[SysctlName, str] = {}
        done: list[SysctlName] = []
        left: list[str] = []
        for record in leaving:
            live = procsys.read_here((record.name,))[record.name]
            if isinstance(live, KernelError):
                if live.errno == errno.ENOENT:
                    done.append(record.name)
            elif _same(record.name, live, record.original):
                done.append(record.name)
            elif record.confirmed is not None and not _same(record.name, live, record.confirmed):
                done.append(record.name)
                left.append(f'{record.name} stays "{live}", which somebody else made of it; it was "{record.original}"')
            else:
                values[record.name] = record.original
        return values, done, left

    def _write(self, values: Mapping[SysctlName, str], bases: Mapping[SysctlName, str]) -> list[procsys.Written]:
        """Save, write, read back, confirm; on a refusal the journal is as before, too."""
        if not values:
            return []
        known = self._records()
        beside = coupled.partners(values)
        before = {n: text for n, text in procsys.read_here([*values, *beside]).items() if isinstance(text, str)}
        along = {name: (before[name], before[name]) for name in beside if name in before}
        self._journal.record({**{name: (bases[name], value) for name, value in values.items()}, **along})
        try:
            specs = {name: spec for name in values if (spec := catalogue.spec_of(name)) is not None}
            results = procsys.write_all(values, specs=specs, coupled=list(along), lazily=True)
        except KernelError:
            self._settle(known, [*values, *along], before)
            raise
        self._journal.confirm({item.name: item.after for item in results if item.after is not None})
        for name in self._settle(known, along, before):
            self._along.setdefault(name, set()).update(beside[name])
        return results

    def _settle(
        self, known: Mapping[SysctlName, Record], names: Iterable[SysctlName], before: Mapping[SysctlName, str]
    ) -> list[SysctlName]:
        """Forget what a change left as it was, confirm the rest as the kernel shows it; returns what changed."""
        now = {n: text for n, text in procsys.read_here(names).items() if isinstance(text, str)}
        changed = [name for name, text in now.items() if text != before.get(name)]
        same = [name for name in now if name not in changed]
        earlier = {name: known[name].confirmed or now[name] for name in same if name in known}
        self._journal.confirm({**{name: now[name] for name in changed}, **earlier})
        self._journal.forget(name for name in same if name not in known)
        return changed


def _same(name: SysctlName, one: str, other: str) -> bool:
    return values_equal(catalogue.spec_of(name), one, other)


def _fits(held: Held, name: SysctlName, live: str) -> bool:
    """Is this other text no drift: the same value, or within the bounds where no value was asked for?"""
    if held.target.bounds is None:
        return _same(name, live, held.expected)
    low, high = held.target.bounds
    try:
        number = parse_number(live.strip())
    except ValueSyntaxError:
        return False
    return (low is None or number >= low) and (high is None or number <= high)
