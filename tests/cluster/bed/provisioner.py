"""Stands in for what adds nodes: sees pods that find no place, says so in the words of Cluster Autoscaler
or Karpenter, and brings a node a while later."""

import datetime
import threading

from . import node

SAYS = {
    "cluster-autoscaler": ("TriggeredScaleUp", "pod triggered scale-up: [{gpu-pool 0->1 (max: 1)}]"),
    "karpenter": ("Nominated", "Pod should schedule on: nodeclaim/gpu-7xk2p"),
}


class Provisioner:
    """Brings one node with GPUs, so many seconds after a pod in a namespace first asked for one in vain."""

    def __init__(self, stage, who, number, gpus, after, resource=node.GPU):
        self.stage, self.who, self.number, self.after = stage, who, number, after
        self.gpus, self.resource = gpus, resource
        self.told, self.begun, self.stopped = set(), threading.Event(), threading.Event()
        self.thread = threading.Thread(target=self.run, daemon=True)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        """Its node stays, and gets nothing more."""
        self.stopped.set()
        self.thread.join(60)
        if self.begun.is_set():
            name = f"node-{self.number}"
            self.stage.cluster.kubectl("cordon", name)
            node.set_gpus(self.stage.cluster, name, 0, self.resource)

    def run(self):
        """Looks, tells, and brings the node once."""
        adder = None
        while not self.stopped.wait(0.3):
            for pod in self.stage.api.get("Pod", self.stage.namespace):
                if pod["metadata"]["uid"] not in self.told and finds_none(pod, self.resource):
                    self.told.add(pod["metadata"]["uid"])
                    tell(self.stage, self.who, pod, *SAYS[self.who])
                    if adder is None:
                        adder = threading.Timer(self.after, self.bring)
                        adder.start()
        if adder:
            adder.join()

    def bring(self):
        """The node comes."""
        self.begun.set()
        self.stage.cluster.add_node(self.number, gpus=self.gpus, resource=self.resource)


def tell(stage, who, pod, reason, message):
    """As an Event on the pod."""
    now = datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
    about = {"apiVersion": "v1", "kind": "Pod", "namespace": pod["metadata"]["namespace"],
             "name": pod["metadata"]["name"], "uid": pod["metadata"]["uid"]}
    event = {"apiVersion": "v1", "kind": "Event", "involvedObject": about, "type": "Normal",
             "metadata": {"name": f"{about['name']}.{reason.lower()}", "namespace": about["namespace"]},
             "reason": reason, "message": message, "source": {"component": who},
             "firstTimestamp": now, "lastTimestamp": now, "count": 1}
    stage.api.apply(event)


def finds_none(pod, resource):
    """As the scheduler says."""
    return any(condition["type"] == "PodScheduled" and condition.get("reason") == "Unschedulable"
               and resource in condition.get("message", "")
               for condition in pod.get("status", {}).get("conditions", []))
