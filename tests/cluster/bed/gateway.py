"""The gateway as it is installed: where it answers, and what it tells about itself."""

import datetime
import json
import re
import subprocess
import threading
import urllib.error
import urllib.request

from .requests import is_taken
from .world import until

NAMESPACE, NAME = "holdgate-system", "holdgate-gateway"


class Gateway:
    """The one of the cluster."""

    def __init__(self, api, address=None):
        self.api = api
        self.given = address
        self.lock, self.forward, self.admin = threading.Lock(), None, None

    @property
    def address(self):
        """Where it takes requests: as we were told, else at its Service's address."""
        if not self.given:
            self.given = (self.api.get("Service", NAMESPACE, NAME)["spec"]["clusterIP"], 80)
        return self.given

    def moved(self):
        """It was installed anew: it has another address."""
        self.given, self.admin = None, None
        self.reached()

    def reached(self):
        """The nodes learn where its Service leads a moment after its pod is ready."""
        until(10, self.answers, "the gateway to answer at its Service")

    def answers(self):
        """Whether a connection to its Service is taken."""
        return is_taken(self.address)

    def pods(self):
        """Those that are not on their way out, the newest last."""
        pods = self.api.get("Pod", NAMESPACE, labelSelector="app.kubernetes.io/component=gateway")
        there = [pod for pod in pods if not pod["metadata"].get("deletionTimestamp")]
        return sorted(there, key=lambda pod: pod["metadata"]["creationTimestamp"])

    def restarts(self):
        """How often its containers were started again."""
        return sum(s["restartCount"] for pod in self.pods() for s in pod["status"].get("containerStatuses", []))

    def read(self, path):
        """What the admin port says, parsed where it is JSON. It listens to its own pod only, so this goes
        through a port that kubectl forwards, again when the pod has changed."""
        with self.lock:
            try:
                if self.admin:
                    return self.fetch(path)
            except urllib.error.HTTPError:
                raise
            except OSError:
                pass
            self.open_forward()
            return self.fetch(path)

    def fetch(self, path):
        """One attempt."""
        with urllib.request.urlopen(f"{self.admin}{path}", timeout=10) as answer:
            text = answer.read().decode()
        return json.loads(text) if text.startswith(("{", "[")) else text

    def open_forward(self):
        """A port of ours that leads to the pod's own."""
        if self.forward:
            self.forward.kill()
        words = ["kubectl", "port-forward", "-n", NAMESPACE, f"deploy/{NAME}", ":9090", "--address", "127.0.0.1"]
        self.forward = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        line = self.forward.stdout.readline()
        found = re.search(r"127\.0\.0\.1:(\d+)", line)
        if not found:
            raise ConnectionError(f"kubectl port-forward: {line}")
        self.admin = f"http://127.0.0.1:{found[1]}"

    def close(self):
        """Ends what was begun for it."""
        if self.forward:
            self.forward.kill()

    def revision(self, name):
        """The report of one revision; `None` if it knows none of that name."""
        try:
            return self.read(f"/revisions/{name}")
        except urllib.error.HTTPError as error:
            if error.code != 404:
                raise
            return None

    def metrics(self):
        """Name with labels, and value."""
        lines = (line.rpartition(" ") for line in self.read("/metrics").splitlines() if not line.startswith("#"))
        return {name: float(value) for name, _, value in lines if name}

    def metric(self, name, **labels):
        """The sum over all that have these labels."""
        wanted = [f'{key}="{value}"' for key, value in labels.items()]
        return sum(value for full, value in self.metrics().items()
                   if full.partition("{")[0] == name and all(label in full for label in wanted))

    def answered(self, revision):
        """How many requests to a revision have ended, in whatever way."""
        return int(self.metric("holdgate_requests_total", revision=revision))

    def until_known(self, revision, seconds=30):
        """Waits until it has a revision of this name."""
        return until(seconds, lambda: self.revision(revision), f"the gateway to know {revision}")

    def log(self, since="10m"):
        """What it wrote."""
        words = ["kubectl", "logs", "-n", NAMESPACE, f"deploy/{NAME}", "--since", since, "--all-pods=true"]
        return subprocess.run(words, capture_output=True, text=True, check=False).stdout


def moment(text):
    """A time of the API in seconds since 1970."""
    return datetime.datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()
