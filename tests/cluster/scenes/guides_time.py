"""What the autoscaling guides show over time: panic and its end, to zero and back, floors and graceful ends."""

import time

from bed.models import guide
from bed.requests import Answers, in_background
from bed.scene import NotShown, scene

from .guides_load import CAPPED, OLD_SOFT, SOFT, at_zero, warm

OLD_ZERO, ZERO, OLD_SCHEMA_ZERO, FLOOR = 3, 9, 13, 16


def panics(stage, model):
    """Whether the short window steers."""
    return stage.gateway.metric("holdgate_panic_mode", revision=model.revision) > 0


@scene("g4", "a step from 1 to 10 clients: panic within a second or two, growth at once, no shrinking meanwhile")
def panic(stage):
    """In the guide the panic window is 6 s of 60, and twice the target begins it."""
    _, model = guide(stage, OLD_SOFT, minReplicas=1, env={"service_time": "200ms"})
    warm(stage, model, 1)
    with stage.load(model.host, 1) as calm:
        time.sleep(7)
        stage.shown(not panics(stage, model), "one client is no reason to panic")
        begun = time.time()
        with stage.load(model.host, 9) as step:
            stage.until(6, lambda: panics(stage, model), "panic")
            panicked = time.time() - begun
            stage.until(30, lambda: stage.pods.count() >= 10, "10 pods")
            grown = time.time() - begun
            stage.throughout(3, lambda: not panics(stage, model) or stage.pods.count() >= 10, "no pod goes in panic")
    stage.all_fine(Answers([*calm.answers, *step.answers]))
    stage.figure(f"panic after {panicked:.1f} s, 10 pods after {grown:.1f} s")


@scene("g5", "panic ends one stable window after the last time it was over the threshold")
def panic_ends(stage):
    """60 s in the guide, 6 here; looked at every fifth of a second, decided every two."""
    _, model = guide(stage, OLD_SOFT, minReplicas=1, env={"service_time": "200ms"})
    warm(stage, model, 1)
    with stage.load(model.host, 8):
        stage.until(8, lambda: panics(stage, model), "panic")
        stage.until(40, lambda: not panics(stage, model), "the end of panic")
        time.sleep(2)
        lasted = over_until_calm(stage.gateway.read(f"/revisions/{model.revision}/decisions"))
    stage.figure(f"it lasted {lasted:.1f} s from the last decision over the threshold")
    stage.shown(6 <= lasted < 9, f"panic lasted {lasted:.1f} s more, not 6 to 8")


def over_until_calm(decisions):
    """Seconds from the last decision that reached the threshold to the first that was calm again."""
    for calm, panicking in zip(decisions, decisions[1:]):
        if calm["mode"] == "stable" and panicking["mode"] == "panic":
            over = panicking["secondsAgo"] + panicking["panicking"]["lastOverSeconds"]
            return over - calm["firstSecondsAgo"]
    raise NotShown("no decision tells of the end of panic")


@scene("g10", "pods that are taken away finish what they have")
def graceful(stage):
    """In the guide three pods run and three terminate; here one terminates with a request inside."""
    _, model = guide(stage, OLD_SOFT, minReplicas=0)
    warm(stage, model, 1)
    slow = in_background(stage.ask, model.host, path=model.path, service_time="5s")
    busy = stage.until(5, lambda: [pod for pod in stage.pods.of(model.workload)
                                   if (stage.pods.ask(pod) or {}).get("concurrency")], "the request in its pod")[0]
    stage.api.delete("Pod", stage.namespace, busy["metadata"]["name"])
    time.sleep(0.5)
    stage.shown(not slow.done(), "it is still at work when its pod terminates")
    others = [stage.ask(model.host, path=model.path) for _ in range(3)]
    stage.shown(all(answer.fine for answer in others), f"others wait for a new pod: {list(map(str, others))}")
    stage.shown(slow.result().fine, f"the request inside the terminating pod got {slow.result()}")
    stage.figure(f"{slow.result()}, others after {max(answer.seconds for answer in others):.1f} s")


@scene("g12", "minReplicas 0: to zero without traffic, and the next request wakes it")
def to_zero(stage):
    """90 s in the guide, 9 here, and up to a few more for looking and ending."""
    models = [guide(stage, index, name=f"m{index}")[1] for index in (OLD_ZERO, ZERO, OLD_SCHEMA_ZERO)]
    for model in models:
        at_zero(stage, model)
        answer = stage.ask(model.host, path=model.path)
        stage.shown(answer.fine, f"the request that wakes {model.name} got {answer}")
        stage.shown(answer.headers.get("x-holdgate-cold-start") == "true", "it is told that it waited for a cold start")
    begun = time.time()
    at_zero(stage, models[-1])
    took = time.time() - begun
    stage.figure(f"woken in {answer.seconds:.1f} s, at zero again {took:.1f} s after the last request")
    stage.shown(took >= 8.5, f"it was at zero after {took:.1f} s, before window and grace had passed")


@scene("g13", "without minReplicas it never falls under one")
def never_under_one(stage):
    """One is KServe's default."""
    _, model = guide(stage, SOFT)
    warm(stage, model, 1)
    begun = time.time()
    time.sleep(25)
    stage.shown(stage.pods.least(model.workload, since=begun) == 1, "it fell under one")


@scene("g14", "minReplicas 3: three pods without traffic, Ready, reached by both forms of its host")
def floor(stage):
    """The guide's redwine."""
    _, model = guide(stage, FLOOR)
    stage.until(40, lambda: stage.pods.ready() == 3, "3 ready pods")
    ready = stage.until(20, lambda: is_ready(stage, model), "the InferenceService to be Ready")
    stage.shown(ready, "it is")
    for host in (model.host, f"{model.name}.{model.namespace}.example.com"):
        answer = stage.ask(host, path=model.path)
        stage.shown(answer.fine, f"{host} got {answer}")
    begun = time.time()
    time.sleep(12)
    stage.shown(stage.pods.least(since=begun) == 3 == stage.pods.most(since=begun), "three stay three")


def is_ready(stage, model):
    """What `kubectl get isvc` shows."""
    found = stage.api.get("InferenceService", model.namespace, model.name)
    conditions = found.get("status", {}).get("conditions", [])
    return any(c["type"] == "Ready" and c["status"] == "True" for c in conditions)


@scene("g15", "at least 1, at most 8: five clients get 4 to 6 pods, none waits, then one is left")
def between(stage):
    """589 x 200 in the guide, the slowest 0.243 s: there was a pod before the first request."""
    _, model = guide(stage, CAPPED, env={"service_time": "80ms"})
    warm(stage, model, 1)
    time.sleep(7)
    stage.shown(stage.pods.count() == 1, f"it starts with {stage.pods.count()} pods, not 1")
    answers = stage.hey(model, "-z", "10s", "-c", "5")
    stage.figure(f"{answers.summary()}; {stage.pods.most()} pods")
    stage.all_fine(answers)
    # A pod takes two seconds to come: who takes less did not wait for one.
    stage.shown(answers.slow(2) == 0, f"{answers.slow(2)} took as long as a pod takes to come")
    stage.shown(4 <= stage.pods.most() <= 6, f"there were {stage.pods.most()} pods, not 4 to 6")
    stage.until(40, lambda: stage.pods.count() == 1, "one pod to be left")
    time.sleep(4)
    stage.shown(stage.pods.count() == 1, "one stays")
