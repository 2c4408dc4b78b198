"""What goes wrong in a cluster, and loses nothing: no API server, rollouts, drains, kills."""

import concurrent.futures
import json
import subprocess
import time

from bed import node
from bed.models import deployment
from bed.pods import is_ready
from bed.scene import LONG, scene

from .guides_load import at_zero

ONE_TARGET = {"holdgate.dev/scale-target": "1"}
LIMIT, KILL_EVERY, LASTS = 10, 5, 30 if LONG else 15
GONE = 120 if LONG else 20


@scene("4", f"the API server is gone for {GONE} s under load: nothing fails, nothing shrinks when it is back",
       alone=True, machine=True)
def no_api(stage):
    """And the gateway sees what happens afterwards."""
    model = deployment(stage, "steady", annotations=ONE_TARGET, env={"service_time": "100ms"})
    other = deployment(stage, "other", annotations=ONE_TARGET)
    at_zero(stage, model)
    at_zero(stage, other)
    with stage.load(model.host, 3) as load:
        stage.until(30, lambda: stage.pods.ready(model.workload) == 3, "3 ready pods")
        time.sleep(8)
        stage.cluster.stop_api()
        gone = time.time()
        time.sleep(GONE)
        answered = len(load.answers)
        stage.cluster.start_api()
        back = time.time()
        with concurrent.futures.ThreadPoolExecutor(max_workers=1) as pool:
            held = pool.submit(stage.ask, other.host, timeout=150)
            asked = stage.until(30, lambda: stage.api.get("Deployment", stage.namespace, other.workload)
                                ["spec"]["replicas"] == 1 and time.time(), "a patch after the return")
            answer = held.result()
        # Kubernetes' own controllers may take up to a minute until they watch again (client-go's backoff).
        stage.shown(answer.fine, f"the request held meanwhile got {answer}")
        woke = time.time() - back
        time.sleep(max(0, back + 20 - time.time()))
        least = stage.pods.least(model.workload, since=gone)
    settle(stage)
    stage.all_fine(load.answers)
    stage.shown(answered > 300, f"only {answered} were answered")
    stage.shown(least == 3, f"{3 - least} of its pods went")
    stage.figure(f"{load.answers.summary()}; asked for a replica {asked - back:.1f} s after the return, "
                 f"answered from it after {woke:.1f} s, most of which the cluster's own controllers slept")


def settle(stage):
    """Its nodes were called dead meanwhile, with everything on them: Services led nowhere for a while."""
    since = [time.time()]

    def stays_ready():
        if not all(map(is_ready, [*stage.api.get("Node"), *stage.gateway.pods()])) or not stage.gateway.answers():
            since[0] = time.time()
        return time.time() > since[0] + 6
    stage.until(90, stays_ready, "the nodes and the gateway to be ready for good")


@scene("5", "a rolling update, an eviction and a drain of a node with one GPU lose no request",
       alone=True, machine=True)
