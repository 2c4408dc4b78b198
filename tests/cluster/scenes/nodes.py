"""Pods that wait for a GPU node, and pods that cannot come: understood, not multiplied, and told."""

import json
import subprocess
import time

from bed import node
from bed.models import deployment, guide, guides, server_of
from bed.provisioner import Provisioner, tell
from bed.requests import in_background
from bed.scene import scene

from .guides_load import CAPPED, asked_for, at_zero

# Each scene has a kind of its own, so that they do not take each other's: nothing depends on the name.
AMD, GAUDI, INTEL = "amd.com/gpu", "habana.ai/gaudi", "gpu.intel.com/i915"
MIG, NPU = "nvidia.com/mig-1g.5gb", "example.test/npu"
GRACE = 10
IMPATIENT = {"holdgate.dev/pending-grace": f"{GRACE}s", "holdgate.dev/container-concurrency": "1"}
IMPATIENT_GUIDE = {"holdgate.dev/pending-grace": f"{GRACE}s"}
KEPT = "holdgate_replicas_kept"


def one(resource):
    """What a pod with one of them asks for."""
    return {"limits": {resource: "1"}, "requests": {"cpu": "10m", "memory": "16Mi"}}


class Gpus:
    """So many GPUs, one each on the first nodes, for as long as the block lasts."""

    def __init__(self, stage, number, resource=node.GPU):
        self.stage, self.resource = stage, resource
        self.names = [n["metadata"]["name"] for n in stage.api.get("Node")
                      if not n["spec"].get("unschedulable")][:number]

    def __enter__(self):
        for name in self.names:
            node.set_gpus(self.stage.cluster, name, 1, self.resource)

    def __exit__(self, *_):
        for name in self.names:
            node.set_gpus(self.stage.cluster, name, 0, self.resource)


def running(stage, model):
    """Pods of it that have a node."""
    return [pod for pod in stage.pods.of(model.workload) if pod["spec"].get("nodeName")]


def pending(stage, model):
    """Pods of it that have none."""
    return [pod for pod in stage.pods.of(model.workload) if not pod["spec"].get("nodeName")]


def why_it_waits(stage, model):
    """The words in the report that say what keeps replicas."""
    report = stage.gateway.revision(model.revision)
    return {replica.get("keptBy") for replica in report["replicas"]} - {None}


def kept(stage, model, **labels):
    """How many replicas are kept by something, as the metric says."""
    return stage.gateway.metric(KEPT, revision=model.revision, **labels)


@scene("n1", "two GPUs, fifty requests: two run, one other is Pending, and all are answered", machine=True)
def scarce(stage):
    """hey -n 50 -c 50 -t 180, two seconds a request, a hard limit of one; nobody brings a node."""
    model = deployment(stage, "scarce", annotations=IMPATIENT, env={"service_time": "2s"}, resources=one(AMD))
    at_zero(stage, model)
    with Gpus(stage, 2, AMD):
        hey = in_background(stage.hey, model, "-n", "50", "-c", "50", "-t", "180")
        # More than the scheduler is about to place: it takes the two GPUs of what is pending a moment later.
        stage.until(30, lambda: len(pending(stage, model)) > 3, "more pods than GPUs")
        # Each of them has its own grace, from when the scheduler has tried to place it.
        stage.until(GRACE + 20, lambda: len(pending(stage, model)) <= 1, "no more than one to wait for a node")
        counts = len(running(stage, model)), len(pending(stage, model))
        stage.shown(counts[0] == 2 and counts[1] <= 1, f"{counts[0]} pods run and {counts[1]} wait")
        told = stage.until_event(["Unschedulable", AMD], about=model.name)
        stage.until(10, lambda: why_it_waits(stage, model) == {"unschedulable"}, "the report to say why it waits")
        stage.until(10, lambda: kept(stage, model, reason="unschedulable") == counts[1], f"{KEPT} to be {counts[1]}")
        stage.throughout(8, lambda: len(pending(stage, model)) <= 1, "no others were asked for")
        answers = hey.result()
    stage.all_fine(answers)
    stage.within_limit(1)
    stage.figure(f"{answers.summary()}; {counts[0]} run, {counts[1]} pending; {told[0]}: {told[1]}")


