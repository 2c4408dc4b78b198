"""What it may do and does, and how it comes and goes: after all other scenes, as it looks back at them."""

import json
import subprocess
import time

from bed.api import ApiError
from bed.gateway import NAME, NAMESPACE, moment
from bed.models import deployment, guide
from bed.scene import scene
from bed.setup import deploy

from . import callers
from .guides_load import SOFT, at_zero

ACCOUNT = f"system:serviceaccount:{NAMESPACE}:{NAME}"
COST = "controller.kubernetes.io/pod-deletion-cost"
PART = "app.kubernetes.io/part-of=holdgate"


def audited(stage, since=0):
    """What the gateway asked of the API: (verb, group, resource, name, whether it was let)."""
    seen = set()
    with open(stage.cluster.folder / "audit.log", encoding="utf-8") as log:
        log.seek(since)
        for line in log:
            event = json.loads(line)
            at = event.get("objectRef")
            if event["user"]["username"] != ACCOUNT or not at:
                continue
            resource = "/".join(part for part in (at.get("resource"), at.get("subresource")) if part)
            allowed = event.get("annotations", {}).get("authorization.k8s.io/decision") != "forbid"
            if not allowed and stage.cluster.was_starting(moment(event["requestReceivedTimestamp"])):
                continue
            seen.add((event["verb"], at.get("apiGroup", ""), resource, at.get("namespace", ""), allowed))
    return seen


def granted(stage):
    """What its roles let it do: (verb, group, resource)."""
    rules = []
    for binding in ("ClusterRoleBinding", "RoleBinding"):
        for one in stage.api.get(binding):
            if any(who.get("name") == NAME and who.get("namespace") == NAMESPACE for who in one.get("subjects", [])):
                role = one["roleRef"]
                where = one["metadata"].get("namespace") if role["kind"] == "Role" else None
                rules += stage.api.get(role["kind"], where, role["name"]).get("rules") or []
    return {(verb, group, resource) for rule in rules for verb in rule["verbs"] for group in rule["apiGroups"]
            for resource in rule["resources"]}


@scene("8", "least privilege: nothing was denied to it, nothing it may do was left undone", machine=True, last=1)
def privilege(stage):
    """By the API server's audit log of the whole run."""
    seen = audited(stage)
    denied = sorted(what[:3] for what in seen if not what[4])
    stage.shown(not denied, f"denied: {denied}")
    unused = sorted(granted(stage) - {what[:3] for what in seen})
    told = ", ".join(" ".join(filter(None, what)) for what in unused)
    stage.figure(f"{len({what[:3] for what in seen})} different calls; not used: {told or 'nothing'}")
    stage.shown(not unused or not stage.whole, f"granted and not used in the whole run: {told}")
    labels = stage.api.get("Namespace", None, NAMESPACE)["metadata"]["labels"]
    stage.shown(labels.get("pod-security.kubernetes.io/enforce") == "restricted", f"its namespace has {labels}")
    loose = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "loose"},
             "spec": {"containers": [{"name": "c", "image": stage.image, "securityContext": {"privileged": True}}]}}
    try:
        stage.api.request("POST", f"/api/v1/namespaces/{NAMESPACE}/pods?dryRun=All", loose)
    except ApiError as error:
        stage.shown(error.status == 403, f"a privileged pod there: {error}")
    else:
        stage.shown(False, "a privileged pod may be made in its namespace")


def kubectl(stage, *words):
    """As a person types it."""
    return stage.cluster.kubectl(*words)


def rolled_out(stage):
    """Waits for the gateway that is wanted."""
    kubectl(stage, "-n", NAMESPACE, "rollout", "status", f"deploy/{NAME}", "--timeout=120s")


def without(stage):
    """Nothing of it is installed: what the scene before this one left, if any was played."""
    for folder in (deploy() / "kustomize" / "single", deploy() / "kustomize" / "namespaced"):
        kubectl(stage, "delete", "-k", folder, "--ignore-not-found", "--wait=true", "--timeout=90s")


