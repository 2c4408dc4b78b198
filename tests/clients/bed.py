"""What every client needs: the programs, a gate in front of a server, and answers to look at."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests"))

import stage  # noqa: E402 - found once the path is set
from stage import free_port, read_json  # noqa: E402, F401 - the clients call them

CACHE = ROOT / "target" / "clients"
SERVERS = ROOT / "tests" / "clients" / "servers"

# Where the gate under test is, and where the benchmark that plays the plain hyper server.
PROGRAMS = {}


class Checks:
    """Facts, said as they come; those that are none are remembered."""

    def __init__(self):
        self.missing = []

    def __call__(self, fact, what):
        stage.say(fact, what)
        if not fact:
            self.missing.append(what)
        return fact


def python(requirements):
    """The Python of an environment with just these packages, made on first use."""
    words = (ROOT / "tests/clients/python" / f"{requirements}.txt").read_bytes()
    folder = CACHE / requirements
    done = folder / "installed"
    if not done.exists() or done.read_bytes() != words:
        subprocess.run([sys.executable, "-m", "venv", "--clear", folder], check=True)
        file = ROOT / "tests/clients/python" / f"{requirements}.txt"
        subprocess.run([folder / "bin/pip", "install", "-q", "--disable-pip-version-check", "-r", file], check=True)
        done.write_bytes(words)
    return folder / "bin" / "python"


def go(*packages):
    """Builds programs of the Go module beside this file; the versions are those of its go.sum."""
    (CACHE / "bin").mkdir(parents=True, exist_ok=True)
    subprocess.run(["go", "build", "-o", CACHE / "bin", *packages], cwd=ROOT / "tests/clients/go", check=True)


def program(name):
    return str(CACHE / "bin" / name)


def run(*words, timeout=120, **more):
    """What a program says and ends with; its complaints are printed."""
    done = subprocess.run([str(w) for w in words], capture_output=True, text=True, timeout=timeout, **more)
    return done


class Gate(stage.Gate):
    """A gate with these revisions; its model servers are looked for beside this file, whoever calls."""

    def __init__(self, *revisions, top=None):
        words = ["--log-level", "info"]
        super().__init__(PROGRAMS["holdgate"], {"revisions": revisions, **(top or {})}, words, folder=ROOT)

    def in_flight(self, name="m"):
        """Slots that are taken, by the gate's own count."""
        report = self.report(name)
        return max(report["inFlight"], sum(replica["inFlight"] for replica in report["replicas"]))


def revision(command, name="m", **settings):
    return {"name": name, "process": {"command": [str(word) for word in command]}, "minReplicas": 1, **settings}


def sample(*flags, name="m", **settings):
    words = ["holdgate", "sample-model", "--port", "{port}", "--model", name, *flags]
    return revision(words, name, **settings)


def server(script, *words, environment="clients", **settings):
    """One of the model servers beside this file."""
    command = [python(environment) if environment else sys.executable, SERVERS / script, "{port}", *words]
    return revision(command, **settings)
