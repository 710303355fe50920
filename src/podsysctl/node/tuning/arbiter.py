"""Stands between the nodes of a machine and its one kernel: one arbiter for each process, whatever the count of nodes.

Each node hands in its wish; the arbiter computes from all of them what the kernel is to show, and goes there in one
change that is either done whole or not at all. A wish that cannot be met (a name or value that is wrong, a conflict, a
refusal by the kernel) is taken out as a whole, and the rest is computed anew. Every call may block on the kernel or the
disk: the event loop calls from a worker thread.

The undo journal is open for as long as the arbiter is: what a crash left is put back when it opens, and everything when
it closes.
"""

from __future__ import annotations

import logging
import threading
from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

from podsysctl.base import limits
from podsysctl.base.clock import Clock, SystemClock
from podsysctl.base.errors import KernelError
from podsysctl.kernel import procsys, settings
from podsysctl.kernel.journal import Journal
from podsysctl.kernel.machine_facts import read_machine_facts
from podsysctl.kernel.procsys import WriteRefusedError
from podsysctl.kernel.sysfs import FileJournal, FileRefusedError
from podsysctl.node.tuning import check, files, merge, others, sysfs_files
from podsysctl.node.tuning.parameters import Parameters
from podsysctl.node.tuning.sysfs_files import SysfsFiles
from podsysctl.node.tuning.wish import Claim, Drifted, Reason, Refusal, Target, Verdict, Wish
from podsysctl.sysctls.name import SysctlName
from podsysctl.sysctls.tuned.plan import MachineFacts, Plan, Setting

log = logging.getLogger(__name__)

Readings = Mapping[SysctlName, procsys.Reading]


Dangers = Callable[[Plan], Sequence[object]]
"""What would break pod networking, one text each."""


