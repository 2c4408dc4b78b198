"""Hundreds of revisions with four times as many pods: what an idle gateway takes, and how soon it acts."""

import concurrent.futures
import datetime
import json
import time

from bed import setup
from bed.gateway import moment
from bed.models import deployment
from bed.requests import in_background, percentile
from bed.scene import LONG, scene
from bed.setup import deploy

from .guides_load import at_zero

REVISIONS, PODS_EACH, COLD = 500 if LONG else 250, 4, 20


@scene("7", f"{REVISIONS} revisions and {REVISIONS * PODS_EACH:,} pods: an idle gateway stays small, and asks for "
            "a pod within milliseconds", machine=True, last=5)
def size(stage):
    """The pods are written by the scene; they all have the address of one real model server. The last of all
    scenes, as taking so many pods away takes minutes; so it comes after the uninstalls."""
    setup.install(stage.cluster, deploy())
    stage.gateway.moved()
    restarts = stage.gateway.restarts()
    real = deployment(stage, "real", replicas=1, annotations={"autoscaling.knative.dev/min-scale": "1"})
    address = stage.until(30, lambda: stage.pods.ready() == 1 and stage.pods.of()[0]["status"]["podIP"], "a real pod")
    empty = footprint(stage)
    with concurrent.futures.ThreadPoolExecutor(max_workers=16) as pool:
        list(pool.map(lambda n: stage.apply(written(stage, f"r{n}", PODS_EACH)), range(REVISIONS)))
        list(pool.map(lambda n: stage.apply(written(stage, f"cold{n}", 0)), range(COLD)))
        written_pods(stage, pool, address)
    stage.gateway.until_known(real.revision)
    stage.until(180, lambda: len(stage.gateway.read("/revisions")) >= REVISIONS, "the gateway to know them all")
    stage.until(120, lambda: stage.gateway.metric("holdgate_replicas", state="ready") >= REVISIONS * PODS_EACH,
                "the gateway to find all pods ready")
    time.sleep(15)
    before = footprint(stage)
    time.sleep(30)
    after = footprint(stage)
    cores = (after["cpu"] - before["cpu"]) / (after["time"] - before["time"])
    stage.figure(f"{after['memory'] / 2**20:.0f} MB ({empty['memory'] / 2**20:.0f} MB with little to do), "
                 f"{cores * 100:.1f} % of a core; aims with 500 revisions 40 MB, 1 %")
    delays = [delay(stage, f"cold{n}") for n in range(COLD)]
    stage.figure(f"first request to patch: p50 {percentile(delays, 50):.1f} ms, slowest {max(delays):.1f} ms; "
                 "aim 20 ms")
    stage.shown(stage.gateway.restarts() == restarts, "the gateway was started again")
    at_zero(stage, deployment(stage, "afterwards"))


def written(stage, name, replicas):
    """A workload whose pods nobody places: what is said of them is what the scene writes."""
    labels = {"app": name}
    marks = {"holdgate.dev/enabled": "true", "autoscaling.knative.dev/min-scale": str(replicas)}
    container = {"name": "model", "image": stage.image, "ports": [{"containerPort": 8080}]}
    template = {"metadata": {"labels": labels}, "spec": {"schedulerName": "nobody", "containers": [container]}}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name, "annotations": marks},
            "spec": {"replicas": replicas, "selector": {"matchLabels": labels}, "template": template}}


def written_pods(stage, pool, address):
    """Writes of each pod that it runs and is ready."""
    stage.until(240, lambda: stage.pods.count() >= REVISIONS * PODS_EACH, "all pods to be made")
    now = datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
    conditions = [{"type": kind, "status": "True", "lastTransitionTime": now}
                  for kind in ("PodScheduled", "Initialized", "ContainersReady", "Ready")]
    container = {"name": "model", "ready": True, "started": True, "restartCount": 0, "image": stage.image,
                 "imageID": "", "state": {"running": {"startedAt": now}}}
    status = {"status": {"phase": "Running", "podIP": address, "podIPs": [{"ip": address}], "conditions": conditions,
                         "containerStatuses": [container]}}
    names = [pod["metadata"]["name"] for pod in stage.pods.of("r") if not pod["spec"].get("nodeName")]
    list(pool.map(lambda name: stage.api.patch("Pod", stage.namespace, name, status, "status"), names))


def footprint(stage):
    """What kubelet counts of the gateway: seconds of cores, bytes, and when."""
    pod = stage.gateway.pods()[-1]
    summary = stage.api.request("GET", f"/api/v1/nodes/{pod['spec']['nodeName']}/proxy/stats/summary")
    own = next(one for one in summary["pods"] if one["podRef"]["uid"] == pod["metadata"]["uid"])
    cpu, memory = own["containers"][0]["cpu"], own["containers"][0]["memory"]
    return {"cpu": cpu["usageCoreNanoSeconds"] / 1e9, "memory": memory["workingSetBytes"], "time": moment(cpu["time"])}


def delay(stage, name):
    """Milliseconds from a first request to the API server's hearing of it."""
    began = time.time()
    asking = in_background(stage.ask, f"{name}.{stage.namespace}", timeout=2)
    found = stage.until(5, lambda: heard(stage, name, began), f"a patch of {name}")
    asking.result()
    return (found - began) * 1000


def heard(stage, name, since):
    """When the gateway's patch came, by the audit log."""
    with open(stage.cluster.folder / "audit.log", encoding="utf-8") as log:
        log.seek(max(0, log.seek(0, 2) - 200_000))
        lines = log.read().splitlines()[1:]
    for line in lines:
        if f'/{stage.namespace}/deployments/{name}/scale' not in line or '"verb":"patch"' not in line:
            continue
        when = moment(json.loads(line)["requestReceivedTimestamp"])
        if when >= since - 0.001:
            return when
    return None