def two_models(stage):
    """One with requests, and one at zero."""
    busy = deployment(stage, "busy", annotations={"holdgate.dev/container-concurrency": "2"},
                      env={"service_time": "100ms"})
    idle = deployment(stage, "idle")
    at_zero(stage, busy)
    at_zero(stage, idle)
    return busy, idle


def with_a_bad_setting(stage):
    """It had a good one before, which no other gateway has seen."""
    model = deployment(stage, "careful", annotations={"holdgate.dev/container-concurrency": "3"})
    stage.gateway.until_known(model.revision)
    stage.api.annotate("Deployment", stage.namespace, model.name, **{"holdgate.dev/container-concurrency": "-3"})
    stage.until_event(["InvalidSettings", "last good"], about=model.name)
    return model


def upgraded_under_load(stage, model, upgrade):
    """No request is lost while one gateway takes over from another."""
    with stage.load(model.host, 6) as load:
        stage.until(30, lambda: stage.pods.ready("busy-") >= 2, "2 ready pods")
        upgrade()
        rolled_out(stage)
        time.sleep(8)
    stage.figure(f"upgrade: {load.answers.summary()}; {stage.pods.busiest()} at once in the busiest")
    stage.all_fine(load.answers)
    stage.within_limit(2)


def handed_back(stage, *models):
    """What is left works by itself, and nothing of ours is there."""
    stage.until(60, lambda: all(stage.pods.ready(f"{model.workload}-") >= 1 for model in models), "a pod of each")
    marked = [pod["metadata"]["name"] for pod in stage.pods.of() if COST in pod["metadata"].get("annotations", {})]
    stage.shown(not marked, f"deletion costs are left on {marked}")
    for model in models:
        address = stage.api.get("Service", stage.namespace, model.workload)["spec"]["clusterIP"]
        command = ["curl", "-sf", "-d", "{}", f"http://{address}{model.path}"]
        stage.until(10, lambda: subprocess.run(command, check=False, capture_output=True).returncode == 0,
                    f"{model.name} to answer by its own Service")
    kinds = "clusterroles,clusterrolebindings"
    left = kubectl(stage, "get", kinds, "-l", PART, "-o", "name").replace("fine", "").split()
    stage.shown(not left, f"left behind: {left}")


@scene("9d", "the API server would take every manifest that is shipped", machine=True)
def taken(stage):
    """Those of kinds that the cluster does not have are told."""
    ran = subprocess.run([deploy() / "dry-run"], check=False, capture_output=True, text=True)
    answers = [line.split()[0] for line in ran.stdout.splitlines() if line.strip()]
    stage.figure(f"{answers.count('taken')} taken, {answers.count('skipped')} of kinds that are not there")
    stage.shown(ran.returncode == 0, f"{ran.stdout}{ran.stderr}")


@scene("9", "kustomize: an upgrade under load loses nothing, the uninstall hands everything back",
       machine=True, last=2)
def kustomize(stage):
    """As deploy/README.md says it."""
    stage.gateway.moved()
    busy, idle = two_models(stage)
    careful = with_a_bad_setting(stage)
    setting = json.dumps({"spec": {"template": {"spec": {"containers": [
        {"name": "gateway", "env": [{"name": "HOLDGATE_LOG_LEVEL", "value": "info,hyper=warn"}]}]}}}})
    upgraded_under_load(stage, busy, lambda: kubectl(stage, "-n", NAMESPACE, "patch", "deploy", NAME, "-p", setting))
    stage.shown(stage.ask(careful.host).fine, "what has a bad setting is answered by the next gateway")
    limit = stage.gateway.revision(careful.revision)["containerConcurrency"]
    stage.shown(limit == 3, f"its last good setting holds there, not {limit}")
    at_zero(stage, idle)
    single = deploy() / "kustomize" / "single"
    with callers.policies(stage):
        own = deployment(stage, "own", annotations=callers.ALWAYS)
        _, theirs = guide(stage, SOFT, name="theirs", annotations=callers.ALWAYS, minReplicas=0)
        for model in (own, theirs):
            stage.gateway.until_known(model.revision)
            callers.taken(stage, model)
    kubectl(stage, "apply", "-k", single / "release")
    kubectl(stage, "-n", NAMESPACE, "wait", "--for=condition=Complete", "job/holdgate-release", "--timeout=90s")
    kubectl(stage, "delete", "-k", single / "release", "--wait=true")
    kubectl(stage, "delete", "-k", single, "--wait=true", "--timeout=90s")
    stage.shown(not stage.api.find("Namespace", None, NAMESPACE), f"{NAMESPACE} is gone")
    handed_back(stage, busy, idle, own, theirs)
    left = [model.name for model in (own, theirs) if callers.slices(stage, model)]
    stage.shown(not left, f"our slices are left on the Services of {left}")