def moved(stage):
    """There is no second GPU for a rollout: the old pod goes before the new one comes."""
    own = {pod["spec"]["nodeName"] for pod in stage.gateway.pods()}
    able = [n for n in stage.api.get("Node") if is_ready(n) and not n["spec"].get("unschedulable")]
    nodes = [n["metadata"]["name"] for n in able if n["metadata"]["name"] not in own]
    for name in nodes[:2]:
        node.set_gpus(stage.cluster, name, 1)
    gpu = {"limits": {"nvidia.com/gpu": "1"}, "requests": {"cpu": "10m", "memory": "16Mi"}}
    model = deployment(stage, "gpu", resources=gpu, env={"service_time": "300ms"},
                       annotations={"holdgate.dev/container-concurrency": "4", "autoscaling.knative.dev/min-scale": "1",
                                    "autoscaling.knative.dev/max-scale": "1"},
                       strategy={"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 0, "maxUnavailable": 1}})
    stage.gateway.until_known(model.revision)
    with stage.load(model.host, 6) as load:
        for move in (roll, evict, drain):
            # Beside it there may be some that a kubelet refused which had not heard of its GPUs yet.
            pod = stage.until(40, lambda: next(filter(is_ready, stage.pods.of()), None), "a ready pod")
            time.sleep(2)
            move(stage, model, pod)
            stage.until(40, lambda: pod["metadata"]["uid"] not in stage.pods.present and stage.pods.ready() == 1,
                        f"another pod after the {move.__name__}")
            time.sleep(2)
    drained = load.answers
    for name in nodes[:2]:
        stage.cluster.kubectl("uncordon", name)
        node.set_gpus(stage.cluster, name, 0)
    stage.figure(f"{drained.summary()}; {stage.pods.busiest()} at once in the busiest")
    stage.all_fine(drained)
    stage.within_limit(4)


def roll(stage, model, _):
    """Another template."""
    change = {"spec": {"template": {"metadata": {"annotations": {"rolled": str(time.time())}}}}}
    stage.api.patch("Deployment", model.namespace, model.workload, change)


def evict(stage, model, pod):
    """As whoever needs its place does."""
    name = pod["metadata"]["name"]
    body = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": name, "namespace": model.namespace}}
    stage.api.request("POST", f"/api/v1/namespaces/{model.namespace}/pods/{name}/eviction", body)


def drain(stage, _, pod):
    """Its node is about to go."""
    stage.cluster.kubectl("drain", pod["spec"]["nodeName"], "--ignore-daemonsets", "--delete-emptydir-data",
                          "--force", "--timeout=60s")


def three_pods(stage):
    """Three pods, a hard limit of ten, 100 ms."""
    model = deployment(stage, "three", env={"service_time": "100ms", "load_time": "0s"},
                       annotations={"holdgate.dev/container-concurrency": str(LIMIT),
                                    "autoscaling.knative.dev/min-scale": "3", "autoscaling.knative.dev/max-scale": "3"})
    stage.until(40, lambda: stage.pods.ready() == 3, "3 ready pods")
    stage.until(20, lambda: stage.ask(model.host).fine, "an answer")
    return model


@scene("5b", "model servers killed under load: only what was inside them fails; pods deleted: nothing does",
       alone=True, machine=True)
def killed(stage):
    """Every 5 s one of three, 20 clients. Knative answered 1,241 to 1,643 of 6,700 with 502."""
    model = three_pods(stage)
    kills = []
    with stage.load(model.host, 20) as load:
        for n in range(LASTS // KILL_EVERY):
            time.sleep(KILL_EVERY)
            pods = [pod for pod in stage.pods.of() if is_running(pod)]
            if pods:
                kills.append(time.time())
                kill(stage, pods[n % len(pods)])
    lost = load.answers.lost
    stage.figure(f"kills: {load.answers.summary()}")
    stage.law(len(lost) <= LIMIT * len(kills), f"{len(lost)} were lost with {len(kills)} kills")
    strangers = [str(one) for one in lost if one.headers.get("x-holdgate-reason") != "upstream_reset"
                 or not any(abs(one.began + one.seconds - kill) < 0.5 for kill in kills)]
    stage.law(not strangers, f"lost otherwise than in a killed server: {strangers[:5]}")
    stage.until(60, lambda: stage.pods.ready() == 3, "3 ready pods again")
    with stage.load(model.host, 20) as load:
        for n in range(LASTS // KILL_EVERY):
            time.sleep(KILL_EVERY)
            pods = stage.pods.of()
            stage.api.delete("Pod", stage.namespace, pods[n % len(pods)]["metadata"]["name"])
    stage.figure(f"deletions: {load.answers.summary()}; {stage.pods.busiest()} at once in the busiest")
    stage.all_fine(load.answers)
    stage.within_limit(LIMIT)


def is_running(pod):
    """Its model server does."""
    return any("running" in status["state"] for status in pod["status"].get("containerStatuses", []))


def kill(stage, pod):
    """SIGKILL to the process of the model server, on its node."""
    container = pod["status"]["containerStatuses"][0]["containerID"].removeprefix("containerd://")
    socket = stage.cluster.folder / pod["spec"]["nodeName"] / "containerd.sock"
    words = ["ctr", "--address", str(socket), "--namespace", "k8s.io", "tasks", "kill", "-s", "KILL", container]
    subprocess.run(words, check=False, capture_output=True)


@scene("6", "what others steer, and what nobody can mean, is told and left alone")
def others(stage):
    """An HPA, the class none, two that claim one host."""
    model = deployment(stage, "steered", replicas=1)
    stage.gateway.until_known(model.revision)
    target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": model.name}
    stage.apply({"apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler", "metadata": {"name": "theirs"},
                 "spec": {"scaleTargetRef": target, "minReplicas": 2, "maxReplicas": 2}})
    told = stage.until_event(["theirs"], about=model.name)
    stage.figure(f"{told[0]}: {told[1]}")
    stage.until(30, lambda: stage.pods.ready(model.workload) == 2, "the HPA's 2 pods")
    stage.until(10, lambda: stage.ask(model.host).fine, "an answer all the same")
    report = json.dumps(stage.gateway.revision(model.revision))
    stage.shown("theirs" in report, f"/revisions does not name who steers it: {report}")
    for name in ("older", "younger"):
        deployment(stage, name, annotations={"holdgate.dev/hosts": "shared.example.com"})
        stage.gateway.until_known(f"{name}.{stage.namespace}")
        time.sleep(1.1)     # objects are dated by the second
    told = stage.until_event(["shared.example.com"], about="younger")
    stage.figure(f"{told[0]}: {told[1]}")
    answer = stage.ask("shared.example.com")
    stage.shown(answer.fine, f"the host that both claim got {answer}")
    stage.shown((stage.pods.count("older-"), stage.pods.count("younger-")) == (1, 0), "the older one has answered")
    begun = time.time()
    time.sleep(15)
    low, high = stage.pods.least("steered-", begun), stage.pods.most("steered-", begun)
    stage.shown((low, high) == (2, 2), f"an idle Deployment with an HPA went from 2 to {low} or {high} pods")
