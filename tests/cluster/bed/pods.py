"""The pods of one namespace over time, and what the model servers in them saw."""

import json
import threading
import time
import urllib.request


class Pods:
    """Watches from the moment it is made until it is closed."""

    def __init__(self, api, namespace, direct):
        self.api, self.namespace, self.direct = api, namespace, direct
        self.present, self.gone, self.lives, self.stats = {}, {}, {}, {}
        self.lock, self.closed = threading.Lock(), threading.Event()
        for work in (self.listen, self.look):
            threading.Thread(target=work, daemon=True).start()

    def close(self):
        """Nothing of interest comes any more."""
        self.closed.set()

    def listen(self):
        """Keeps what is there, and from when to when each was there and not on its way out."""
        for change, pod in self.api.watch("Pod", self.namespace, self.closed):
            if self.closed.is_set():
                return
            uid = pod["metadata"]["uid"]
            with self.lock:
                if change == "DELETED":
                    self.present.pop(uid, None)
                    self.gone[uid] = pod
                else:
                    self.present[uid] = pod
                life = self.lives.setdefault(uid, [pod["metadata"]["name"], time.time(), None])
                if change == "DELETED" or pod["metadata"].get("deletionTimestamp"):
                    life[2] = life[2] or time.time()

    def look(self):
        """Keeps asking every model server; what one that has ended saw last is kept. Hundreds of pods are
        nobody's model servers."""
        while not self.closed.wait(0.5):
            for pod in self.of()[:100]:
                if pod["status"].get("podIP") and not pod["metadata"].get("deletionTimestamp"):
                    self.ask(pod)

    def ask(self, pod):
        """What one model server says of itself; `None` if it says nothing."""
        try:
            seen = self.stats_of(pod)
        except (OSError, ValueError):
            return None
        self.stats[pod["metadata"]["uid"]] = seen
        return seen

    def stats_of(self, pod):
        """By its address where that can be reached, else through the API server."""
        if not self.direct:
            name = pod["metadata"]["name"]
            place = f"/api/v1/namespaces/{self.namespace}/pods/{name}:8080/proxy/stats"
            return self.api.request("GET", place, timeout=2)
        with urllib.request.urlopen(f"http://{pod['status']['podIP']}:8080/stats", timeout=2) as answer:
            return json.load(answer)

    def all_of(self, workload=""):
        """Pods that are there, those on their way out among them, of a workload or of all."""
        with self.lock:
            return [pod for pod in self.present.values() if belongs(pod, workload)]

    def of(self, workload=""):
        """Pods that are there and not on their way out."""
        return [pod for pod in self.all_of(workload) if not pod["metadata"].get("deletionTimestamp")]

    def count(self, workload=""):
        """How many of them there are."""
        return len(self.of(workload))

    def ready(self, workload=""):
        """How many of them kubelet calls ready."""
        return sum(is_ready(pod) for pod in self.of(workload))

    def counts(self, workload, since):
        """How many of a workload there were, from a moment on, at each change."""
        with self.lock:
            lives = [life[1:] for life in self.lives.values() if life[0].startswith(workload)]
        moments = sorted({since, *(when for life in lives for when in life if when and when > since)})
        return [sum(begun <= now and not (ended and ended <= now) for begun, ended in lives) for now in moments]

    def most(self, workload="", since=0.0):
        """How many there were at once, at most."""
        return max(self.counts(workload, since))

    def least(self, workload="", since=0.0):
        """How few there were."""
        return min(self.counts(workload, since))

    def busiest(self, workload=""):
        """The most requests that any model server had at once, by its own count."""
        pods = {**self.gone, **self.present}
        return max((seen["max_concurrency"] for uid, seen in self.stats.items()
                    if uid in pods and belongs(pods[uid], workload)), default=0)


def belongs(pod, workload):
    """Pods are called after what they are of."""
    return pod["metadata"]["name"].startswith(workload)


def is_ready(pod):
    """Whether kubelet says so."""
    conditions = pod["status"].get("conditions", [])
    return any(c["type"] == "Ready" and c["status"] == "True" for c in conditions)
