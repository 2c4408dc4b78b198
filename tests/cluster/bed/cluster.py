"""A real cluster in a world of its own: etcd, the control plane, DNS, and nodes.

Addresses: the control plane and node N are 10.77.0.1 and 10.77.0.N, pods of node N 10.244.N.x,
Services 10.96.x.x; all of them reach each other, and nobody else reaches them.
"""

import concurrent.futures
import os
import pathlib
import shutil
import subprocess
import time

from . import image, node
from .pki import API_NAMES, Authority
from .world import World, until

HERE = pathlib.Path(__file__).resolve().parent.parent
PAUSE = "cluster.test/pause:1"
COREFILE = """.:53 {{
  bind 10.77.0.1
  errors
  kubernetes cluster.local {{
    kubeconfig {folder}/dns.kubeconfig
    ttl 1
  }}
}}
"""
ENTER = """#!/bin/sh
# Runs a command in the cluster's network, with kubectl and its KUBECONFIG at hand.
exec {beside} env KUBECONFIG={folder}/admin.kubeconfig PATH={programs}:$PATH "$@"
"""
COMPONENTS = {"admin": "/O=system:masters/CN=admin", "dns": "/O=system:masters/CN=dns",
              "kcm": "/CN=system:kube-controller-manager", "scheduler": "/CN=system:kube-scheduler",
              "kube-proxy": "/CN=system:kube-proxy", "kserve": "/O=system:masters/CN=kserve-controller"}


