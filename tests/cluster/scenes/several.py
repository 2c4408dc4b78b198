"""Several gateways act as one: the limit is exact, and what one of them loses is its own."""

import time

from bed.gateway import NAME, NAMESPACE
from bed.models import deployment
from bed.requests import Load
from bed.scene import LONG, scene
from bed.setup import deploy

from .install import kubectl, rolled_out
from .trouble import is_running, kill

PODS, LASTS = 20, 300 if LONG else 60
GATEWAY_EVERY, POD_EVERY = 30, 10
# A Service goes on sending to a gateway that was killed until the nodes have heard of it.
SPREAD = 4


def leader(stage):
    """The pod that holds the lease."""
    lease = stage.api.get("Lease", NAMESPACE, NAME)
    holder = lease["spec"].get("holderIdentity") or ""
    return next((pod for pod in stage.gateway.pods() if holder.startswith(pod["metadata"]["name"])), None)


class Installed:
    """Another of the shipped installations in the place of the usual one."""

    def __init__(self, stage, overlay):
        self.stage, self.overlay = stage, overlay

    def __enter__(self):
        kubectl(self.stage, "apply", "-k", deploy() / "kustomize" / self.overlay)
        self.settle()

    def __exit__(self, *_):
        kubectl(self.stage, "-n", NAMESPACE, "delete", "poddisruptionbudget", NAME, "--ignore-not-found")
        kubectl(self.stage, "apply", "-k", deploy() / "kustomize" / "single")
        self.settle()

    def settle(self):
        """As many as are wanted, and no others."""
        rolled_out(self.stage)
        wanted = self.stage.api.get("Deployment", NAMESPACE, NAME)["spec"]["replicas"]
        self.stage.until(60, lambda: len(self.all()) == wanted, f"{wanted} gateways and no others")
        self.stage.gateway.moved()

    def all(self):
        """Those on their way out, too."""
        return self.stage.api.get("Pod", NAMESPACE, labelSelector="app.kubernetes.io/component=gateway")


def twenty_pods(stage, name):
    """A hard limit of one, 200 ms. New ones for each load: a kubelet starts again at once what ends for the
    first time in its pod, and later waits before it does."""
    fixed = {"autoscaling.knative.dev/min-scale": str(PODS), "autoscaling.knative.dev/max-scale": str(PODS)}
    model = deployment(stage, name, env={"service_time": "200ms", "load_time": "0s"}, replicas=PODS,
                       annotations={"holdgate.dev/container-concurrency": "1"} | fixed)
    stage.until(120, lambda: stage.pods.ready(name) == PODS, f"{PODS} ready pods")
    stage.until(20, lambda: stage.ask(model.host).fine, "an answer")
    return model


def next_gateway(stage, killed):
    """The one that leads, and next time another that was killed least."""
    leads = leader(stage)
    others = [pod for pod in stage.gateway.pods() if is_running(pod) and pod != leads]
    if leads and len(killed) % 2 == 0:
        return leads
    return min(others, key=lambda pod: killed.count(pod["metadata"]["name"]))


