"""What the autoscaling guides show under load: as many pods as requests at once, soft and hard limits."""

import time

from bed.models import guide
from bed.requests import in_background
from bed.scene import scene

# The guides' manifests, by their place in tests/manifests/guides.yaml.
OLD_SOFT, OLD_HARD, SOFT, HARD, TORCH_FIVE, TORCH_HARD, CAPPED = 0, 2, 4, 8, 14, 15, 17


def at_zero(stage, model, seconds=60, gone=False):
    """Waits until the gateway knows it and none of its pods is left; `gone`: not even one on its way out."""
    left = stage.pods.all_of if gone else stage.pods.of
    stage.gateway.until_known(model.revision)
    stage.until(seconds, lambda: not left(model.workload) and asked_for(stage, model) == 0,
                f"{model.workload} to be at zero")


def asked_for(stage, model):
    """How many replicas its Deployment asks for; `None` before there is one."""
    found = stage.api.find("Deployment", model.namespace, model.workload)
    return found and found["spec"]["replicas"]


def warm(stage, model, pods):
    """Waits until so many pods are there and ready, by its own requests."""
    stage.gateway.until_known(model.revision)
    stage.until(60, lambda: stage.ask(model.host, path=model.path).fine and stage.pods.ready(model.workload) >= pods,
                f"{pods} ready pods")


@scene("g1", "five clients, target 1, from zero: 5 pods, 5 slow answers, all good", alone=True)
def soft_target(stage):
    """`hey -z 30s -c 5` in the guide: 4126 x 200, 5 of them about 10.1 s, the others under 1.03 s."""
    _, model = guide(stage, SOFT, minReplicas=0)
    at_zero(stage, model)
    answers = stage.hey(model, "-z", "10s", "-c", "5")
    stage.figure(answers.summary() + f"; {stage.pods.most()} pods")
    stage.all_fine(answers)
    stage.shown(answers.slow(1.2) == 5, f"{answers.slow(1.2)} answers were slow, not 5")
    stage.shown(stage.pods.most() == 5, f"there were {stage.pods.most()} pods, not 5")
    stage.shown(answers.percentile(50) < 0.1, f"half took more than {answers.percentile(50):.3f} s")


@scene("g2", "a target is soft: one pod that may not have company takes all five at once")
def soft_is_soft(stage):
    """Target 1, at most one pod."""
    _, model = guide(stage, OLD_SOFT, maxReplicas=1, env={"service_time": "1s"})
    warm(stage, model, 1)
    with stage.load(model.host, 5) as load:
        stage.until(10, lambda: stage.pods.busiest() >= 5, "the model server to have five at once")
    stage.all_fine(load.answers)
    stage.shown(stage.pods.most() == 1, f"there were {stage.pods.most()} pods")
    stage.figure(f"{stage.pods.busiest()} at once in one pod")


@scene("g3", "fifty clients from zero: the first fifty wait and are answered; 48 a second of 200 ms settle at 10 pods",
       alone=True)
def rates(stage):
    """`hey -z 30s -q 50` in the guide, whose rate is one worker's; then what the guide says of it, honestly."""
    _, model = guide(stage, OLD_SOFT, minReplicas=0, maxReplicas=12, env={"service_time": "200ms"})
    at_zero(stage, model)
    answers = stage.hey(model, "-z", "8s", "-q", "50", "-c", "50")
    stage.all_fine(answers)
    stage.figure(f"{answers.summary()}; {stage.pods.most()} pods (of 12 at most, on two cores)")
    stage.shown(answers.slow(0.9) >= 50, f"{answers.slow(0.9)} answers were slow, not the first 50")
    stage.shown(stage.pods.most() > 1, "there was only one pod")
    rate = in_background(stage.at_rate, model.host, 48, 24)
    time.sleep(14)
    steady = time.time()
    answers = rate.result()
    stage.all_fine(answers)
    low, high = stage.pods.least(since=steady), stage.pods.most(since=steady)
    stage.figure(f"48/s: {low} to {high} pods")
    stage.shown((low, high) == (10, 10), f"there were {low} to {high} pods at 48/s of 200 ms, not 10")


@scene("g8", "a hard limit of 10: no model server ever has an eleventh, the surplus waits, 5 pods")
def hard_limit(stage):
    """hey's 50 workers, as in the guide; old and new schema."""
    _, model = guide(stage, HARD, minReplicas=0, env={"service_time": "100ms"})
    at_zero(stage, model)
    begun = time.time()
    answers = stage.hey(model, "-z", "12s")
    busiest, pods = stage.pods.busiest(), stage.pods.least(since=begun + 9)
    stage.figure(f"{answers.summary()}; {busiest} at once in the busiest, {pods} pods")
    stage.all_fine(answers)
    stage.within_limit(10)
    stage.shown(busiest == 10, f"no model server ever had more than {busiest}: the limit was not tried")
    stage.shown(pods == 5 == stage.pods.most(since=begun + 9),
                f"{pods} to {stage.pods.most(since=begun + 9)} pods in the end, not 5")


@scene("g9", "the hard limit holds when pods go in the middle of it, and nothing is lost")
def hard_limit_when_pods_go(stage):
    """A pod is deleted under load, twice."""
    _, model = guide(stage, OLD_HARD, minReplicas=0, env={"service_time": "100ms"})
    at_zero(stage, model)
    with stage.load(model.host, 30) as load:
        for _ in range(2):
            stage.until(30, lambda: stage.pods.ready(model.workload) >= 3, "3 ready pods")
            time.sleep(1)
            stage.api.delete("Pod", stage.namespace, stage.pods.of(model.workload)[0]["metadata"]["name"])
            time.sleep(2)
    stage.figure(f"{load.answers.summary()}; {stage.pods.busiest()} at once in the busiest")
    stage.all_fine(load.answers)
    stage.within_limit(10)


@scene("g11", "fifty clients, target 5: 10 pods")
def target_five(stage):
    """The guide's torchserve; it gives no number, arithmetic does."""
    _, model = guide(stage, TORCH_FIVE, minReplicas=0, env={"service_time": "500ms"})
    at_zero(stage, model)
    begun = time.time()
    answers = stage.hey(model, "-z", "12s")
    low, high = stage.pods.least(since=begun + 9), stage.pods.most(since=begun + 9)
    stage.figure(f"{answers.summary()}; {low} to {high} pods in the end")
    stage.all_fine(answers)
    stage.shown(low == high == 10, f"there were {low} to {high} pods in the end, not 10")


@scene("g16", "at most 8: fifty clients get 8 pods, never 9, and share them")
def capped(stage):
    """The target is soft: what is over the cap is forwarded."""
    _, model = guide(stage, CAPPED, env={"service_time": "200ms"})
    warm(stage, model, 1)
    answers = stage.hey(model, "-z", "10s")
    stage.figure(f"{answers.summary()}; {stage.pods.most()} pods, {stage.pods.busiest()} at once in the busiest")
    stage.all_fine(answers)
    stage.shown(stage.pods.most() == 8, f"there were {stage.pods.most()} pods, not 8")
    stage.shown(stage.pods.busiest() > 1, "nothing over the target was forwarded")