@scene("8n", "one namespace only: works without any ClusterRole, and sees no other namespace", machine=True, last=3)
def namespaced(stage):
    """Installed where the cluster-wide one was before."""
    without(stage)
    since = (stage.cluster.folder / "audit.log").stat().st_size
    kubectl(stage, "apply", "-k", deploy() / "kustomize" / "namespaced")
    rolled_out(stage)
    stage.gateway.moved()
    bound = [one["metadata"]["name"] for one in stage.api.get("ClusterRoleBinding")
             if any(who.get("namespace") == NAMESPACE for who in one.get("subjects", []))]
    stage.shown(not bound, f"it has cluster roles by {bound}")
    model = deployment(stage, "inside", namespace="default", replicas=0)
    other = deployment(stage, "outside")
    try:
        stage.gateway.until_known(model.revision)
        answer = stage.ask(model.host)
        stage.shown(answer.fine, f"a cold start in its namespace got {answer}")
        stage.shown(stage.ask(other.host).status == 404, "a workload of another namespace is none of its")
    finally:
        stage.api.delete("Deployment", "default", "inside")
        stage.api.delete("Service", "default", "inside")
    seen = audited(stage, since)
    strangers = sorted({what[3] for what in seen if what[3] not in ("default", NAMESPACE)})
    stage.shown(not strangers, f"it asked about {strangers}")
    denied = sorted(what[:4] for what in seen if not what[4])
    stage.shown(not denied, f"denied: {denied}")
    stage.figure(f"{len({what[:3] for what in seen})} different calls, all let")
    kubectl(stage, "delete", "-k", deploy() / "kustomize" / "namespaced", "--wait=true", "--timeout=90s")


def helm(stage, *words):
    """What it is told to do has to work."""
    ran = subprocess.run(["helm", *map(str, words)], check=False, capture_output=True, text=True)
    stage.shown(ran.returncode == 0, f"helm {' '.join(map(str, words))}: {ran.stderr.strip()}")


@scene("9h", "Helm: an upgrade under load loses nothing, the uninstall hands everything back", machine=True, last=4)
def by_helm(stage):
    """Its hook is the Job that the other uninstall applies first."""
    without(stage)
    chart, own = deploy() / "helm" / "holdgate", ["--namespace", NAMESPACE, "--wait", "--timeout", "120s"]
    helm(stage, "install", "holdgate", chart, "--create-namespace", *own)
    stage.gateway.moved()
    busy, idle = two_models(stage)
    upgraded_under_load(stage, busy, lambda: helm(stage, "upgrade", "holdgate", chart, *own, "--set",
                                                 "extraArgs={--log-level=info}"))
    at_zero(stage, idle)
    helm(stage, "uninstall", "holdgate", *own)
    handed_back(stage, busy, idle)
    left = kubectl(stage, "-n", NAMESPACE, "get", "all,configmaps,leases,roles,rolebindings", "-o", "name").split()
    ours = [name for name in left if "holdgate" in name]
    stage.shown(not ours, f"left in {NAMESPACE}: {ours}")
