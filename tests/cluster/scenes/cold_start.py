"""From zero: the story that the README tells, and what the gateway adds to a pod's own start."""

import subprocess
import threading
import time

from bed.models import deployment
from bed.requests import PREDICT, in_background, percentile
from bed.scene import LONG, scene

from .guides_load import at_zero

COLD_STARTS = 50 if LONG else 10
DEFAULT_PROBE = 10


@scene("2", "hey -c 5 at target 1 from zero: 5 pods, 5 slow answers, all 200, and Events that tell it")
def story(stage):
    """With kubectl and hey as a person uses them; what they print goes to target/cluster/story."""
    model = deployment(stage, "flowers-sample", env={"load_time": "2s", "service_time": "100ms"},
                       annotations={"autoscaling.knative.dev/target": "1", "autoscaling.knative.dev/window": "20s"})
    at_zero(stage, model)
    address, port = stage.gateway.address
    command = ["hey", "-z", "12s", "-c", "5", "-m", "POST", "-d", '{"instances": [1]}', "-host", model.host,
               f"http://{address}:{port}{PREDICT}"]
    running = in_background(subprocess.run, command, capture_output=True, text=True, check=True)
    stage.until(20, lambda: stage.pods.ready() == 5, "5 ready pods")
    get_pods = ["kubectl", "get", "pods", "-n", stage.namespace]
    during = subprocess.run(get_pods, capture_output=True, text=True, check=True).stdout
    said = running.result().stdout
    at_zero(stage, model, seconds=120)
    stage.until(20, lambda: not stage.pods.present, "the last pod to be gone")
    after = subprocess.run(get_pods, capture_output=True, text=True, check=True)
    events = stage.events(about=model.name)
    told = "\n".join(f"{reason:<24} {sentence}" for reason, sentence in events)
    stage.keep("story", "\n".join([" ".join(command), said, " ".join(get_pods), during, "later", " ".join(get_pods),
                                    after.stderr + after.stdout, told]))
    stage.shown("Error distribution" not in said and said.count("responses") == 1 and "[200]" in said,
                f"hey did not get 200 only:\n{said}")
    stage.shown(len(events) >= 2, f"Events tell no story: {events}")
    stage.figure(f"{stage.pods.most()} pods, {len(events)} Events")
    stage.shown(stage.pods.most() == 5, f"there were {stage.pods.most()} pods, not 5")


class Slices:
    """When each address became ready in an EndpointSlice, as somebody who watches them hears of it."""

    def __init__(self, stage):
        self.ready, self.closed = {}, threading.Event()
        self.listening = threading.Thread(target=self.listen, args=(stage,), daemon=True)
        self.listening.start()

    def listen(self, stage):
        """Until it is closed."""
        for _, one in stage.api.watch("EndpointSlice", stage.namespace, self.closed):
            for endpoint in one.get("endpoints") or []:
                if endpoint.get("conditions", {}).get("ready"):
                    for address in endpoint["addresses"]:
                        self.ready.setdefault(address, time.time())


@scene("3", "a held request reaches a model within milliseconds of its listening, before any EndpointSlice knows",
       alone=True)
def added(stage):
    """From the model listening to the held request at it, both by the model's clock."""
    slices = Slices(stage)
    models = [deployment(stage, f"m{n}", env={"load_time": "1s", "service_time": "0s"}) for n in range(5)]
    late = [deployment(stage, f"late{n}", env={"load_time": "1s"}, period=DEFAULT_PROBE) for n in range(3)]
    for model in (*models, *late):
        at_zero(stage, model)
    known = [wake(stage, models[n % len(models)], slices) for n in range(COLD_STARTS)]
    fresh = [wake(stage, deployment(stage, f"new{n}", env={"load_time": "1s"}), slices) for n in range(5)]
    slow = [wake(stage, model, slices) for model in late]
    slices.closed.set()
    ours, theirs = [own for own, _, _ in known], [other for _, other, _ in known]
    stage.figure(f"{COLD_STARTS} cold starts: p50 {percentile(ours, 50):.1f} ms, p99 {percentile(ours, 99):.1f} ms, "
                 f"aims 10 and 20; request to answer {percentile([whole for *_, whole in known], 50):.2f} s "
                 "with a load of 1 s")
    stage.figure(f"never seen before: p50 {percentile([own for own, *_ in fresh], 50):.1f} ms")
    stage.figure(f"waiting for the EndpointSlice: p50 {percentile(theirs, 50):.0f} ms with a probe every second, "
                 f"{max(other for _, other, _ in slow):.0f} ms with one every {DEFAULT_PROBE} s")
    # A machine that is busy elsewhere may hold the gateway up now and then, but not every time.
    every = (*known, *fresh, *slow)
    later = [f"{own:.0f} and {other:.0f} ms" for own, other, _ in every if own >= other]
    stage.shown(len(later) <= len(every) // 10, f"the slice was sooner than the request: {', '.join(later)}")
    stage.shown(percentile(ours, 50) <= 50, "half of them are far from the aim")
    stage.shown(percentile([own for own, *_ in fresh], 50) <= 50, "a revision never seen before is slower")


def wake(stage, model, slices):
    """One cold start: milliseconds from listening to the request, and to the slice; seconds for all of it."""
    at_zero(stage, model)
    answer = stage.ask(model.host)
    stage.shown(answer.fine, f"the request that woke {model.name} got {answer}")
    pod = stage.until(15, lambda: stage.pods.of(f"{model.workload}-"), "its pod")[0]
    seen = stage.pods.stats_of(pod)
    known = stage.until(20, lambda: slices.ready.get(pod["status"]["podIP"]), "the EndpointSlice")
    listening = seen["listening_at_ms"]
    return seen["first_request_at_ms"] - listening, known * 1000 - listening, answer.seconds
