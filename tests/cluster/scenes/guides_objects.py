"""What the autoscaling guides show beside load: other metrics, objects, addresses, reports, old and new schema."""

import time
import urllib.request

from bed.models import guide, guides, server_of
from bed.requests import in_background
from bed.scene import scene

from .callers import ALWAYS, policies, taken
from .guides_load import CAPPED, OLD_SOFT, SOFT, asked_for, warm

TRANSFORMER, TORCH_FIVE = 10, 14


@scene("g18", "a transformer scales by its own metric, 38 requests a second at 8 each are 5 pods, and its predictor by "
              "another: both legs pass the gate", alone=True, machine=True)
def transformer(stage):
    """It asks its predictor by the name that KServe gives it, and so the gateway: 38 a second of 240 ms are 9.1 at
    once, at two each 5 pods."""
    with policies(stage):
        _, model = guide(stage, TRANSFORMER, annotations=ALWAYS, env={"service_time": "240ms"})
        entry = f"{model.name}-transformer"
        for revision in (f"{entry}.{model.namespace}", model.revision):
            stage.gateway.until_known(revision)
        taken(stage, model)
        stage.until(60, lambda: stage.ask(model.host, path=model.path).fine, "an answer")
        rate = in_background(stage.at_rate, model.host, 38, 24, path=model.path)
        time.sleep(16)
        steady = time.time()
        answers = rate.result()
        low, high = stage.pods.least(entry, steady), stage.pods.most(entry, steady)
        behind = stage.pods.least(model.workload, steady), stage.pods.most(model.workload, steady)
        stage.figure(f"{answers.summary()}; {low} to {high} transformers, {behind[0]} to {behind[1]} predictors")
        stage.all_fine(answers)
        stage.shown(low == high == 5, f"there were {low} to {high} transformers, not 5")
        stage.shown(behind == (5, 5), f"there were {behind[0]} to {behind[1]} predictors, not 5")
        asked = stage.gateway.answered(model.revision)
        stage.shown(asked >= len(answers), f"{asked} requests to the predictor passed the gate, of {len(answers)}")


@scene("g19", "every metric steers: concurrency if none is named, rps, cpu and memory of metrics.k8s.io")
def metrics(stage):
    """cpu is percent of the request, memory of the request too, as KServe's Standard mode has them."""
    half = {"requests": {"cpu": "100m", "memory": "64Mi"}}
    _, plain = guide(stage, OLD_SOFT, name="plain")
    _, rps = guide(stage, SOFT, name="rate", scaleMetric="rps", scaleTarget=5)
    cpu = guide_with(stage, "cpu", half, scaleMetric="cpu", scaleTarget=50)
    memory = guide_with(stage, "memory", half, scaleMetric="memory", scaleTarget=100)
    for model in (plain, rps, cpu, memory):
        warm(stage, model, 1)
    stage.shown(metric_of(stage, plain) == "concurrency", f"without a metric it is {metric_of(stage, plain)}")
    use(stage, cpu, "cpu=13")
    use(stage, memory, "memory=100")
    answers = stage.at_rate(rps.host, 18, 14, path=rps.path)
    stage.all_fine(answers)
    stage.shown(stage.pods.count(rps.workload) == 4, f"18/s at 5 each are {stage.pods.count(rps.workload)} pods, not 4")
    # 130 millicores, and a few of servers that have nothing to do, are three times 50 % of 100; more than 100 MiB
    # are twice 64 MiB.
    stage.until(90, lambda: asked_for(stage, cpu) == 3, "3 pods by cpu")
    stage.until(90, lambda: asked_for(stage, memory) == 2, "2 pods by memory")
    stage.figure("18/s at 5: 4; 130m at 50 % of 100m: 3; 100Mi at 100 % of 64Mi: 2")


def guide_with(stage, name, resources, **component):
    """A guide's manifest whose container asks for so much."""
    server = server_of(guides()[SOFT]["spec"]["predictor"]) | {"resources": resources}
    return guide(stage, SOFT, name=name, model=server, **component)[1]


def metric_of(stage, model):
    """By what it is scaled."""
    return stage.until(20, lambda: decided(stage, model), f"the gateway to decide about {model.name}")["metric"]


def use(stage, model, what):
    """Tells the model server to use so much."""
    pod = stage.pods.of(model.workload)[0]
    request = urllib.request.Request(f"http://{pod['status']['podIP']}:8080/use?{what}", method="POST", data=b"")
    with urllib.request.urlopen(request, timeout=5) as answer:
        stage.shown(answer.status == 200, "it uses what it is told to")


