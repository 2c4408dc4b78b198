"""Plain workloads: whom the gateway lets go, and what it says when a pod cannot come."""

import time

from bed.models import deployment
from bed.provisioner import Provisioner
from bed.requests import in_background
from bed.scene import scene

from .guides_load import at_zero

ONE_TARGET = {"holdgate.dev/scale-target": "1"}


@scene("s1", "a StatefulSet goes up and down by its ordinals, the highest first")
def ordinals(stage):
    """Who goes there is not the gateway's choice; whoever goes has finished."""
    model = deployment(stage, "ordered", kind="StatefulSet", env={"service_time": "200ms"}, annotations=ONE_TARGET,
                       podManagementPolicy="Parallel")
    stage.gateway.until_known(model.revision)
    with stage.load(model.host, 3) as load:
        stage.until(40, lambda: stage.pods.ready() == 3, "3 ready pods")
    stage.all_fine(load.answers)
    with stage.load(model.host, 1) as load:
        stage.until(60, lambda: stage.pods.count() == 1, "one pod")
        stage.shown(stage.pods.of()[0]["metadata"]["name"] == "ordered-0", "the lowest ordinal stays")
    stage.all_fine(load.answers)


@scene("s2", "a bad setting is told on the object, and the last good one stays")
def bad_setting(stage):
    """Annotations are read by the gateway alone: nobody refuses them when they are applied."""
    model = deployment(stage, "careful", annotations={"holdgate.dev/container-concurrency": "3"})
    stage.gateway.until_known(model.revision)
    stage.api.annotate("Deployment", stage.namespace, model.name, **{"holdgate.dev/container-concurrency": "-3"})
    told = stage.until_event(["container-concurrency"], about=model.name)
    stage.figure(f"{told[0]}: {told[1]}")
    stage.shown(stage.gateway.revision(model.revision)["containerConcurrency"] == 3, "the last good value stays")
    at_zero(stage, model)
    stage.shown(stage.ask(model.host).fine, "and it works as before")


@scene("s3", "of four pods the idle ones go, and the one at work stays until it has finished")
def idle_first(stage):
    """By pod-deletion-cost: the ReplicaSet would rather take the youngest."""
    model = deployment(stage, "chosen", env={"service_time": "200ms"},
                       annotations=ONE_TARGET | {"holdgate.dev/container-concurrency": "1"})
    stage.gateway.until_known(model.revision)
    with stage.load(model.host, 4) as load:
        stage.until(40, lambda: stage.pods.ready() == 4, "4 ready pods")
    stage.all_fine(load.answers)
    long = in_background(stage.ask, model.host, service_time="25s")
    busy = stage.until(5, lambda: [pod for pod in stage.pods.of() if (stage.pods.ask(pod) or {}).get("concurrency")],
                       "the request in its pod")[0]
    stage.until(22, lambda: stage.pods.count() == 1, "one pod to be left")
    stage.shown(stage.pods.of()[0]["metadata"]["uid"] == busy["metadata"]["uid"], "it is the one at work")
    stage.shown(long.result().fine, f"the long request got {long.result()}")


@scene("s4", "a pod that cannot come: who waits is told why, and so is who looks at the object")
def cannot_come(stage):
    """A model server that crashes, and an image that nobody has."""
    crashing = deployment(stage, "crashing", env={"crash_after": "100ms", "load_time": "10s"})
    absent = deployment(stage, "absent", image="holdgate.dev/nowhere:1")
    for model in (crashing, absent):
        stage.gateway.until_known(model.revision)
    waits = [in_background(stage.ask, model.host, timeout=150) for model in (crashing, absent)]
    for model, wait, word in zip((crashing, absent), waits, ("crash", "image")):
        answer = wait.result(timeout=160)
        reason = answer.headers.get("x-holdgate-reason")
        stage.shown((answer.status, reason) == (503, "cold_start_failed"), f"{model.name}: {answer}")
        told = stage.until_event([word], about=model.name)
        stage.figure(f"{model.name}: after {answer.seconds:.0f} s; {told[0]}: {told[1]}")


@scene("s5", "a route that cuts a cold start short is told")
def short_route(stage):
    """An HTTPRoute to the gateway with the timeout that KServe gives it."""
    model = deployment(stage, "behind")
    backend = {"name": "holdgate-gateway", "namespace": "holdgate-system", "port": 80}
    rule = {"backendRefs": [backend], "timeouts": {"request": "60s"}}
    stage.apply({"apiVersion": "gateway.networking.k8s.io/v1", "kind": "HTTPRoute", "metadata": {"name": "short"},
                 "spec": {"hostnames": [model.host], "rules": [rule]}})
    stage.gateway.until_known(model.revision)
    told = stage.until_event(["short"], about=model.name)
    stage.figure(f"{told[0]}: {told[1]}")


@scene("s6", "requests wait for a node that is not there yet, for one pod and no more, and are answered by it",
       alone=True, machine=True)
def node_comes(stage):
    """Nobody has a GPU; what adds nodes sees the pod and brings one."""
    gpu = {"limits": {"nvidia.com/gpu": "1"}, "requests": {"cpu": "10m", "memory": "16Mi"}}
    model = deployment(stage, "gpu", resources=gpu, annotations={"holdgate.dev/container-concurrency": "4"})
    stage.gateway.until_known(model.revision)
    with Provisioner(stage, "cluster-autoscaler", number=8, gpus=1, after=8):
        began = time.time()
        waits = [in_background(stage.ask, model.host, timeout=100) for _ in range(3)]
        pending = stage.until(10, lambda: stage.gateway.revision(model.revision)["replicas"]
                              and stage.gateway.revision(model.revision).get("diagnosis"), "word of the pod")
        stage.shown("nvidia.com/gpu" in pending, f"it says what the pod waits for, not {pending}")
        answers = [wait.result(timeout=110) for wait in waits]
        stage.shown(all(answer.fine for answer in answers), f"they got {answers}")
        took = time.time() - began
    uids = {pod["metadata"]["uid"] for pod in stage.pods.of()}
    stage.shown(len(uids) == 1, f"{len(uids)} pods were made for three requests that one can take")
    stage.figure(f"answered after {took:.1f} s, the node having been asked for 8 s before it came; meanwhile: {pending}")