def under_kills(stage, model, gateways):
    """Load for so long, pods and gateways being killed meanwhile. The answers, and when gateways went."""
    kills, begun = [], time.time()
    with Load(stage.gateway.address, model.host, 2 * PODS) as load:
        for n in range(1, LASTS // POD_EVERY + 1):
            time.sleep(max(0, begun + n * POD_EVERY - 5 - time.time()))
            pods = sorted(filter(is_running, stage.pods.of(model.workload)), key=lambda pod: pod["metadata"]["name"])
            kill(stage, pods[n % len(pods)])
            if gateways and (n * POD_EVERY) % GATEWAY_EVERY == POD_EVERY:
                one = next_gateway(stage, [name for _, name in kills])
                kills.append((time.time(), one["metadata"]["name"]))
                kill(stage, one)
        time.sleep(max(0, begun + LASTS - time.time()))
    return load.answers, kills


def rate(answers):
    """Good answers a second."""
    return sum(answer.fine for answer in answers) / LASTS


def lost_after(answers, kills, usual):
    """After each kill of a gateway, so many seconds' worth of answers were missing within ten."""
    ends = [one.began + one.seconds for one in answers if one.fine]
    missing = [10 - sum(0 <= end - at < 10 for end in ends) / usual for at, _ in kills]
    return ", ".join(f"{seconds:.1f}" for seconds in missing)


@scene("h1", f"three gateways, one request a pod, {LASTS} s: gateways and pods are killed, the limit holds, "
             "nothing else is lost", alone=True, machine=True)
def three(stage):
    """Counted inside the pods, whose servers do not notice that a client has gone."""
    model = twenty_pods(stage, "alone")
    alone, _ = under_kills(stage, model, gateways=False)
    stage.api.delete("Deployment", stage.namespace, model.workload)
    strangers = [str(one) for one in alone.lost if one.headers.get("x-holdgate-reason") != "upstream_reset"]
    stage.law(not strangers, f"one gateway lost {strangers[:5]}")
    with Installed(stage, "ha"):
        model = twenty_pods(stage, "together")
        answers, kills = under_kills(stage, model, gateways=True)
        share = rate(answers) / rate(alone)
        near = [one for one in answers.lost if not one.status
                and any(-0.5 < one.began + one.seconds - at < SPREAD for at, _ in kills)]
        others = [one for one in answers.lost if one not in near
                  and one.headers.get("x-holdgate-reason") != "upstream_reset"]
        refused = [one for one in others if one.headers.get("x-holdgate-reason")]
        lost = [str(one) for one in others if one not in refused]
        stage.figure(f"one gateway {rate(alone):.1f}/s, three {rate(answers):.1f}/s ({share * 100:.0f} %), "
                     f"{len(kills)} killed ({', '.join(name[-5:] for _, name in kills)}), each for "
                     f"{lost_after(answers, kills, rate(alone))} s of what one answers; {answers.summary()}; "
                     f"{len(near)} inside a killed gateway or on their way there, {len(refused)} refused with a "
                     f"reason; {stage.pods.busiest()} at once in the busiest")
        stage.within_limit(1)
        stage.law(not lost, f"lost without a reason: {lost[:5]}")
        stage.shown(share >= 0.9, f"three gateways answered {share * 100:.0f} % of what one did")
        slow = answers.percentile(99)
        stage.shown(slow < 8, f"one in a hundred took {slow:.1f} s")


@scene("h3", "the only gateway is killed under load: the limit holds over what it had sent, then all goes on",
       alone=True, machine=True)
def only(stage):
    """The model servers do not notice that their client has gone."""
    fixed = {"autoscaling.knative.dev/min-scale": "4", "autoscaling.knative.dev/max-scale": "4"}
    model = deployment(stage, "only", env={"service_time": "3s", "load_time": "0s"}, replicas=4,
                       annotations={"holdgate.dev/container-concurrency": "1"} | fixed)
    stage.until(60, lambda: stage.pods.ready() == 4, "4 ready pods")
    stage.until(20, lambda: stage.ask(model.host).fine, "an answer")
    with stage.load(model.host, 8) as load:
        time.sleep(8)
        killed = time.time()
        kill(stage, stage.gateway.pods()[0])
        time.sleep(15)
    ends = sorted(one.began + one.seconds for one in load.answers if one.fine)
    back = next((end - killed for end in ends if end > killed + 0.5), float("inf"))
    stage.figure(f"{load.answers.summary()}; answers again after {back:.1f} s")
    stage.within_limit(1)
    lost = [str(one) for one in load.answers.lost if one.status or one.began + one.seconds > killed + SPREAD]
    stage.law(not lost, f"lost otherwise than in the killed gateway, or while there was none: {lost[:5]}")
    stage.shown(back < 12, f"no answer for {back:.1f} s")


@scene("h2", "three gateways: from zero by any of them, up under load, and down to zero", alone=True, machine=True)
def to_zero(stage):
    """The one that is asked need not be the one that steers."""
    model = deployment(stage, "shared", env={"service_time": "100ms"},
                       annotations={"holdgate.dev/container-concurrency": "1"})
    with Installed(stage, "ha"):
        for pod in stage.gateway.pods():
            address = pod["status"]["podIP"], 8080
            stage.until(60, lambda: stage.pods.count() == 0, "no pod to be left")
            load = Load(address, model.host, 4)
            with load:
                stage.until(30, lambda: stage.pods.ready() >= 3, "three ready pods")
                time.sleep(3)
            stage.all_fine(load.answers)
            stage.figure(f"by {pod['metadata']['name'][-5:]}: {load.answers.summary()}")
        stage.within_limit(1)
        stage.until(60, lambda: stage.pods.count() == 0, "no pod to be left")
