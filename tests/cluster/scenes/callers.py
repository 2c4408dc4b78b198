"""Callers of a Service's own name: they pass the gate at zero, or always, and nobody is refused."""

import pathlib
import time

from bed import requests
from bed.models import deployment, guide
from bed.requests import Knocks
from bed.scene import scene
from bed.setup import deploy

from .guides_load import SOFT, asked_for, at_zero

TAKEOVER, ALWAYS = {"holdgate.dev/path": "takeover"}, {"holdgate.dev/path": "always"}
BY_ITS_OWN_WORD = {"holdgate.dev/autoscaling-metrics": '[{ metric: "sample_model_in_flight", target: 1 }]'}
LIMIT = 2
CYCLES = 5
# A pod serves on for so many seconds once it goes: nodes learn of it late, those of a busy machine later.
SERVER = {"env": {"service_time": "50ms"}, "lingers": 4}


def address(stage, model):
    """Where its own Service is."""
    return stage.api.get("Service", model.namespace, model.workload)["spec"]["clusterIP"], 80


def slices(stage, model):
    """Ours, of its Service."""
    label = f"kubernetes.io/service-name={model.workload},endpointslice.kubernetes.io/managed-by=holdgate.dev"
    return stage.api.get("EndpointSlice", model.namespace, labelSelector=label)


def leads_here(stage, model):
    """Whether callers of its Service are sent to the gateway."""
    return any(one.get("endpoints") for one in slices(stage, model))


def selector(stage, model):
    """What its Service selects."""
    return stage.api.get("Service", model.namespace, model.workload)["spec"]["selector"]


def taken(stage, model):
    """Waits until every caller of its Service passes the gate."""
    stage.until(30, lambda: leads_here(stage, model) and "holdgate.dev/nothing" in selector(stage, model),
                f"the Service of {model.name} to be taken over")
    time.sleep(1)


def hey(stage, model, *words):
    """hey at the Service's own address, by its short name."""
    return requests.hey(address(stage, model), model.workload, *words, path=model.path)


def cycles(stage, model):
    """To zero and back, again and again; nobody is refused meanwhile. A pod on its way out would answer still:
    callers are led to it, past the gateway, until the nodes have heard that it goes."""
    answers = requests.Answers()
    with Knocks(address(stage, model)) as knocks:
        for _ in range(CYCLES):
            at_zero(stage, model, gone=True)
            stage.until(10, lambda: leads_here(stage, model), "callers to be sent to the gateway")
            answers += hey(stage, model, "-z", "4s", "-c", "3")
            stage.until(20, lambda: stage.pods.ready(model.workload) >= 1, "a ready pod")
            time.sleep(1)
        at_zero(stage, model, gone=True)
    stage.law(not knocks.refused, f"{len(knocks.refused)} connections were refused: {knocks.refused[:3]}")
    stage.all_fine(answers)
    stage.figure(f"{CYCLES} cycles: {answers.summary()}; {knocks.taken} connections, none refused")


@scene("c1", "takeover: callers of the Service are held at zero and pass by above it, five times, none refused")
def takeover(stage):
    """Scaled by what the model server says of itself, since the gateway sees nobody above zero."""
    model = deployment(stage, "own", annotations=TAKEOVER | BY_ITS_OWN_WORD, **SERVER)
    stage.gateway.until_known(model.revision)
    # A new Service leads nobody anywhere until its nodes have heard of it.
    stage.until(30, lambda: requests.is_taken(address(stage, model)), "a first connection to be taken")
    cycles(stage, model)
    before = stage.gateway.answered(model.revision)
    first = hey(stage, model, "-n", "1", "-c", "1")
    stage.all_fine(first)
    stage.until(20, lambda: not leads_here(stage, model), "the gateway to step aside")
    time.sleep(1)
    waited = stage.gateway.answered(model.revision)
    stage.shown(waited == before + 1, f"the gateway took {waited - before} requests, and not the first alone")
    stage.all_fine(hey(stage, model, "-n", "50", "-c", "2"))
    stage.shown(stage.gateway.answered(model.revision) == waited, "above zero no request passes it")
    given_back(stage, model)


@scene("c1b", "takeover by concurrency alone: told that nothing measures it, and one pod stays")
def unmeasured(stage):
    """Above zero the gateway sees no request."""
    model = deployment(stage, "unmeasured", annotations=TAKEOVER)
    stage.gateway.until_known(model.revision)
    told = stage.until_event(["takeover"], about=model.name)
    stage.until(20, lambda: asked_for(stage, model) == 1, "one replica to be asked for")
    stage.throughout(20, lambda: asked_for(stage, model) == 1, "it stays")
    stage.figure(f"{told[0]}: {told[1]}")


