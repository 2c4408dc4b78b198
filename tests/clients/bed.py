"""What every client needs: the programs, a gate in front of a server, and answers to look at."""

import json
import os
import re
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
CACHE = ROOT / "target" / "clients"
SERVERS = ROOT / "tests" / "clients" / "servers"

# Where the gate under test is, and where the benchmark that plays the plain hyper server.
PROGRAMS = {}


class Checks:
    """Facts, said as they come; those that are none are remembered."""

    def __init__(self):
        self.missing = []

    def __call__(self, fact, what):
        print(f"    {'yes' if fact else 'NO '}  {what}", flush=True)
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


def free_port():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


def run(*words, timeout=120, **more):
    """What a program says and ends with; its complaints are printed."""
    done = subprocess.run([str(w) for w in words], capture_output=True, text=True, timeout=timeout, **more)
    return done


def read_json(url, timeout=5):
    with urllib.request.urlopen(url, timeout=timeout) as answer:
        return json.load(answer)


class Gate:
    """A gate with these revisions, ended with the block it is made for."""

    def __init__(self, *revisions, words=(), top=None):
        self.file = tempfile.NamedTemporaryFile("w", suffix=".yaml")
        self.write({"revisions": revisions, **(top or {})})
        command = [PROGRAMS["holdgate"], "run", "-f", self.file.name, "--listen", "127.0.0.1:0"]
        command += ["--admin", "127.0.0.1:0", "--log-format", "json", "--log-level", "info", *words]
        # Its model servers are looked for beside this file, whoever calls.
        self.process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, cwd=ROOT)
        self.lines = []
        while "http://" not in (line := self.process.stderr.readline()):
            if not line:
                raise RuntimeError("the gate did not start: " + "".join(self.lines))
            self.lines.append(line)
        self.url, self.admin = re.findall(r"http://[^ ,\"]+", line)[:2]
        self.address = self.url.removeprefix("http://")
        if "tls" in (top or {}):
            while "TLS on https://" not in (line := self.process.stderr.readline()):
                if not line:
                    raise RuntimeError("the gate does not speak TLS: " + "".join(self.lines))
                self.lines.append(line)
            self.secure = re.search(r"https://([^ \"]+)", line)[1]
        threading.Thread(target=self.listen, daemon=True).start()

    def write(self, content):
        """What the file says from now on."""
        self.file.seek(0)
        self.file.truncate()
        json.dump(content, self.file)
        self.file.flush()

    def listen(self):
        for line in self.process.stderr:
            self.lines.append(line)
            del self.lines[:-400]

    def report(self, name="m"):
        return read_json(f"{self.admin}/revisions/{name}")

    def in_flight(self, name="m"):
        """Slots that are taken, by the gate's own count."""
        report = self.report(name)
        return max(report["inFlight"], sum(replica["inFlight"] for replica in report["replicas"]))

    def until(self, holds, within=10.0):
        """Waits until it holds; how long that took, or nothing."""
        begun = time.monotonic()
        while time.monotonic() - begun < within:
            if holds():
                return time.monotonic() - begun
            time.sleep(0.005)
        return None

    def until_ready(self, name="m", within=30):
        def ready():
            return any(replica["state"] == "ready" for replica in self.report(name)["replicas"])
        if self.until(ready, within) is None:
            raise RuntimeError(f"{name} does not get ready: {self.told()}")

    def told(self, last=6):
        return "".join(self.lines[-last:])

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.terminate()
        try:
            self.process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            self.process.kill()
        self.file.close()


def revision(command, name="m", **settings):
    return {"name": name, "process": {"command": [str(word) for word in command]}, "minReplicas": 1, **settings}


def sample(*flags, name="m", **settings):
    words = ["holdgate", "sample-model", "--port", "{port}", "--model", name, *flags]
    return revision(words, name, **settings)


def server(script, *words, environment="clients", **settings):
    """One of the model servers beside this file."""
    command = [python(environment) if environment else sys.executable, SERVERS / script, "{port}", *words]
    return revision(command, **settings)
