"""From a machine that has never seen it to a cluster with Holdgate in it."""

import contextlib
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tempfile

from .cluster import HERE, Cluster, wanting
from .world import World

ROOT = HERE.parents[1]
FOLDERS = pathlib.Path(tempfile.gettempdir())
STAYS = FOLDERS / "holdgate-cluster"


def version():
    """Of the package."""
    return re.search(r'^version = "(.*)"', (ROOT / "Cargo.toml").read_text(), re.M)[1]


def image_name():
    """As the manifests call it."""
    return f"holdgate.dev/holdgate:{version()}"


def deploy():
    """The folder of manifests that is installed."""
    return pathlib.Path(os.environ["HOLDGATE_DEPLOY"])


def say(text):
    """Progress, for whoever waits."""
    print(f"== {text}", file=sys.stderr, flush=True)


def prepare():
    """Installs and builds what is missing; returns the folder of the cluster's programs and the image."""
    if os.geteuid():
        sys.exit("a cluster wants root: namespaces, mounts and containers are made")
    os.environ["PATH"] += ":/usr/sbin:/sbin"
    if packages := wanting():
        say(f"installing {', '.join(packages)}")
        quiet = dict(os.environ, DEBIAN_FRONTEND="noninteractive")
        subprocess.run(["apt-get", "update", "-qq"], check=True, env=quiet, stdout=sys.stderr)
        subprocess.run(["apt-get", "install", "-y", "-qq", *packages], check=True, env=quiet, stdout=sys.stderr)
    say("the cluster's programs (a quarter of an hour, the first time)")
    return pathlib.Path(told_by(HERE / "build")), archive()


def have_helm():
    """Puts it on the path, built now if need be: inside there is no network to fetch it from."""
    helm = pathlib.Path(told_by(ROOT / "deploy" / "program", "helm"))
    os.environ["PATH"] = f"{helm.parent}:{os.environ['PATH']}"


def told_by(*words):
    """What a script says last: where it has put what it built."""
    return subprocess.run(words, check=True, stdout=subprocess.PIPE, text=True).stdout.split()[-1]


def archive():
    """The image as a file: the one named by HOLDGATE_IMAGE, else built now, as it is shipped but for the
    slowest optimizations."""
    if given := os.environ.get("HOLDGATE_IMAGE"):
        return pathlib.Path(given).resolve()
    say("the image")
    built = ROOT / "target" / "cluster-image.tar"
    subprocess.run([ROOT / "deploy" / "image", "release", built], check=True, stdout=sys.stderr)
    return built


def install(cluster, manifests):
    """Holdgate, as its manifests say."""
    say("installing Holdgate")
    cluster.kubectl("apply", "-k", manifests / "kustomize" / "single")
    cluster.kubectl("-n", "holdgate-system", "rollout", "status", "deploy/holdgate-gateway", "--timeout=60s")


def bring_up(cluster, packed, nodes, manifests, outlives_us):
    """A cluster with metrics, the stand-in for KServe and Holdgate."""
    say(f"a cluster of {nodes} nodes")
    cluster.up(nodes, [packed], outlives_us)
    cluster.start_metrics()
    cluster.start_kserve(image_name())
    if manifests:
        install(cluster, manifests)


@contextlib.contextmanager
def for_now(programs):
    """A cluster that goes when the block ends, however it ends."""
    # A terminated run takes its cluster down as an interrupted one does.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    sweep()
    cluster = Cluster(tempfile.mkdtemp(prefix="holdgate-cluster-"), programs)
    try:
        yield cluster
    finally:
        for stop in (signal.SIGINT, signal.SIGTERM):
            signal.signal(stop, signal.SIG_IGN)
        cluster.down()


def sweep():
    """What runs left that were killed: their processes have ended with them, their folders have not."""
    for folder in FOLDERS.glob("holdgate-cluster-*"):
        world = World(folder)
        if world.first is None and (folder / "first").exists():
            world.close()



def keep_logs(cluster, folder):
    """What the cluster's own programs wrote."""
    shutil.rmtree(folder / "log", ignore_errors=True)
    shutil.copytree(cluster.world.logs, folder / "log")
    say(f"the cluster's logs are in {folder / 'log'}")
