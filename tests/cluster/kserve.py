#!/usr/bin/env python3
"""Stands in for KServe's controller in Standard mode, for clusters where KServe is not installed.

    KUBECONFIG=… tests/cluster/kserve.py IMAGE

It makes a Deployment and a Service for each component of an InferenceService, with the names, labels,
annotations, ports and owners that KServe gives them, and keeps them so: what others change in them is
put back within two seconds, replicas excepted, which are KServe's only under the autoscaler class
`none`. Every model server it runs is IMAGE.
"""

import json
import queue
import sys
import threading
import traceback

from bed.api import Api, ApiError, path, path_of
from bed.kserve_objects import components, deployment, hpa, owned_by, service

GROUPS = {"serving.kserve.io/v1beta1": "InferenceService", "serving.kubeflow.org/v1beta1": "OldInferenceService"}
MINE = "serving.kserve.io/inferenceservice"
STANDARD = ("Standard", "RawDeployment")


class Controller:
    """Brings every InferenceService about, one at a time."""

    def __init__(self, api, image):
        self.api, self.image = api, image
        self.due = queue.Queue()
        self.checked = {}

    def run(self):
        """For ever."""
        for kind in (*GROUPS.values(), "Deployment", "Service"):
            threading.Thread(target=self.listen, args=(kind,), daemon=True).start()
        while True:
            due = {self.due.get()}
            while not self.due.empty():
                due.add(self.due.get())
            for kind, namespace, name in sorted(due):
                self.attempt(kind, namespace, name)

    def listen(self, kind):
        """Notes down whose turn it is."""
        query = {"labelSelector": MINE} if kind in ("Deployment", "Service") else {}
        for _, thing in self.api.watch(kind, **query):
            owner = owned_by(thing)
            if kind in GROUPS.values():
                self.due.put((kind, thing["metadata"]["namespace"], thing["metadata"]["name"]))
            elif owner and owner["apiVersion"] in GROUPS:
                self.due.put((GROUPS[owner["apiVersion"]], thing["metadata"]["namespace"], owner["name"]))

    def attempt(self, kind, namespace, name):
        """What fails is tried again a little later."""
        try:
            self.reconcile(kind, namespace, name)
        except (ApiError, OSError) as error:
            if not isinstance(error, ApiError) or error.status not in (404, 409):
                traceback.print_exc()
            threading.Timer(0.5, self.due.put, [(kind, namespace, name)]).start()

    def reconcile(self, kind, namespace, name):
        """Makes the world as one InferenceService wants it."""
        isvc = self.api.find(kind, namespace, name)
        if isvc is None or "deletionTimestamp" in isvc["metadata"]:
            return
        annotations = isvc["metadata"].get("annotations", {})
        if annotations.get("serving.kserve.io/deploymentMode") not in STANDARD:
            return
        config = self.config()
        if annotations.get("serving.kserve.io/stop") == "true":
            for one in components(isvc, self.image, config):
                for what in ("HorizontalPodAutoscaler", "Deployment", "Service"):
                    self.api.delete(what, namespace, one.name)
            self.tell(kind, isvc, {"conditions": [condition("Ready", False, "Stopped")]})
            return
        ready = []
        for one in components(isvc, self.image, config):
            self.keep_scaler(one)
            self.keep(service(one), ("ports", "selector"))
            there = self.keep(deployment(one), ("selector", "template", "strategy"), one.replicas)
            ready.append((one, is_available(there)))
        self.tell(kind, isvc, status(isvc, ready, config))

    def config(self):
        """KServe's own ConfigMap, where there is one."""
        found = self.api.find("ConfigMap", "kserve", "inferenceservice-config") or {}
        data = found.get("data", {})
        return {key: json.loads(value) for key, value in data.items() if key in ("ingress", "inferenceService")}

    def keep_scaler(self, one):
        """An HPA for the classes that have one, none for the others."""
        there = self.api.find("HorizontalPodAutoscaler", one.namespace, one.name)
        if one.scaler == "hpa":
            self.api.apply(hpa(one))
        elif there and owned_by(there):
            self.api.delete("HorizontalPodAutoscaler", one.namespace, one.name)

    def keep(self, wanted, parts, replicas=None):
        """Makes an object, or puts back what others changed in these parts of it, as a dry run shows."""
        meta, kind = wanted["metadata"], wanted["kind"]
        there = self.api.find(kind, meta["namespace"], meta["name"])
        if there is None:
            return self.api.request("POST", path(kind, meta["namespace"]), wanted)
        if "deletionTimestamp" in there["metadata"]:
            raise ApiError(409, "it is being deleted")
        seen = (there["metadata"]["uid"], there["metadata"].get("generation", there["metadata"]["resourceVersion"]),
                json.dumps(wanted, sort_keys=True))
        if self.checked.get((kind, meta["namespace"], meta["name"])) == seen:
            return there
        update = merged(there, wanted, parts, replicas)
        tried = self.api.request("PUT", path_of(there, dryRun="All"), update)
        if any(tried["spec"].get(part) != there["spec"].get(part) for part in (*parts, "replicas")) or told(
                tried) != told(there):
            print(f"putting back {kind} {meta['namespace']}/{meta['name']}", flush=True)
            return self.api.request("PUT", path_of(there), update)
        self.checked[(kind, meta["namespace"], meta["name"])] = seen
        return there

    def tell(self, kind, isvc, news):
        """Writes the status, if it is another."""
        if any(isvc.get("status", {}).get(key) != value for key, value in news.items()):
            self.api.patch(kind, isvc["metadata"]["namespace"], isvc["metadata"]["name"], {"status": news}, "status")


def merged(there, wanted, parts, replicas):
    """What is there, with what is wanted in these parts. As it carries the version it was read at, a
    scaler that is faster is never undone."""
    update = json.loads(json.dumps(there))
    for key in ("labels", "annotations"):
        update["metadata"].setdefault(key, {}).update(wanted["metadata"].get(key, {}))
    for part in parts:
        update["spec"][part] = wanted["spec"].get(part)
    if replicas is not None:
        update["spec"]["replicas"] = replicas
    if wanted["kind"] == "Service":
        # A port's number on the nodes is given once; there is none with a ClusterIP.
        update["spec"]["ports"] = wanted["spec"]["ports"]
    return update


def told(thing):
    """What of an object others read."""
    return {key: thing["metadata"].get(key) for key in ("labels", "annotations")}


def is_available(there):
    """Whether a Deployment says so."""
    conditions = there.get("status", {}).get("conditions", [])
    return any(c["type"] == "Available" and c["status"] == "True" for c in conditions)


def condition(name, holds, reason=""):
    """One of those in a status."""
    return {"type": name, "status": "True" if holds else "False", "reason": reason}


def status(isvc, ready, config):
    """Ready, and where it is reached: told first when it is ready for the first time, and kept."""
    conditions = [condition(f"{one.component.capitalize()}Ready", is_ready) for one, is_ready in ready]
    conditions.append(condition("Ready", all(is_ready for _, is_ready in ready)))
    news = {"conditions": conditions}
    if all(is_ready for _, is_ready in ready) or isvc.get("status", {}).get("url"):
        meta, entry = isvc["metadata"], ready[-1][0]
        domain = config.get("ingress", {}).get("ingressDomain", "example.com")
        news["url"] = f"http://{meta['name']}-{meta['namespace']}.{domain}"
        news["address"] = {"url": f"http://{entry.name}.{meta['namespace']}.svc.cluster.local"}
    return news


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    Controller(Api(), sys.argv[1]).run()