@scene("n1b", "a node is on its way: as many pods as demand asks, and the node is used when it comes",
       machine=True)
def on_its_way(stage):
    """The same, and the autoscaler says that it brings one; it comes after 30 s."""
    model = deployment(stage, "awaited", annotations=IMPATIENT, env={"service_time": "2s"}, resources=one(GAUDI))
    at_zero(stage, model)
    with Gpus(stage, 2, GAUDI), Provisioner(stage, "cluster-autoscaler", 21, gpus=2, after=30, resource=GAUDI):
        hey = in_background(stage.hey, model, "-n", "50", "-c", "50", "-t", "180")
        stage.until(30, lambda: len(pending(stage, model)) > 10, "more pods than GPUs")
        time.sleep(GRACE + 5)
        there, wanted = stage.pods.count(model.workload), desired(stage, model)
        stage.shown(there >= min(wanted, 20), f"{there} pods are there, {wanted} are wanted")
        told = stage.until_event(["WaitingForNode", "scale-up"], about=model.name)
        stage.shown("node_coming" in why_it_waits(stage, model), f"kept by {why_it_waits(stage, model)}")
        stage.until(60, lambda: any(pod["spec"]["nodeName"] == "node-21" for pod in running(stage, model)),
                    "a pod on the node that came")
        answers = hey.result()
    stage.all_fine(answers)
    stage.within_limit(1)
    stage.figure(f"{answers.summary()}; {there} pods of {wanted} wanted; {told[0]}: {told[1]}")


def desired(stage, model):
    """How many replicas are wanted."""
    return stage.gateway.revision(model.revision)["desired"]


def refused(stage, model, status, reason, within, since=None):
    """A request that gets no replica is told so in time; the next one at once. `since`: counted from then,
    else from the request."""
    waits = in_background(stage.ask, model.host, path=model.path, timeout=90)
    word = since() if since else None
    answer = waits.result()
    took = answer.began + answer.seconds - (word or answer.began)
    stage.shown(answer.status == status and answer.headers.get("x-holdgate-reason") == reason,
                f"{model.name}: wanted {status} {reason}, got {answer}: {answer.body[:300]}")
    stage.shown(took <= within, f"{model.name}: told after {took:.1f} s, wanted within {within}")
    again = stage.ask(model.host, path=model.path, timeout=90)
    stage.shown(again.status == status and again.seconds < 0.5, f"{model.name}: the next one got {again}")
    stage.shown(1 <= int(again.headers.get("retry-after", 0)) <= 120,
                f"{model.name}: Retry-After is {again.headers.get('retry-after')}")
    detail = json.loads(again.body).get("detail", "")
    stage.figure(f"{model.name}: {status} {reason} after {took:.1f} s ({detail})")
    return detail


def recovers(stage, model, seconds=60):
    """Answers again without anybody's doing but what was wrong."""
    begun = time.time()
    stage.until(seconds, lambda: stage.ask(model.host, path=model.path, timeout=90).fine,
                f"{model.name} to answer again")
    stage.figure(f"{model.name} is back after {time.time() - begun:.1f} s")


@scene("n2", "no node will come: 503 unschedulable in time, at once for the next, and back when one is there",
       machine=True)
def no_node(stage):
    """Nobody says anything in one namespace; the autoscaler says no in the other."""
    silent = deployment(stage, "silent", annotations=IMPATIENT, resources=one(INTEL))
    at_zero(stage, silent)
    detail = refused(stage, silent, 503, "unschedulable", GRACE + 2.5)
    stage.shown(INTEL in detail, f"the detail names no GPU: {detail}")
    stage.until_event(["Unschedulable"], about=silent.name)
    with Gpus(stage, 1, INTEL):
        recovers(stage, silent)
    denied = deployment(stage, "denied", resources=one(MIG),
                        annotations=IMPATIENT | {"holdgate.dev/pending-grace": "60s"})
    at_zero(stage, denied)

    def says_no():
        pod = stage.until(10, lambda: pending(stage, denied), "its pod")[0]
        time.sleep(2)
        tell(stage, "cluster-autoscaler", pod, "NotTriggerScaleUp",
             "pod didn't trigger scale-up: 1 max node group size reached")
        return time.time()
    detail = refused(stage, denied, 503, "unschedulable", 2, says_no)
    stage.shown("max node group size" in detail, f"not in the autoscaler's words: {detail}")
    with Gpus(stage, 1, MIG):
        recovers(stage, denied)