class Cluster:
    """The one that lives in a folder."""

    def __init__(self, folder, programs):
        self.world = World(folder)
        self.folder = self.world.folder
        self.programs = pathlib.Path(programs).resolve()
        self.authority = Authority(self.folder / "pki")

    def up(self, nodes, images=(), outlives_us=False):
        """Brings it up with so many nodes, these images on each of them."""
        self.world.open(outlives_us)
        self.authority.found()
        self.authority.certify("api", "/CN=kube-apiserver", API_NAMES)
        self.authority.certify("front", "/CN=front-proxy")
        for name, subject in COMPONENTS.items():
            self.authority.kubeconfig(name, subject, self.folder / f"{name}.kubeconfig")
        self.write_enter()
        self.start("etcd", "--data-dir", "etcd", "--unsafe-no-fsync", "--log-level", "error")
        self.start_api()
        # Before the controllers: the garbage collector looks for new kinds only every half minute.
        self.kubectl("apply", "-f", HERE / "manifests" / "crds")
        self.kubectl("wait", "--for=condition=Established", "--timeout=20s", "crd", "--all")
        self.start_controllers()
        image.pack(PAUSE, self.folder / "pause.tar", self.programs / "pause", ["/pause"])
        archives = [self.folder / "pause.tar", *images]
        with concurrent.futures.ThreadPoolExecutor() as pool:
            list(pool.map(lambda n: self.add_node(n, archives), range(1, nodes + 1)))
        # Pods are refused before.
        until(20, lambda: self.kubectl("get", "serviceaccount", "default", check=False), "the first account")

    def add_node(self, number, archives=None, gpus=0, resource=node.GPU):
        """One more node; without archives it has the images that the others have."""
        if archives is None:
            archives = [pathlib.Path(line) for line in (self.folder / "images").read_text().split()]
        else:
            (self.folder / "images").write_text("\n".join(map(str, archives)))
        node.add(self, number, archives, gpus, resource)

    def start(self, program, *words, name=None):
        """Starts one of its programs."""
        self.world.start(name or program, self.programs / program, *words, path=str(self.programs))

    def start_api(self):
        """Starts the API server and waits until it answers. What the gateway's account does there is
        written to `audit.log`."""
        pki, begun = "pki/", time.time()
        self.start(
            "kube-apiserver", "--etcd-servers", "http://127.0.0.1:2379", "--bind-address", "0.0.0.0",
            "--advertise-address", "10.77.0.1", "--service-cluster-ip-range", "10.96.0.0/16",
            "--tls-cert-file", pki + "api.crt", "--tls-private-key-file", pki + "api.key",
            "--client-ca-file", pki + "ca.crt", "--authorization-mode", "Node,RBAC", "--allow-privileged",
            "--service-account-issuer", "https://kubernetes.default.svc",
            "--service-account-key-file", pki + "sa.key", "--service-account-signing-key-file", pki + "sa.key",
            "--kubelet-client-certificate", pki + "admin.crt", "--kubelet-client-key", pki + "admin.key",
            "--kubelet-preferred-address-types", "InternalIP",
            "--requestheader-client-ca-file", pki + "ca.crt", "--requestheader-allowed-names", "front-proxy",
            "--requestheader-username-headers", "X-Remote-User",
            "--requestheader-group-headers", "X-Remote-Group",
            "--requestheader-extra-headers-prefix", "X-Remote-Extra-",
            "--proxy-client-cert-file", pki + "front.crt", "--proxy-client-key-file", pki + "front.key",
            "--enable-aggregator-routing",
            "--audit-policy-file", HERE / "manifests" / "audit-policy.yaml",
            "--audit-log-path", self.folder / "audit.log", "--audit-log-mode", "blocking")
        until(60, lambda: self.kubectl("get", "--raw", "/readyz", check=False), "the API server")
        with open(self.folder / "api-starts", "a", encoding="utf-8") as starts:
            starts.write(f"{begun} {time.time()}\n")

    def was_starting(self, moment):
        """Whether the API server was not ready then: until it knows its roles it refuses everybody."""
        lines = (self.folder / "api-starts").read_text(encoding="utf-8").splitlines()
        return any(begun <= moment <= ready + 1 for begun, ready in (map(float, line.split()) for line in lines))

    def stop_api(self):
        """The API server is gone, without a word to anybody."""
        self.world.stop("kube-apiserver")

    def start_controllers(self):
        """What makes pods, places them and leads to them."""
        def own(name):
            file = f"{name}.kubeconfig"
            return ("--kubeconfig", file, "--authentication-kubeconfig", file, "--authorization-kubeconfig", file,
                    "--leader-elect=false", "--bind-address", "127.0.0.1")
        self.start("kube-controller-manager", *own("kcm"), "--use-service-account-credentials",
                   "--service-account-private-key-file", "pki/sa.key", "--root-ca-file", "pki/ca.crt",
                   "--horizontal-pod-autoscaler-sync-period", "5s", "--kube-api-qps", "300", "--kube-api-burst", "600")
        self.start("kube-scheduler", *own("scheduler"), "--kube-api-qps", "300", "--kube-api-burst", "600")
        self.kubectl("create", "clusterrolebinding", "node-proxier", "--clusterrole=system:node-proxier",
                     "--user=system:kube-proxy")
        self.start("kube-proxy", "--kubeconfig", "kube-proxy.kubeconfig", "--proxy-mode", "nftables",
                   "--cluster-cidr", "10.244.0.0/16", "--conntrack-max-per-core", "0",
                   "--bind-address", "10.77.0.1", "--hostname-override", "node-1")
        (self.folder / "Corefile").write_text(COREFILE.format(folder=self.folder))
        self.start("coredns", "-conf", "Corefile")

    def start_metrics(self):
        """metrics-server, behind metrics.k8s.io; first figures after half a minute."""
        own = "admin.kubeconfig"
        self.start("metrics-server", "--kubeconfig", own, "--authentication-kubeconfig", own,
                   "--authorization-kubeconfig", own, "--secure-port", "4443", "--cert-dir", "metrics-cert",
                   "--kubelet-insecure-tls", "--kubelet-preferred-address-types", "InternalIP",
                   "--metric-resolution", "10s", "--kubelet-request-timeout", "5s")
        self.kubectl("apply", "-f", HERE / "manifests" / "metrics-server.yaml")

    def start_kserve(self, model_server):
        """What stands in for KServe's controller, its predictors being this image."""
        self.world.start("kserve", "env", f"KUBECONFIG={self.folder}/kserve.kubeconfig", "python3", "-u",
                         HERE / "kserve.py", model_server, path=str(self.programs))

    def write_enter(self):
        """For people and scripts."""
        file = self.folder / "enter"
        beside = " ".join(self.world.beside())
        file.write_text(ENTER.format(beside=beside, folder=self.folder, programs=self.programs))
        file.chmod(0o755)

    def kubectl(self, *words, check=True):
        """What kubectl says; if not `check`, nothing where it fails."""
        ran = subprocess.run([self.folder / "enter", "kubectl", *map(str, words)], check=False,
                             capture_output=True, text=True)
        if ran.returncode and check:
            raise RuntimeError(f"kubectl {' '.join(map(str, words))}: {ran.stderr.strip()}")
        return "" if ran.returncode else ran.stdout or "fine"

    def down(self):
        """Ends it."""
        self.world.close()


def wanting():
    """The Debian packages whose programs are not there."""
    programs = {"containerd": "containerd", "runc": "runc", "ip": "iproute2", "nft": "nftables",
                "openssl": "openssl", "hey": "hey", "curl": "curl", "nsenter": "util-linux"}
    missing = {package for program, package in programs.items()
               if not shutil.which(program, path=os.environ["PATH"] + ":/usr/sbin:/sbin")}
    if not os.path.exists("/usr/lib/cni/ptp"):
        missing.add("containernetworking-plugins")
    return sorted(missing)
