"""The Kubernetes API, by way of `kubectl proxy`: so every kubeconfig will do, and none is read here."""

import atexit
import http.client
import json
import re
import subprocess
import threading
import time
import urllib.parse

PLURALS = {"Ingress": "ingresses", "NetworkPolicy": "networkpolicies"}
APPLY = "application/apply-patch+yaml"
MERGE = "application/merge-patch+json"


class ApiError(Exception):
    """The API server said no."""

    def __init__(self, status, message):
        super().__init__(f"{status}: {message}")
        self.status = status


class Api:
    """One way to the API server, for all threads."""

    def __init__(self):
        words = ["kubectl", "proxy", "--port=0", "--reject-paths=^$"]
        self.proxy = subprocess.Popen(words, stdout=subprocess.PIPE, text=True,
                                      stderr=subprocess.DEVNULL)
        atexit.register(self.proxy.kill)
        self.port = int(re.search(r":(\d+)\s*$", self.proxy.stdout.readline())[1])
        self.local = threading.local()

    def request(self, method, path, body=None, kind="application/json", timeout=30):
        """The answer, parsed; as text where it is not JSON."""
        status, content = self.exchange(method, path, body, kind, timeout)
        try:
            content = json.loads(content)
        except ValueError:
            pass
        if status >= 400:
            raise ApiError(status, content.get("message", content) if isinstance(content, dict) else content)
        return content

    def exchange(self, method, path, body, kind, timeout):
        """Status and body. A connection that has been quiet may have been closed by the other end."""
        headers = {"Content-Type": kind, "Accept": "application/json, text/plain"}
        payload = None if body is None else json.dumps(body)
        for attempt in (1, 2):
            connection = getattr(self.local, "connection", None)
            fresh = connection is None
            if fresh:
                connection = http.client.HTTPConnection("127.0.0.1", self.port)
            connection.timeout = timeout
            try:
                connection.request(method, path, payload, headers)
                answer = connection.getresponse()
                content = answer.read().decode(errors="replace")
            except (http.client.HTTPException, OSError):
                connection.close()
                self.local.connection = None
                if fresh or attempt == 2 or method not in ("GET", "PATCH", "PUT", "DELETE"):
                    raise
                continue
            self.local.connection = connection
            return answer.status, content
        raise AssertionError("a second attempt returns or raises")

    def get(self, kind, namespace=None, name=None, **query):
        """An object, or the items of a list."""
        answer = self.request("GET", path(kind, namespace, name, **query))
        return answer if name else answer["items"]

    def find(self, kind, namespace, name):
        """An object; `None` if there is none."""
        try:
            return self.get(kind, namespace, name)
        except ApiError as error:
            if error.status != 404:
                raise
            return None

    def apply(self, *objects):
        """Makes objects as they are said to be."""
        for thing in objects:
            place = path_of(thing, fieldManager="scenes", force="true")
            last = self.request("PATCH", place, thing, APPLY)
        return last

    def patch(self, kind, namespace, name, change, sub=None):
        """Changes what is named of an object."""
        return self.request("PATCH", path(kind, namespace, name, sub), change, MERGE)

    def annotate(self, kind, namespace, name, **annotations):
        """Sets annotations, or takes them away; `/` and `-` in a name are kept by a dictionary."""
        return self.patch(kind, namespace, name, {"metadata": {"annotations": annotations}})

    def scale(self, kind, namespace, name, replicas):
        """Sets the number of replicas as another scaler would."""
        return self.patch(kind, namespace, name, {"spec": {"replicas": replicas}}, "scale")

    def delete(self, kind, namespace, name, **query):
        """Deletes an object, if it is there."""
        try:
            self.request("DELETE", path(kind, namespace, name, propagationPolicy="Background", **query))
        except ApiError as error:
            if error.status != 404:
                raise

    def watch(self, kind, namespace=None, stopped=None, **query):
        """What is there, then every change, for ever: (`ADDED` | `MODIFIED` | `DELETED`, object). After a
        gap everything that is there comes again, as `ADDED`."""
        while not (stopped and stopped.is_set()):
            try:
                there = self.request("GET", path(kind, namespace, **query))
                for thing in there["items"]:
                    yield "ADDED", thing
                version = there["metadata"]["resourceVersion"]
                yield from self.changes(path(kind, namespace, watch="true", resourceVersion=version, **query))
            except (ApiError, OSError, ValueError, http.client.HTTPException):
                time.sleep(0.2)

    def changes(self, place):
        """The lines of one watch, until it ends."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            connection.request("GET", place)
            for line in connection.getresponse():
                change = json.loads(line)
                if change["type"] not in ("ADDED", "MODIFIED", "DELETED"):
                    return
                yield change["type"], change["object"]
        finally:
            connection.close()


KINDS = {
    "Pod": "v1", "Service": "v1", "Event": "v1", "Node": "v1", "Namespace": "v1", "ConfigMap": "v1",
    "Secret": "v1", "Deployment": "apps/v1", "StatefulSet": "apps/v1", "ReplicaSet": "apps/v1",
    "EndpointSlice": "discovery.k8s.io/v1", "HorizontalPodAutoscaler": "autoscaling/v2",
    "InferenceService": "serving.kserve.io/v1beta1", "Lease": "coordination.k8s.io/v1",
    "ClusterRoleBinding": "rbac.authorization.k8s.io/v1", "RoleBinding": "rbac.authorization.k8s.io/v1",
    "ClusterRole": "rbac.authorization.k8s.io/v1", "Role": "rbac.authorization.k8s.io/v1",
    "ScaledObject": "keda.sh/v1alpha1", "HTTPRoute": "gateway.networking.k8s.io/v1",
    "OldInferenceService": "serving.kubeflow.org/v1beta1",
}


def path(kind, namespace=None, name=None, sub=None, **query):
    """Where an object or a list of them is. `OldInferenceService` is the one of the first group."""
    version = KINDS[kind]
    kind = kind.removeprefix("Old")
    parts = ["api" if version == "v1" else "apis", version]
    parts += ["namespaces", namespace] if namespace else []
    parts += [PLURALS.get(kind, kind.lower() + "s"), name, sub]
    text = "/" + "/".join(part for part in parts if part)
    return f"{text}?{urllib.parse.urlencode(query)}" if query else text


def path_of(thing, sub=None, **query):
    """Where this very object is."""
    kind = thing["kind"]
    if thing["apiVersion"].startswith("serving.kubeflow.org"):
        kind = "OldInferenceService"
    KINDS.setdefault(kind, thing["apiVersion"])
    meta = thing["metadata"]
    return path(kind, meta.get("namespace"), meta["name"], sub, **query)
