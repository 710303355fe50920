"""What is to be done for a pod, decided from its spec and what the runtime has of it."""

from __future__ import annotations

from podsysctl.node import actions
from podsysctl.node.runtime_state import CREATED, EXITED, RUNNING, UNKNOWN, PodRuntime
from tests.node.builders import Results, container, pod, record, runtime


def _names(containers: list[dict[str, object]]) -> list[object]:
    return [c["name"] for c in containers]


def test_compute_without_sandbox_creates_one_and_starts_all() -> None:
    """A new pod gets a sandbox with attempt 0 and all its containers."""
    plan = actions.compute(pod(container("a"), container("b")), PodRuntime("uid-1"), Results())
    assert (plan.create_sandbox, plan.sandbox.attempt, _names(plan.start)) == (True, 0, ["a", "b"])


def test_compute_everything_running_is_idle() -> None:
    """A pod that is as it should be is left alone."""
    assert actions.compute(pod(), runtime(record()), Results()).idle


def test_compute_sandbox_not_ready_is_replaced_with_next_attempt() -> None:
    """A dead sandbox is replaced, and the attempt number grows."""
    plan = actions.compute(pod(), runtime(record(state=EXITED, exit_code=1), ready=False), Results())
    assert (plan.kill_pod, plan.create_sandbox, plan.sandbox.attempt) == (True, True, 1)
    assert _names(plan.start) == ["c"]


def test_compute_sandbox_dead_and_policy_never_is_only_stopped() -> None:
    """With restartPolicy Never a pod whose containers ran gets no second sandbox."""
    dead = runtime(record(state=EXITED), ready=False)
    plan = actions.compute(pod(restartPolicy="Never"), dead, Results())
    assert (plan.kill_pod, plan.create_sandbox) == (True, False)


def test_compute_on_failure_restarts_only_what_failed() -> None:
    """restartPolicy OnFailure starts the failed container again and not the one that succeeded."""
    a, b = container("a"), container("b")
    state = runtime(record(a, EXITED), record(b, EXITED, exit_code=3))
    plan = actions.compute(pod(a, b, restartPolicy="OnFailure"), state, Results())
    assert _names(plan.start) == ["b"]


def test_compute_all_done_kills_pod() -> None:
    """When nothing runs and nothing is to start, the sandbox goes."""
    plan = actions.compute(pod(restartPolicy="Never"), runtime(record(state=EXITED)), Results())
    assert plan.kill_pod
    assert not plan.create_sandbox


def test_compute_image_changed_restarts_container() -> None:
    """A changed image restarts the container whatever the restart policy."""
    changed = container(image="other")
    plan = actions.compute(pod(changed, restartPolicy="Never"), runtime(record(container())), Results())
    assert plan.kill[0].message == "Container c definition changed, will be restarted"
    assert _names(plan.start) == ["c"]


def test_compute_liveness_failed_restarts_unless_policy_never() -> None:
    """A failed liveness probe kills the container; the message says whether it comes back."""
    results = Results(liveness={"c-0": False})
    plan = actions.compute(pod(), runtime(record()), results)
    assert plan.kill[0].message == "Container c failed liveness probe, will be restarted"
    plan = actions.compute(pod(restartPolicy="Never"), runtime(record()), results)
    assert plan.kill[0].message == "Container c failed liveness probe"
    assert plan.start == []


def test_compute_unknown_state_kills_before_restart() -> None:
    """Of a container in unknown state one does not know whether it runs: it is killed first."""
    plan = actions.compute(pod(), runtime(record(state=UNKNOWN)), Results())
    assert plan.kill[0].message == 'Container is in "unknown" state, try killing it before restart'
    assert _names(plan.start) == ["c"]


def test_compute_created_container_is_started_again() -> None:
    """A container left in the created state by a crash is made anew."""
    assert _names(actions.compute(pod(), runtime(record(state=CREATED)), Results()).start) == ["c"]


def test_compute_init_containers_run_one_after_the_other() -> None:
    """The second init container starts after the first succeeded, and regular ones after the last."""
    one, two = container("one"), container("two")
    subject = pod(initContainers=[one, two])
    assert _names(actions.compute(subject, runtime(), Results()).start_init) == ["one"]
    assert actions.compute(subject, runtime(record(one)), Results()).idle
    done = record(one, EXITED)
    assert _names(actions.compute(subject, runtime(done), Results()).start_init) == ["two"]
    plan = actions.compute(subject, runtime(done, record(two, EXITED, number=1)), Results())
    assert (_names(plan.start_init), _names(plan.start)) == ([], ["c"])


def test_compute_init_failed_restarts_or_ends_pod() -> None:
    """A failed init container runs again, unless the policy is Never: then the pod is over."""
    one = container("one")
    failed = runtime(record(one, EXITED, exit_code=1))
    assert _names(actions.compute(pod(initContainers=[one]), failed, Results()).start_init) == ["one"]
    plan = actions.compute(pod(initContainers=[one], restartPolicy="Never"), failed, Results())
    assert plan.kill_pod
    assert plan.start_init == []


def test_compute_init_out_of_memory_counts_as_failed() -> None:
    """An init container killed for memory failed even with exit code 0."""
    one = container("one")
    state = runtime(record(one, EXITED, reason="OOMKilled"))
    assert _names(actions.compute(pod(initContainers=[one]), state, Results()).start_init) == ["one"]


def test_compute_sidecar_started_lets_the_next_begin() -> None:
    """A sidecar that runs, and whose startup probe succeeded, lets the next init container start."""
    sidecar = container("side", restartPolicy="Always", startupProbe={"exec": {"command": ["true"]}})
    subject = pod(initContainers=[sidecar])
    state = runtime(record(sidecar))
    assert actions.compute(subject, state, Results()).idle
    plan = actions.compute(subject, state, Results(startup={"side-0": True}))
    assert _names(plan.start) == ["c"]


def test_compute_sidecar_ended_restarts_while_pod_runs() -> None:
    """A sidecar is kept running beside the regular containers."""
    sidecar = container("side", restartPolicy="Always")
    state = runtime(record(sidecar, EXITED), record(number=1))
    assert _names(actions.compute(pod(initContainers=[sidecar]), state, Results()).start_init) == ["side"]


def test_compute_sidecars_do_not_keep_a_finished_pod() -> None:
    """When the regular containers are done, sidecars are not restarted and the pod ends."""
    sidecar = container("side", restartPolicy="Always")
    state = runtime(record(sidecar), record(state=EXITED, number=1))
    plan = actions.compute(pod(initContainers=[sidecar], restartPolicy="Never"), state, Results())
    assert plan.kill_pod
    assert plan.start_init == []


def test_compute_init_records_gone_from_runtime_are_not_run_again() -> None:
    """Init containers whose records were removed do not run again while the pod's containers run."""
    one = container("one")
    assert actions.compute(pod(initContainers=[one]), runtime(record(state=RUNNING)), Results()).idle
