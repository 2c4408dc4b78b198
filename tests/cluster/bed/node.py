"""One node: a containerd and a kubelet, whose pods are containers with addresses of their own."""

import json
import subprocess
import threading

from .world import until

# What most GPUs are called. Others are called otherwise, and nothing depends on it.
GPU = "nvidia.com/gpu"
# Every kubelet listens for device plugins at the same path, whatever its root is: it removes what is there and
# takes its place. Two that start at once can meet between the two, and one of them ends. It listens once it is ready.
STARTING = threading.Lock()
CONTAINERD = """version = 2
root = "{home}/root"
state = "{home}/state"
[grpc]
  address = "{home}/containerd.sock"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "cluster.test/pause:1"
  restrict_oom_score_adj = true   # a container host may not lower its own
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = "{home}/cni"
"""


def add(cluster, number, archives, gpus, resource):
    """Adds node N, with images and so many of a resource, and waits until it is ready."""
    name, address = f"node-{number}", f"10.77.0.{number}"
    home, world = cluster.folder / name, cluster.world
    (home / "cni").mkdir(parents=True)
    subprocess.run(world.beside("ip", "addr", "replace", f"{address}/16", "dev", "node0"), check=True)
    (home / "containerd.toml").write_text(CONTAINERD.format(home=home))
    (home / "cni" / "10-pods.conflist").write_text(json.dumps(network(home, number)))
    (home / "kubelet.yaml").write_text(json.dumps(settings(cluster, home, address)))
    world.start(f"{name}-containerd", "containerd", "--config", home / "containerd.toml")
    ctr = ["ctr", "--address", str(home / "containerd.sock"), "--namespace", "k8s.io"]
    until(20, lambda: quiet(*ctr, "version"), f"containerd of {name}")
    for archive in archives:
        subprocess.run([*ctr, "images", "import", str(archive)], check=True, capture_output=True)
    subject = f"/O=system:nodes/CN=system:node:{name}"
    cluster.authority.kubeconfig(name, subject, cluster.folder / f"{name}.kubeconfig")
    for hierarchy in world.hierarchies():
        (hierarchy / world.cgroup / name).mkdir(parents=True, exist_ok=True)
    with STARTING:
        cluster.start("kubelet", "--config", home / "kubelet.yaml", "--kubeconfig", f"{name}.kubeconfig",
                      "--root-dir", home / "kubelet", "--hostname-override", name, "--node-ip", address,
                      name=f"{name}-kubelet")
        ready = 'jsonpath={.status.conditions[?(@.type=="Ready")].status}'
        until(60, lambda: cluster.kubectl("get", "node", name, "-o", ready, check=False) == "True",
              f"{name} to be ready")
    if gpus:
        set_gpus(cluster, name, gpus, resource)


def set_gpus(cluster, name, gpus, resource=GPU):
    """Gives a node so many GPUs. Both numbers at once: kubelet copies one to the other only every 10 s."""
    count = {resource: str(gpus)}
    status = {"status": {"capacity": count, "allocatable": count}}
    cluster.kubectl("patch", "node", name, "--subresource=status", "--type=merge", "-p", json.dumps(status))


def network(home, number):
    """Pods of this node: 10.244.N.0/24, routed."""
    addresses = {"type": "host-local", "dataDir": str(home / "ipam"), "subnet": f"10.244.{number}.0/24",
                 "routes": [{"dst": "0.0.0.0/0"}]}
    return {"cniVersion": "1.0.0", "name": "pods",
            "plugins": [{"type": "ptp", "ipMasq": False, "ipam": addresses}]}


def settings(cluster, home, address):
    """Kubelet's own file."""
    return {
        "apiVersion": "kubelet.config.k8s.io/v1beta1", "kind": "KubeletConfiguration",
        "failCgroupV1": False, "cgroupDriver": "cgroupfs",
        # Each kubelet clears away the pods it does not know below its root.
        "cgroupRoot": f"/{cluster.world.cgroup}/{home.name}",
        "enforceNodeAllocatable": ["pods"],
        "containerRuntimeEndpoint": f"unix://{home}/containerd.sock",
        "authentication": {"anonymous": {"enabled": False}, "webhook": {"enabled": True},
                           "x509": {"clientCAFile": str(cluster.folder / "pki" / "ca.crt")}},
        "authorization": {"mode": "Webhook"},
        "address": address, "port": 10250, "healthzPort": 0,
        "clusterDNS": ["10.77.0.1"], "clusterDomain": "cluster.local",
        "failSwapOn": False,
        "evictionHard": {"memory.available": "100Mi"},
        "imageGCHighThresholdPercent": 100,
        "podLogsDir": str(home / "logs"),
        # Scenes change much at once; the usual 50 a second would be their bottleneck.
        "kubeAPIQPS": 200, "kubeAPIBurst": 400,
    }


def quiet(*words):
    """Whether a command works."""
    return subprocess.run(words, check=False, capture_output=True).returncode == 0