@scene("n2b", "an image that cannot be pulled, a crash loop: told by kubelet's word, and back when it is put right")
def broken(stage):
    """Both from zero."""
    missing = deployment(stage, "missing", annotations=IMPATIENT, image="example.test/nobody/has:1")
    crashing = deployment(stage, "crashing", annotations=IMPATIENT, env={"crash_after": "300ms", "load_time": "60s"})

    def until_word(model, is_word):
        def said():
            return any(is_word(status) for pod in stage.pods.of(model.workload)
                       for status in pod["status"].get("containerStatuses", []))
        return lambda: stage.until(90, said, "kubelet's word") and time.time()

    def backs_off(status):
        return "ImagePullBackOff" in json.dumps(status["state"])

    def has_ended_three_times(status):
        return status["restartCount"] == 2 and "running" not in status["state"]
    for model, is_word in ((missing, backs_off), (crashing, has_ended_three_times)):
        at_zero(stage, model)
        refused(stage, model, 503, "cold_start_failed", 2, until_word(model, is_word))
        stage.until_event(["ColdStartFailed"], about=model.name)
    for model, change in ((missing, {"image": stage.image}), (crashing, {"env": [
            {"name": "HOLDGATE_SAMPLE_MODEL_CRASH_AFTER", "value": None, "$patch": "delete"},
            {"name": "HOLDGATE_SAMPLE_MODEL_LOAD_TIME", "value": "1s"}]})):
        patch = json.dumps({"spec": {"template": {"spec": {"containers": [{"name": "model"} | change]}}}})
        command = ["kubectl", "-n", stage.namespace, "patch", "deploy", model.workload, "-p", patch]
        subprocess.run(command, check=True, capture_output=True)
        recovers(stage, model)


@scene("n2c", "a quota in the way: 503 in time, at once for the next, and back by itself when it is lifted")
def quota(stage):
    """No pod can even be made."""
    stage.apply({"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "none"},
                 "spec": {"hard": {"pods": "0"}}})
    model = deployment(stage, "capped", annotations=IMPATIENT)
    at_zero(stage, model)
    stage.until(20, lambda: stage.api.get("ResourceQuota", stage.namespace, "none").get("status", {}).get("hard"),
                "the quota to hold")
    detail = refused(stage, model, 503, "unschedulable", GRACE + 2.5)
    stage.shown("quota" in detail, f"the detail names no quota: {detail}")
    stage.until_event(["QuotaExceeded"], about=model.name)
    stage.api.delete("ResourceQuota", stage.namespace, "none")
    recovers(stage, model, 45)


@scene("n3", "a rollout that finds no second GPU is explained, serves on, and loses nothing", machine=True)
def held_up(stage):
    """25 % of one replica is a whole pod more, for which there is no GPU."""
    with Gpus(stage, 1, NPU):
        model = deployment(stage, "rolled", resources=one(NPU), env={"service_time": "100ms"},
                           progressDeadlineSeconds=8, annotations=IMPATIENT | {
                               "autoscaling.knative.dev/min-scale": "1", "autoscaling.knative.dev/max-scale": "1"})
        stage.gateway.until_known(model.revision)
        stage.until(40, lambda: stage.pods.ready(model.workload) == 1, "a ready pod")
        with stage.load(model.host, 3) as load:
            mark = {"spec": {"template": {"metadata": {"annotations": {"rolled": "yes"}}}}}
            stage.api.patch("Deployment", stage.namespace, model.workload, mark)
            told = stage.until_event(["RolloutStuck"], about=model.name, seconds=40)
            time.sleep(GRACE)
            stage.shown(stage.pods.ready(model.workload) == 1, "the old pod serves on")
            stage.shown(asked_for(stage, model) == 1, "no other number was asked for")
        stage.all_fine(load.answers)
    stage.figure(f"{load.answers.summary()}; {told[0]}: {told[1]}")