def given_back(stage, model):
    """Its annotation goes, and its Service is as it was."""
    stage.api.annotate("Deployment", model.namespace, model.workload, **{"holdgate.dev/path": None})
    stage.until(20, lambda: not slices(stage, model), "our slice to be gone")
    stage.shown("holdgate.dev/nothing" not in selector(stage, model), f"its Service selects {selector(stage, model)}")
    stage.api.annotate("Deployment", model.namespace, model.workload, **{"autoscaling.knative.dev/min-scale": "1"})
    stage.until(30, lambda: stage.pods.ready(model.workload) >= 1, "a ready pod")
    time.sleep(1.5)
    before = stage.gateway.answered(model.revision)
    stage.all_fine(hey(stage, model, "-n", "20", "-c", "2"))
    stage.shown(stage.gateway.answered(model.revision) == before, "requests pass the gate no more")


@scene("c2", "always: every caller of a plain Service passes the gate, five times to zero and back, the limit holds")
def always(stage):
    """By its cluster address; a hard limit of two."""
    limit = {"holdgate.dev/container-concurrency": str(LIMIT)}
    model = deployment(stage, "own", annotations=ALWAYS | limit, **SERVER)
    stage.gateway.until_known(model.revision)
    taken(stage, model)
    before = stage.gateway.answered(model.revision)
    cycles(stage, model)
    answers = hey(stage, model, "-z", "6s", "-c", "12")
    stage.all_fine(answers)
    stage.shown(stage.pods.busiest(model.workload) == LIMIT, f"{stage.pods.busiest(model.workload)} at once in one pod")
    passed_by(stage, model, before)
    with Knocks(address(stage, model)) as knocks:
        given_back(stage, model)
    stage.law(not knocks.refused, f"taking it back refused {knocks.refused[:3]}")


def passed_by(stage, model, before):
    """Every request that a pod has seen has passed the gate."""
    time.sleep(1)
    seen = sum(seen["requests"] for seen in stage.pods.stats.values())
    counted = stage.gateway.answered(model.revision) - before
    stage.shown(seen <= counted, f"pods saw {seen} requests, {counted} passed the gate")
    stage.figure(f"pods saw {seen} requests, {counted} passed the gate")


@scene("c3", "always for an InferenceService: no fight with KServe's controller; the same name elsewhere is another",
       machine=True)
def always_by_admission(stage):
    """The policy does it when KServe writes the Service; KServe goes on writing."""
    limit = {"containerConcurrency": LIMIT, "minReplicas": 0}
    with policies(stage):
        other_namespace = stage.new_namespace("scene-c3-other")
        models = [guide(stage, SOFT, name="twin", annotations=ALWAYS, env={"service_time": "50ms"},
                        namespace=namespace, **limit)[1] for namespace in (stage.namespace, other_namespace)]
        for model in models:
            stage.gateway.until_known(model.revision)
            taken(stage, model)
        before = [stage.gateway.answered(model.revision) for model in models]
        for n, model in enumerate(models):
            stage.all_fine(hey(stage, model, "-n", str(10 * (n + 1)), "-c", "2"))
        counted = [stage.gateway.answered(model.revision) - was for model, was in zip(models, before)]
        stage.shown(counted == [10, 20], f"the two of one short name got {counted} requests, not 10 and 20")
        model = models[0]
        with stage_load(stage, model) as load:
            for n in range(12):
                stage.api.annotate("InferenceService", model.namespace, model.name, **{"example.com/turn": str(n)})
                time.sleep(1)
        stage.all_fine(load.answers)
        stage.within_limit(LIMIT, model.workload)
        stage.shown("holdgate.dev/nothing" in selector(stage, model), "it stays taken over")
        passed_by(stage, model, before[0])
        stage.figure(f"while KServe reconciled: {load.answers.summary()}")
        stage.api.annotate("InferenceService", model.namespace, model.name, **{"holdgate.dev/path": None})
        stage.until(30, lambda: "holdgate.dev/nothing" not in selector(stage, model) and not slices(stage, model),
                    "its Service to be as it was")


def stage_load(stage, model):
    """Clients at the Service's own address."""
    return requests.Load(address(stage, model), model.workload, 6, path=model.path)


class policies:     # pylint: disable=invalid-name
    """The admission policies that are shipped for it, for as long as the block lasts."""

    def __init__(self, stage):
        self.stage = stage
        self.files = sorted(pathlib.Path(deploy()).glob("kustomize/components/kserve-every-caller/*policy*.yaml"))

    def __enter__(self):
        for file in self.files:
            self.stage.cluster.kubectl("apply", "-f", file)
        time.sleep(2)       # the API server compiles it

    def __exit__(self, *_):
        for file in self.files:
            self.stage.cluster.kubectl("delete", "-f", file, "--ignore-not-found")


@scene("c4", "a Service of which another port leads elsewhere is not taken whole, and its owner is told")
def other_port(stage):
    """Metrics of the model server, at a port of their own."""
    model = deployment(stage, "two", annotations=ALWAYS)
    ports = [{"name": "http", "port": 80, "targetPort": 8080}, {"name": "metrics", "port": 9000, "targetPort": 9000}]
    stage.api.patch("Service", stage.namespace, model.name, {"spec": {"ports": ports}})
    stage.gateway.until_known(model.revision)
    told = stage.until_event(["PathNotTaken", "9000"], about=model.name, seconds=30)
    stage.shown("holdgate.dev/nothing" not in selector(stage, model), "its Service is left as it is")
    stage.figure(f"{told[0]}: {told[1]}")