class Arbiter:
    """`root` is where the host's own files lie; `dangers` looks for what breaks pod networking; clusters meet in
    `shared`."""

    def __init__(
        self,
        data_dir: Path,
        dangers: Dangers,
        *,
        root: Path = Path("/"),
        shared: Path = others.SHARED,
        time: Clock | None = None,
    ) -> None:
        self._others = others.OtherClusters(data_dir, shared)
        self._waits_for_others = False
        self._places = files.Places(data_dir)
        self._dangers = dangers
        self._root = root
        self._clock = time or SystemClock()
        self._lock = threading.Lock()
        self._stack = ExitStack()
        self._parameters: Parameters | None = None
        self._sysfs: SysfsFiles | None = None
        self._wishes: dict[str, Wish] = {}
        self._verdicts: dict[str, Verdict] = {}
        self._drifted: dict[SysctlName, Drifted] = {}
        self._corrections: dict[SysctlName, deque[float]] = defaultdict(deque)
        self._news: dict[str, list[Drifted]] = defaultdict(list)
        self._listeners: list[Callable[[str], None]] = []
        self.facts = MachineFacts()

    def open(self) -> None:
        """Put back what a crash left, and begin. Raises KernelError when another process has the journal."""
        with self._lock, ExitStack() as stack:
            journal = stack.enter_context(Journal(str(self._places.journal)))
            file_journal = stack.enter_context(FileJournal(str(self._places.sysfs_journal)))
            files.play_back(journal, file_journal)
            self._others.open()
            self._stack = stack.pop_all()
            self._parameters, self._sysfs = Parameters(journal), SysfsFiles(file_journal)
            self._journals = journal, file_journal
            self._places.write_state({}, {}, {})
        self.facts = read_machine_facts(self._root)

    def close(self) -> None:
        """Put every original back and end; later wishes are not heard."""
        with self._lock:
            if self._parameters is None:
                return
            self._parameters = self._sysfs = None
            with self._stack:
                files.play_back(*self._journals)
                if not self._journals[0].pending():
                    self._others.close()
            self._places.remove_state()

    def listen(self, listener: Callable[[str], None]) -> Callable[[], None]:
        """Have a callable told of each node whose verdict changed, in whatever thread changed it; returns the end."""
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    def submit(self, node: str, wish: Wish | None) -> None:
        """Replace a node's wish, or withdraw it, and settle what the kernel is to show."""
        with self._lock:
            if self._parameters is None or self._wishes.get(node) == wish:
                return
            if wish is None:
                del self._wishes[node]
            else:
                self._wishes[node] = wish
            changed = self._settle()
        self._tell(changed)

    def verdict(self, node: str) -> Verdict | None:
        """What became of a node's wish; None when it has none."""
        with self._lock:
            return self._verdicts.get(node)

    def claims(self, wish: Wish) -> tuple[Claim, ...]:
        """What a wish would come to beside the host's own files, were it submitted."""
        return tuple(check.claims_of(wish, settings.reapplied(self._root) if wish.reapply else {}))

    def danger(self, wish: Wish) -> Refusal | None:
        """What forbids a wish to whoever carries it out elsewhere: pod networking, or another cluster. May block."""
        claims = self.claims(wish)
        with self._others.held() as elsewhere:
            return self._endangers(wish, claims) or others.refusal(_names(wish, claims), (), elsewhere)

    def take_news(self, node: str) -> list[Drifted]:
        """What drifted or was corrected since the last call, for events."""
        with self._lock:
            return self._news.pop(node, [])

    def watch_drift(self) -> None:
        """Look once whether somebody else changed what is held, and correct it where that was asked for."""
        with self._lock:
            if self._parameters is None:
                return
            changed = self._look(self._parameters)
            if self._waits_for_others:
                changed |= self._settle()
        self._tell(changed)

    def _tell(self, nodes: set[str]) -> None:
        for node in sorted(nodes):
            for listener in tuple(self._listeners):
                listener(node)

    def _settle(self) -> set[str]:
        """Compute, apply, and judge anew; returns the nodes whose verdict is another one."""
        assert self._parameters is not None
        wishes = [self._wishes[node] for node in sorted(self._wishes)]
        host = settings.reapplied(self._root) if any(wish.reapply for wish in wishes) else {}
        claims = {wish.node: check.claims_of(wish, host) for wish in wishes}
        names = {wish.node: _names(wish, claims[wish.node]) for wish in wishes}
        with self._others.held() as elsewhere:
            readings = procsys.read_here(dict.fromkeys(name for found in names.values() for name in found))
            wrong = {w.node: r for w in wishes if (r := self._refuse(w, claims[w.node], readings)) is not None}
            beaten = {}
            for wish in wishes:
                paths = [] if wish.node in wrong else [item.path for item in sysfs_files.claims_of([wish])]
                refusal = others.refusal(names[wish.node], paths, elsewhere)
                if refusal is not None:
                    beaten[wish.node] = refusal
            refusals = beaten | wrong
            targets, foreign = self._apply(wishes, claims, readings, refusals)
        self._waits_for_others = bool(beaten)
        held = self._parameters.held
        self._drifted = {name: item for name, item in self._drifted.items() if name in held}
        verdicts = {}
        for wish in wishes:
            own = {name: target for name, target in targets.items() if wish.node in target.nodes}
            verdicts[wish.node] = Verdict(
                wish=wish,
                refusal=refusals.get(wish.node),
                warnings=(*(held[name].note for name in own if name in held and held[name].note), *foreign),
                claims=tuple(claims[wish.node]),
                targets=own,
                drifted=self._drifted_of(wish.node),
            )
        self._places.write_state(targets, {name: item.base for name, item in held.items()}, verdicts)
        return self._replace(verdicts)

    def _refuse(self, wish: Wish, claims: Sequence[Claim], readings: Readings) -> Refusal | None:
        """Everything that can be known of one wish before a write."""
        found = check.problems(wish, claims, readings)
        if found:
            return Refusal(Reason.ERROR, "; ".join(found))
        return self._endangers(wish, claims)

    def _endangers(self, wish: Wish, claims: Sequence[Claim]) -> Refusal | None:
        final = tuple(Setting(claim.name, claim.value, claim.guard, claim.place) for claim in claims)
        dangers = self._dangers(replace(wish.plan, sysctls=final, requirements=wish.requirements))
        if dangers:
            text = "; ".join(str(danger) for danger in dangers)
            return Refusal(Reason.NETWORKING, f"{text}; nothing of the profile is applied")
        return None

    def _apply(
        self,
        wishes: Sequence[Wish],
        claims: Mapping[str, Sequence[Claim]],
        readings: Readings,
        refusals: dict[str, Refusal],
    ) -> tuple[dict[SysctlName, Target], list[str]]:
        """Go to what the wishes that are left come to, taking out one after the other what the kernel refuses."""
        assert self._parameters is not None
        assert self._sysfs is not None
        tried_again = False
        foreign: list[str] = []
        while True:
            left = [wish for wish in wishes if wish.node not in refusals]
            said = [claim for wish in left for claim in claims[wish.node]]
            wanted = [claim.name for claim in said] + [item.name for wish in left for item in wish.requirements]
            bases = {name: self._parameters.base(name, str(readings[name])) for name in dict.fromkeys(wanted)}
            merged = merge.merge(left, said, bases, sysfs_files.claims_of(left))
            refusals.update(merged.refusals)
            try:
                foreign += self._parameters.move(merged.targets)
                self._sysfs.move(merged.files)
            except WriteRefusedError as error:
                if error.name not in merged.targets:
                    if tried_again:
                        log.error("an original could not be put back: %s", error.message)
                    self._parameters.let_be(error.name)
                else:
                    _take_out(refusals, merged.targets[error.name], error)
            except FileRefusedError as error:
                target = merged.files.get(error.path)
                if target is None:
                    log.error("an original could not be put back: %s", error.message)
                    self._sysfs.let_be(error.path)
                else:
                    _take_out(refusals, target, error)
            except KernelError as error:  # the disk takes no journal, or a parameter is gone since it was looked at
                if not left:
                    log.error("what profiles set could not be put back: %s", error.message)
                    return {}, foreign
                text = f"{error.message}; nothing of the profile is applied"
                refusals.update({wish.node: Refusal(Reason.ERROR, text) for wish in left if wish.node not in refusals})
            else:
                if tried_again or not self._parameters.try_again():
                    for text in foreign:
                        log.warning("%s", text)
                    return merged.targets, foreign
                tried_again = True

    def _look(self, parameters: Parameters) -> set[str]:
        """One pass over what is held."""
        found: dict[SysctlName, Drifted] = {}
        for name, live in parameters.drifted().items():
            held = parameters.held[name]
            item = Drifted(name, held.expected, live, held.target.said, held.target.nodes)
            if held.target.corrects and live:
                item = self._correct(parameters, item)
            if not item.corrected:
                found[name] = item
            if item != self._drifted.get(name):
                for node in item.nodes:
                    self._news[node].append(item)
        if found == self._drifted and not self._news:
            return set()
        self._drifted = found
        news = set(self._news)
        self._verdicts = {
            node: replace(verdict, drifted=self._drifted_of(node)) for node, verdict in self._verdicts.items()
        }
        return news | set(self._verdicts)

    def _correct(self, parameters: Parameters, item: Drifted) -> Drifted:
        """Set one back, unless that happened too often of late: two programs that fight help nobody."""
        now_s = self._clock.monotonic_s()
        times = self._corrections[item.name]
        while times and now_s - times[0] > limits.TUNING_CORRECTIONS_S:
            times.popleft()
        if len(times) >= limits.TUNING_CORRECTIONS:
            return replace(item, tired=True)
        times.append(now_s)
        try:
            parameters.correct((item.name,))
        except KernelError as error:
            log.warning("drift is not corrected: %s", error.message)
            return item
        return replace(item, corrected=True)

    def _drifted_of(self, node: str) -> tuple[Drifted, ...]:
        return tuple(item for item in self._drifted.values() if node in item.nodes)

    def _replace(self, verdicts: dict[str, Verdict]) -> set[str]:
        old, self._verdicts = self._verdicts, verdicts
        return {node for node in {*old, *verdicts} if old.get(node) != verdicts.get(node)}


def _names(wish: Wish, claims: Iterable[Claim]) -> list[SysctlName]:
    """Every parameter that a wish speaks of."""
    return [*(claim.name for claim in claims), *(item.name for item in wish.requirements)]


def _take_out(refusals: dict[str, Refusal], target: Target, error: KernelError) -> None:
    text = f"{target.said}: {error.message}; nothing of the profile is applied"
    for node in target.nodes:
        refusals.setdefault(node, Refusal(Reason.ERROR, text))