@scene("g20", "kubectl get finds pods by KServe's label, and status.url is where the gateway answers")
def addresses(stage):
    """The last commands of the guides."""
    _, model = guide(stage, CAPPED)
    warm(stage, model, 1)
    label = f"serving.kserve.io/inferenceservice={model.name}"
    stage.shown(len(stage.api.get("Pod", stage.namespace, labelSelector=label)) == 1, "one pod by its label")
    url = stage.until(30, lambda: stage.api.get("InferenceService", stage.namespace, model.name)
                      .get("status", {}).get("url"), "status.url")
    answer = stage.ask(url.removeprefix("http://"), path=model.path)
    stage.shown(answer.fine, f"{url} got {answer}")
    inside = [f"{model.workload}.{stage.namespace}", f"{model.workload}.{stage.namespace}.svc.cluster.local"]
    for host in inside:
        stage.shown(stage.ask(host, path=model.path).fine, f"{host} is answered")


@scene("g21", "deleted or stopped: who waits is told at once, and nothing of it is left")
def deleted(stage):
    """The wait would have been a minute."""
    for name, ends, status, reason in (("gone", delete, 404, "no_route"), ("stopped", stop, 503, "stopped")):
        _, model = guide(stage, SOFT, name=name, minReplicas=0, env={"load_time": "60s"})
        # Its first pod loads for a minute.
        stage.gateway.until_known(model.revision)
        waiting = in_background(stage.ask, model.host, path=model.path)
        stage.until(10, lambda: stage.gateway.metric("holdgate_queue_depth", revision=model.revision) == 1, "its wait")
        begun = time.time()
        ends(stage, model)
        answer = waiting.result(timeout=70)
        took = time.time() - begun
        stage.shown(answer.status == status and answer.headers.get("x-holdgate-reason") == reason,
                    f"{name}: wanted {status} {reason}, got {answer}")
        stage.shown(took < 3, f"{name}: it was told after {took:.1f} s")
        stage.figure(f"{name}: {status} {reason} after {took:.2f} s")
    stage.until(10, lambda: stage.gateway.revision(f"gone-predictor.{stage.namespace}") is None, "it to be forgotten")


def delete(stage, model):
    """Its owner has no use for it any more."""
    stage.api.delete("InferenceService", model.namespace, model.name)


def stop(stage, model):
    """Its owner wants none for now."""
    stage.api.annotate("InferenceService", model.namespace, model.name, **{"serving.kserve.io/stop": "true"})


@scene("g22", "what the guides' dashboards draw is there to draw")
def dashboards(stage):
    """Desired and actual pods, panic, averages, target, what waits."""
    _, model = guide(stage, OLD_SOFT)
    warm(stage, model, 1)
    metrics = stage.gateway.metrics()
    wanted = ["holdgate_autoscaler_stable", "holdgate_autoscaler_panic", "holdgate_autoscaler_target",
              "holdgate_panic_mode", "holdgate_queue_depth", "holdgate_in_flight", "holdgate_requests_total",
              "holdgate_cold_starts_total", 'state="desired"', 'state="ready"', 'state="starting"']
    own = [name for name in metrics if model.revision in name]
    missing = [name for name in wanted if not any(name in series for series in own)]
    stage.shown(not missing, f"there is no {', '.join(missing)} of {model.revision}")
    pod = stage.gateway.pods()[-1]["status"]["podIP"]
    with urllib.request.urlopen(f"http://{pod}:9090/metrics", timeout=5) as answer:
        stage.shown(answer.status == 200, "and Prometheus may read it from the pod")


@scene("g23", "manifests of the old group and schema mean what those of the new ones mean")
def generations(stage):
    """Soft target, in all three."""
    models = [guide(stage, index, name=f"m{index}")[1] for index in (0, 4, 5)]
    seen = []
    for model in models:
        report = stage.until(30, lambda: decided(stage, model), f"the gateway to decide about {model.name}")
        seen.append((report["minReplicas"], report["maxReplicas"], report["containerConcurrency"],
                     report["metric"], report["target"]))
    stage.shown(len(set(seen)) == 1, f"they differ: {seen}")
    for model in models:
        warm(stage, model, 1)


def decided(stage, model):
    """Its report, once its number of pods has been thought about."""
    report = stage.gateway.revision(model.revision)
    return report if report and report.get("metric") else None


@scene("g24", "a V1 path to a server that speaks V2 goes through as it is")
def untouched(stage):
    """The guide's torchserve: protocolVersion v2, path /v1/models/mnist:predict."""
    _, model = guide(stage, TORCH_FIVE)
    warm(stage, model, 1)
    through = stage.ask(model.host, path=model.path)
    pod = stage.pods.of(model.workload)[0]
    place = f"http://{pod['status']['podIP']}:8080{model.path}"
    with urllib.request.urlopen(urllib.request.Request(place, data=b"{}"), timeout=5) as answer:
        direct = answer.read()
    stage.shown(through.body == direct, "the body is the model server's, byte by byte")
    added = {name for name in through.headers if name.startswith("x-holdgate")}
    stage.shown(not added, f"a warm answer carries nothing of ours but Server-Timing, not {added}")
