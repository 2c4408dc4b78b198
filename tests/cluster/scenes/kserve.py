"""What the other scenes rest on: KServe's stand-in does as KServe was seen to do, and the cluster is one."""

import socket
import struct

from bed.api import ApiError
from bed.models import deployment, guide
from bed.scene import NotShown, scene

DEPLOYMENT, SERVICE = "Deployment", "Service"
SOFT_TARGET = 4     # which of the guides' manifests
SOON = 15           # seconds: what takes a moment takes longer on a busy machine


def made(stage, model):
    """Its Deployment, once it is there."""
    return stage.until(10, lambda: stage.api.find(DEPLOYMENT, model.namespace, model.workload), "the Deployment")


def replicas(stage, model):
    """How many its Deployment asks for."""
    return stage.api.get(DEPLOYMENT, model.namespace, model.workload)["spec"]["replicas"]


@scene("k1", "the stand-in puts back what others change, but never replicas under external")
def keeps(stage):
    """Every part that KServe compares, and the one it does not."""
    _, model = guide(stage, SOFT_TARGET, annotations={"holdgate.dev/enabled": "false"})
    there = made(stage, model)
    at = (model.namespace, model.workload)
    stage.shown(there["spec"]["replicas"] == 1, "a fresh Deployment asks for one replica")
    container = there["spec"]["template"]["spec"]["containers"][0]
    stage.shown(container["readinessProbe"]["periodSeconds"] == 10 and "tcpSocket" in container["readinessProbe"],
                f"the default probe is TCP every 10 s, not {container['readinessProbe']}")
    mark = {"spec": {"template": {"metadata": {"annotations": {"edited": "yes"}}}}}
    stage.api.patch(DEPLOYMENT, *at, mark)
    stage.until(SOON, lambda: "edited" not in stage.api.get(DEPLOYMENT, *at)["spec"]["template"]["metadata"].get(
        "annotations", {}), "the template to be put back")
    stage.api.patch(SERVICE, *at, {"spec": {"selector": {"edited": "yes"}}})
    stage.until(SOON, lambda: "edited" not in stage.api.get(SERVICE, *at)["spec"]["selector"],
                "the selector to be put back")
    for wanted in (3, 0):
        stage.api.scale(DEPLOYMENT, *at, wanted)
        stage.throughout(2, lambda: replicas(stage, model) == wanted, f"{wanted} replicas stay {wanted}")


@scene("k2", "the stand-in owns replicas under none, leaves them to an HPA under hpa")
def classes(stage):
    """The autoscaler class decides whose replicas are."""
    _, model = guide(stage, SOFT_TARGET, name="own", annotations={"serving.kserve.io/autoscalerClass": "none"})
    made(stage, model)
    stage.api.scale(DEPLOYMENT, model.namespace, model.workload, 3)
    stage.until(SOON, lambda: replicas(stage, model) == 1, "one replica again")
    _, model = guide(stage, SOFT_TARGET, name="theirs", annotations={"serving.kserve.io/autoscalerClass": "hpa"})
    stage.until(SOON, lambda: stage.api.find("HorizontalPodAutoscaler", model.namespace, model.workload), "an HPA")
    isvc = ("InferenceService", model.namespace, model.name)
    stage.api.annotate(*isvc, **{"serving.kserve.io/autoscalerClass": "external"})
    stage.until(SOON, lambda: not stage.api.find("HorizontalPodAutoscaler", model.namespace, model.workload),
                "no HPA any more")


@scene("k3", "the stand-in honours stop and deletion, and tells the address once it was ready")
def stops(stage):
    """Everything goes, and comes back."""
    isvc, model = guide(stage, SOFT_TARGET, env={"load_time": "0s"})
    at = (model.namespace, model.workload)
    me = ("InferenceService", model.namespace, model.name)
    before = made(stage, model)["metadata"]["uid"]
    url = stage.until(30, lambda: stage.api.get(*me).get("status", {}).get("url"), "an address")
    stage.shown(url == f"http://{model.host}", f"the address is {url}")
    stage.api.annotate(*me, **{"serving.kserve.io/stop": "true"})
    stage.until(SOON, lambda: not any(stage.api.find(kind, *at) for kind in (DEPLOYMENT, SERVICE)), "all to be gone")
    stage.api.annotate(*me, **{"serving.kserve.io/stop": None})
    stage.shown(made(stage, model)["metadata"]["uid"] != before, "it is another Deployment")
    stage.api.delete(*me)
    stage.until(SOON, lambda: not any(stage.api.find(kind, *at) for kind in (DEPLOYMENT, SERVICE)), "all to be gone")


@scene("k4", "the cluster resolves names and measures pods", machine=True)
def names_and_figures(stage):
    """CoreDNS, and metrics-server behind metrics.k8s.io."""
    model = deployment(stage, "measured", replicas=1, managed=False)
    stage.until(30, lambda: stage.pods.ready() == 1, "a ready pod")
    address = stage.api.get(SERVICE, stage.namespace, model.name)["spec"]["clusterIP"]
    name = f"{model.name}.{model.namespace}.svc.cluster.local"
    stage.until(SOON, lambda: resolved(name) == address, f"{name} to be {address}")
    place = f"/apis/metrics.k8s.io/v1beta1/namespaces/{stage.namespace}/pods"
    figures = stage.until(90, lambda: measured(stage, place), "figures")
    stage.figure(f"{figures[0]['containers'][0]['usage']}")


def resolved(name):
    """What the cluster's DNS makes of a name."""
    parts = b"".join(bytes([len(part)]) + part.encode() for part in name.split("."))
    question = struct.pack(">6H", 1, 0x100, 1, 0, 0, 0) + parts + struct.pack(">BHH", 0, 1, 1)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
        asking.settimeout(2)
        asking.sendto(question, ("10.77.0.1", 53))
        answer = asking.recv(512)
    if struct.unpack(">H", answer[6:8])[0] == 0:
        raise NotShown(f"nobody knows {name}")
    return socket.inet_ntoa(answer[-4:])


def measured(stage, place):
    """What metrics-server knows; nothing before its first round."""
    try:
        return stage.api.request("GET", place)["items"]
    except ApiError as error:
        if error.status not in (404, 503):
            raise
        return None