OLD_GPU, NEW_GPU = 1, 6     # which of the guides' manifests


@scene("g6", "five clients, a GPU each, and no free one: the pods wait for the node, the requests for the pods",
       alone=True, machine=True)
def guide_gpu(stage):
    """`hey -z 30s -c 5` in the guide: 4292 x 200, 5 of them about 9.76 s; here the node has to come first."""
    _, model = guide(stage, NEW_GPU, minReplicas=0, annotations=IMPATIENT_GUIDE)
    at_zero(stage, model)
    with Provisioner(stage, "karpenter", 22, gpus=5, after=6):
        answers = stage.hey(model, "-z", "25s", "-c", "5", "-t", "60")
    stage.figure(f"{answers.summary()}; {stage.pods.most()} pods")
    stage.all_fine(answers)
    stage.shown(answers.slow(5) == 5, f"{answers.slow(5)} answers were slow, not 5")
    stage.shown(stage.pods.most() == 5, f"there were {stage.pods.most()} pods, not 5")


@scene("g7", "a GPU more is asked of Kubernetes, nothing else while there is none: told as Event, answer, metric",
       alone=True, machine=True)
def guide_no_gpu(stage):
    """The guide's sentence on what happens when pods want more GPUs than there are. Old schema."""
    _, model = guide(stage, OLD_GPU, minReplicas=0, annotations=IMPATIENT_GUIDE | {
        "autoscaling.knative.dev/target": "1"}, env={"service_time": "200ms"})
    at_zero(stage, model)
    refused(stage, model, 503, "unschedulable", GRACE + 2.5)
    with Gpus(stage, 1):
        recovers(stage, model)
        begun = time.time()
        answers = stage.hey(model, "-z", "25s", "-c", "5", "-t", "60")
        stage.all_fine(answers)
        stage.shown(stage.pods.count(model.workload) <= 2, f"{stage.pods.count(model.workload)} pods for one GPU")
        stage.until_event(["Unschedulable", "nvidia.com/gpu"], about=model.name)
        metric = kept(stage, model)
        stage.shown(metric <= 1, f"{KEPT} is {metric}")
        stage.figure(f"{answers.summary()}; {stage.pods.most(model.workload, begun)} pods at most")


@scene("g17", "a cap of 8 and two GPUs: 8 are wanted, 2 run, and the report says what it is limited by",
       alone=True, machine=True)
def guide_capped(stage):
    """"The target may not be reached", the guide says, "because of max or cluster resources"."""
    model = server_of(guides()[CAPPED]["spec"]["predictor"]) | {"resources": one(node.GPU)}
    _, model = guide(stage, CAPPED, minReplicas=0, model=model, annotations=IMPATIENT_GUIDE,
                     env={"service_time": "200ms"})
    at_zero(stage, model)
    with Gpus(stage, 2):
        hey = in_background(stage.hey, model, "-z", "25s", "-c", "50", "-t", "60")
        stage.until(30, lambda: len(running(stage, model)) == 2, "two pods that run")
        time.sleep(GRACE)
        stage.until(10, lambda: stage.pods.count(model.workload) <= 3, "no more than one to wait for a node")
        wanted, there = desired(stage, model), stage.pods.count(model.workload)
        decisions = stage.gateway.read(f"/revisions/{model.revision}/decisions")
        answers = hey.result()
    stage.all_fine(answers)
    stage.shown(wanted == 8, f"{wanted} are wanted, not 8")
    stage.shown(there <= 3, f"{there} pods for two GPUs")
    stage.shown("unschedulable" in json.dumps(decisions), f"no decision names the shortage: {decisions[-1:]}")
    stage.figure(f"{answers.summary()}; {wanted} wanted, {there} there")
