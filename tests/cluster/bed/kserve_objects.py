"""What KServe makes of an InferenceService in Standard mode, object by object."""

import dataclasses

OWN_CLASS = "serving.kserve.io/autoscalerClass"
NOT_PASSED_ON = ("autoscaling.knative.dev/min-scale", "autoscaling.knative.dev/max-scale",
                 "kubectl.kubernetes.io/last-applied-configuration")
# KServe's defaults are a core and 2 GiB; a test machine has two cores for all of them.
RESOURCES = {"requests": {"cpu": "10m", "memory": "16Mi"}}
PROBE = {"tcpSocket": {"port": 8080}, "periodSeconds": 10, "timeoutSeconds": 1, "failureThreshold": 3,
         "successThreshold": 1}
# Servers that take the model's name from its files.
NAMED_BY_FILES = {"pytorch": "mnist", "triton": "mnist"}


@dataclasses.dataclass
class Component:
    """One component: what its objects are called, and what they are made of."""
    isvc: dict
    component: str
    spec: dict
    container: dict
    annotations: dict

    @property
    def namespace(self):
        """Its namespace."""
        return self.isvc["metadata"]["namespace"]

    @property
    def name(self):
        """What its Deployment and its Service are called."""
        own = self.spec.get("name") if self.component == "predictor" else None
        parts = [self.isvc["metadata"]["name"], own, self.component]
        return "-".join(part for part in parts if part)

    @property
    def scaler(self):
        """Its autoscaler class."""
        return self.annotations.get(OWN_CLASS, "hpa")

    @property
    def replicas(self):
        """How many KServe itself insists on; `None` where it is another's business."""
        return self.spec.get("minReplicas", 1) if self.scaler == "none" else None

    @property
    def labels(self):
        """Those of its objects."""
        own = {"app": f"isvc.{self.name}", "component": self.component,
               "serving.kserve.io/inferenceservice": self.isvc["metadata"]["name"]}
        return self.isvc["metadata"].get("labels", {}) | self.spec.get("labels", {}) | own

    def metadata(self):
        """Of the Deployment and of the Service."""
        owner = {"apiVersion": self.isvc["apiVersion"], "kind": "InferenceService", "controller": True,
                 "blockOwnerDeletion": True, "name": self.isvc["metadata"]["name"],
                 "uid": self.isvc["metadata"]["uid"]}
        return {"name": self.name, "namespace": self.namespace, "labels": self.labels,
                "annotations": self.annotations, "ownerReferences": [owner]}


def components(isvc, image, config):
    """Its components, the one that callers reach first standing last."""
    dropped = (*NOT_PASSED_ON, *config.get("inferenceService", {}).get("serviceAnnotationDisallowedList", []))
    for component in ("predictor", "explainer", "transformer"):
        if component in isvc["spec"]:
            spec = isvc["spec"][component]
            annotations = isvc["metadata"].get("annotations", {}) | spec.get("annotations", {})
            kept = {key: value for key, value in annotations.items() if key not in dropped}
            yield Component(isvc, component, spec, container(isvc, component, spec, image), kept)


def container(isvc, component, spec, image):
    """The container of the model server: the one that is written, or the runtime's."""
    name = isvc["metadata"]["name"]
    if spec.get("containers"):
        written = dict(spec["containers"][0])
        if component != "predictor":
            host = f"{name}-predictor.{isvc['metadata']['namespace']}"
            limit = spec.get("containerConcurrency")
            written["args"] = [*written.get("args", []), "--predictor_host", host, "--http_port", "8080",
                               *(["--workers", str(limit)] if limit else [])]
    else:
        framework, model = runtime(spec)
        args = [f"--model_name={NAMED_BY_FILES.get(framework, name)}", "--http_port=8080", "--host=0.0.0.0"]
        written = {key: model[key] for key in ("resources", "ports", "readinessProbe", "lifecycle") if key in model}
        written |= {"image": image, "args": ["sample-model", *args, *model.get("args", [])],
                    "env": model.get("env", [])}
    written["name"] = "kserve-container"
    written["env"] = [*written.get("env", []), {"name": "INFERENCE_SERVICE_NAME", "value": name}]
    written.setdefault("resources", RESOURCES)
    port = (written.get("ports") or [{"containerPort": 8080}])[0]["containerPort"]
    written.setdefault("readinessProbe", PROBE | {"tcpSocket": {"port": port}})
    return written


def runtime(spec):
    """The framework of a predictor and its settings, in the new schema or the old one."""
    if "model" in spec:
        return spec["model"]["modelFormat"]["name"], spec["model"]
    known = ("tensorflow", "pytorch", "sklearn", "xgboost", "triton", "onnx", "huggingface", "pmml", "lightgbm",
             "paddle")
    return next((name, spec[name]) for name in known if name in spec)


def deployment(one):
    """Its Deployment. Without a number of replicas it starts with one, whatever minReplicas says."""
    rolling = {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": "25%", "maxUnavailable": "25%"}}
    pod = {"containers": [one.container], "terminationGracePeriodSeconds": 30}
    pod |= {key: one.spec[key] for key in ("tolerations", "nodeSelector", "priorityClassName") if key in one.spec}
    template = {"metadata": {"labels": one.labels, "annotations": one.annotations}, "spec": pod}
    spec = {"selector": {"matchLabels": {"app": f"isvc.{one.name}"}}, "template": template,
            "strategy": one.spec.get("deploymentStrategy", rolling), "revisionHistoryLimit": 10,
            "progressDeadlineSeconds": 600}
    if one.replicas is not None:
        spec["replicas"] = one.replicas
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": one.metadata(), "spec": spec}


def service(one):
    """Its Service: port 80 to the first port of the container."""
    ports = one.container.get("ports", [])
    if not ports:
        made = [{"name": one.name, "port": 80, "targetPort": 8080, "protocol": "TCP"}]
    else:
        made = [port(first, 80) for first in ports[:1]] + [port(p, p["containerPort"]) for p in ports[1:]]
    spec = {"selector": {"app": f"isvc.{one.name}"}, "ports": made}
    return {"apiVersion": "v1", "kind": "Service", "metadata": one.metadata(), "spec": spec}


def port(of_container, number):
    """One port of a Service. An unnamed first one leads to 8080 whatever its number."""
    name = of_container.get("name")
    target = of_container["containerPort"] if name or number != 80 else 8080
    made = {"port": number, "targetPort": target, "protocol": "TCP"}
    if name:
        made["name"] = name
        if "h2c" in name or "grpc" in name:
            made["appProtocol"] = "kubernetes.io/h2c"
    return made


def hpa(one):
    """Its HorizontalPodAutoscaler, which cannot go to zero."""
    least = max(1, one.spec.get("minReplicas", 1))
    cpu = {"type": "Resource", "resource": {"name": "cpu", "target": {
        "type": "Utilization", "averageUtilization": one.spec.get("scaleTarget", 80)}}}
    spec = {"scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": one.name},
            "minReplicas": least, "maxReplicas": max(one.spec.get("maxReplicas", 0), least), "metrics": [cpu]}
    return {"apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler", "metadata": one.metadata(),
            "spec": spec}


def owned_by(thing):
    """The InferenceService that made an object."""
    for owner in thing["metadata"].get("ownerReferences", []):
        if owner["kind"] == "InferenceService" and owner.get("controller"):
            return owner
    return None
