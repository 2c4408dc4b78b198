"""The namespaces a cluster lives in: network, mounts and processes of its own.

Everything in it ends with its first process: programs, containers, mounts and networks, whatever
state they are in. So there is nothing to put right after a run that was interrupted.
"""

import os
import pathlib
import shutil
import signal
import subprocess
import time

# Takes over orphans and lets them go; what containers leave in these folders goes with it.
FIRST_PROCESS = """
for folder in /run /var/log /var/lib/cni; do mkdir -p $folder; mount -t tmpfs tmpfs $folder; done
mkdir -p /run/netns
exec python3 -c 'import signal; signal.signal(signal.SIGCHLD, signal.SIG_IGN)
while True: signal.pause()'
"""
NETWORK = """
ip link set lo up
ip link add node0 type bridge
ip addr add 10.77.0.1/16 dev node0
ip link set node0 up
ip route add 10.96.0.0/16 dev node0   # Services are reached from the nodes too
sysctl -qw net.ipv4.ip_forward=1
"""


class World:
    """The one that lives in a folder. What is kept of it is its first process, by number."""

    def __init__(self, folder):
        self.folder = pathlib.Path(folder).resolve()
        self.logs = self.folder / "log"

    def open(self, outlives_us):
        """Makes it. If it is not to outlive us, it ends when we do, even if we are killed."""
        self.logs.mkdir(parents=True, exist_ok=True)
        words = ["unshare", "--fork", "--kill-child", "--pid", "--mount-proc", "--mount", "--net"]
        words += ["--propagation", "private", "sh", "-ec", FIRST_PROCESS, f"first process of {self.folder}"]
        if not outlives_us:
            words = ["setpriv", "--pdeathsig", "KILL", *words]
        with open(self.logs / "world.log", "wb") as log:
            opener = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                      start_new_session=True)
        first = until(10, lambda: child_of(opener.pid), "the namespaces")
        (self.folder / "first").write_text(f"{first} {started(first)}")
        until(10, lambda: os.path.ismount(f"/proc/{first}/root/run"), "its own /run")
        subprocess.run(self.inside("sh", "-ec", NETWORK), check=True)

    @property
    def first(self):
        """The number of its first process; `None` if it is not there."""
        try:
            number, since = (self.folder / "first").read_text().split()
        except FileNotFoundError:
            return None
        return number if started(number) == since else None

    def inside(self, *words):
        """A command, to be run as one of its programs."""
        enter = ["nsenter", "--target", self.first, "--net", "--pid", "--mount"]
        return [*enter, "sh", "-c", 'cd "$0" && exec "$@"', str(self.folder), *words]

    def beside(self, *words):
        """A command, to be run in its network only."""
        return ["nsenter", f"--net=/proc/{self.first}/ns/net", *words]

    def start(self, name, *words, path=""):
        """Starts a program that stays; its log is `log/NAME.log`."""
        environment = dict(os.environ, PATH=f"{path}:/usr/sbin:/usr/bin:/sbin:/bin")
        with open(self.logs / f"{name}.log", "ab") as log:
            opener = subprocess.Popen(self.inside(*map(str, words)), stdin=subprocess.DEVNULL, stdout=log,
                                      stderr=log, env=environment, start_new_session=True)
        pid = until(5, lambda: child_of(opener.pid) or opener.poll(), name)
        (self.folder / f"{name}.pid").write_text(str(pid))

    def stop(self, name, how=signal.SIGKILL):
        """Ends one of them."""
        file = self.folder / f"{name}.pid"
        pid = int(file.read_text())
        os.kill(pid, how)
        until(10, lambda: not os.path.exists(f"/proc/{pid}"), f"the end of {name}")
        file.unlink()

    def close(self):
        """Ends all of it, and takes its folder away."""
        first = self.first
        if first:
            os.kill(int(first), signal.SIGKILL)
            until(20, lambda: self.first is None, "the end of the namespaces")
        self.remove_cgroups()
        # Mounts end with the last process, a moment after the first.
        until(10, lambda: shutil.rmtree(self.folder, ignore_errors=True) or not self.folder.exists(),
              f"{self.folder} to be empty")

    @property
    def cgroup(self):
        """Where its containers are counted, below each hierarchy."""
        return "holdgate-" + "-".join(self.folder.parts[1:])

    def hierarchies(self):
        """The folders of version 1, or the one of version 2."""
        root = pathlib.Path("/sys/fs/cgroup")
        if (root / "cgroup.controllers").exists():
            return [root]
        return [folder for folder in root.iterdir() if folder.is_dir() and not folder.is_symlink()]

    def remove_cgroups(self):
        """Folders of cgroups cannot be removed while a process in them still goes."""
        for hierarchy in self.hierarchies():
            top = hierarchy / self.cgroup
            until(10, lambda: remove_empty(top), f"{top} to be empty")


def remove_empty(top):
    """Removes folders from the leaves up. Whether all of them are gone."""
    for folder, _, _ in os.walk(top, topdown=False):
        try:
            os.rmdir(folder)
        except OSError:
            return False
    return True


def child_of(pid):
    """The number of the first child of a process, as we see it."""
    try:
        children = pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except FileNotFoundError:
        return None
    return children[0] if children else None


def started(pid):
    """When a process was started: numbers come back, these do not. `None` of one that has ended."""
    try:
        state, *facts = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return None if state == "Z" else facts[18]


def until(seconds, holds, what):
    """Waits for something to hold, and returns it."""
    deadline = time.monotonic() + seconds
    while not (seen := holds()):
        if time.monotonic() > deadline:
            raise TimeoutError(f"waited {seconds} s for {what}")
        time.sleep(0.05)
    return seen
