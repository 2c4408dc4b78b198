"""What scenes apply: the guides' manifests with what has to be changed, and plain workloads."""

import copy
import dataclasses
import functools
import json
import pathlib
import subprocess

GUIDES = pathlib.Path(__file__).resolve().parents[2] / "manifests" / "guides.yaml"
# The guides' numbers, ten times as fast: windows of 6 s and not 60, a load time of 1 s and not 10.
FACTOR = 10
WINDOWS = {"autoscaling.knative.dev/window": "6s", "holdgate.dev/autoscaling-scale-to-zero-grace-period": "3s"}
STANDARD = {"serving.kserve.io/deploymentMode": "Standard", "serving.kserve.io/autoscalerClass": "external"}
SMALL = {"requests": {"cpu": "10m", "memory": "16Mi"}}


@dataclasses.dataclass
class Model:
    """Something that answers: by which host and path, and what its Deployment and pods are called."""
    name: str
    namespace: str
    workload: str
    host: str
    path: str = "/v1/models/flowers-sample:predict"

    @property
    def revision(self):
        """What the gateway calls it."""
        return f"{self.workload}.{self.namespace}"


@functools.cache
def guides():
    """The documents, in their order. kubectl reads the YAML, as it would for a person."""
    words = ["kubectl", "create", "--dry-run=client", "--validate=false", "-o", "json", "-f", str(GUIDES)]
    text, documents, decoder = subprocess.run(words, capture_output=True, text=True, check=True).stdout, [], None
    decoder = json.JSONDecoder()
    while text := text.lstrip():
        document, end = decoder.raw_decode(text)
        documents += document["items"] if document["kind"] == "List" else [document]
        text = text[end:]
    return documents


def guide(stage, index, *, name=None, annotations=None, env=None, namespace=None, **component):
    """Applies the guide's manifest of this index: Standard mode, scaled by us, windows of 6 s; a model that
    loads in 1 s and works 20 ms on a request unless said otherwise. `component` changes the predictor."""
    isvc = copy.deepcopy(guides()[index])
    meta = isvc["metadata"]
    meta.pop("creationTimestamp", None)
    meta["namespace"], meta["name"] = namespace or stage.namespace, name or meta["name"]
    meta["annotations"] = meta.get("annotations", {}) | STANDARD | WINDOWS | (annotations or {})
    predictor = isvc["spec"]["predictor"]
    predictor |= component
    server_of(predictor).setdefault("env", []).extend(environment(env))
    for spec in (isvc["spec"][part] for part in ("transformer", "explainer") if part in isvc["spec"]):
        ours = {"image": stage.image, "command": ["/holdgate", "sample-model", "--host", "0.0.0.0"],
                "env": environment(env)}
        spec["containers"][0] |= ours
    stage.apply(isvc)
    named = "mnist" if "pytorch" in json.dumps(predictor) else meta["name"]
    return isvc, Model(meta["name"], meta["namespace"], f"{meta['name']}-predictor",
                       f"{meta['name']}-{meta['namespace']}.example.com", f"/v1/models/{named}:predict")


def server_of(predictor):
    """Where a predictor's model server is said."""
    return next(predictor[key] for key in ("model", "tensorflow", "pytorch", "sklearn") if key in predictor)


def environment(settings):
    """The model's own settings: `load_time="1s"`."""
    settings = {"load_time": "1s", "service_time": "20ms"} | (settings or {})
    return [{"name": f"HOLDGATE_SAMPLE_MODEL_{name.upper()}", "value": str(value)}
            for name, value in settings.items()]


def deployment(stage, name, *, replicas=0, annotations=None, env=None, resources=None, kind="Deployment",
               namespace=None, managed=True, period=1, image=None, lingers=0, **spec):
    """Applies a plain workload of the model, and the Service that leads to it. `lingers`: seconds that a pod
    serves on once it is to go."""
    namespace = namespace or stage.namespace
    marks = ({"holdgate.dev/enabled": "true"} if managed else {}) | WINDOWS | (annotations or {})
    container = {"name": "model", "image": image or stage.image, "env": environment(env),
                 "resources": resources or SMALL,
                 "args": ["sample-model", "--host", "0.0.0.0", "--port", "8080", "--model", "flowers-sample"],
                 "ports": [{"containerPort": 8080}],
                 "readinessProbe": {"httpGet": {"path": "/v1/models/flowers-sample", "port": 8080},
                                    "periodSeconds": period}}
    if lingers:
        container["lifecycle"] = {"preStop": {"sleep": {"seconds": lingers}}}
    labels = {"app": name}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [container]}}
    meta = {"name": name, "namespace": namespace, "labels": labels}
    if kind == "StatefulSet":
        spec = {"serviceName": name} | spec
    workload = {"apiVersion": "apps/v1", "kind": kind, "metadata": meta | {"annotations": marks},
                "spec": {"replicas": replicas, "selector": {"matchLabels": labels}, "template": template} | spec}
    service = {"apiVersion": "v1", "kind": "Service", "metadata": meta,
               "spec": {"selector": labels, "ports": [{"port": 80, "targetPort": 8080}]}}
    stage.apply(service, workload)
    return Model(name, namespace, name, f"{name}.{namespace}")
