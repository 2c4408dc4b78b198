"""What scenes played from Python share: a gate in front of model servers, and facts that were shown or not."""

import argparse
import collections
import json
import re
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request


class NotShown(Exception):
    """What was promised is not what was seen."""


def say(fact, what):
    print(f"    {'yes' if fact else 'NO '}  {what}", flush=True)


def shown(fact, what):
    say(fact, what)
    if not fact:
        raise NotShown(what)


class Words:
    """What a person types who wants scenes played."""

    def __init__(self, about, long):
        self.parser = argparse.ArgumentParser(description=about, formatter_class=argparse.RawTextHelpFormatter)
        self.parser.add_argument("--long", action="store_true", help=long)
        self.parser.add_argument("--holdgate", help="the program; when not given, the release build, built first")
        self.parser.add_argument("scenes", nargs="*", metavar="SCENE", help="only these")
        self.options = self.parser.parse_args()

    def play(self, scenes, only_long=()):
        """Those that are named, or all of them but what takes long; ends with what was not shown."""
        by_name = {scene.__name__: scene for scene in scenes}
        unknown = [name for name in self.options.scenes if name not in by_name]
        if unknown:
            self.parser.error(f"no such scene: {', '.join(unknown)}; there are {', '.join(by_name)}")
        usual = [scene for scene in scenes if self.options.long or scene not in only_long]
        wanted = [by_name[name] for name in self.options.scenes] or usual
        self.options.holdgate = self.options.holdgate or the_release()
        in_turn(wanted)


def in_turn(scenes):
    """Plays them; ends with what was not shown."""
    missing = []
    for scene in scenes:
        begun = time.monotonic()
        print(f"{scene.__name__}: {scene.__doc__}", flush=True)
        try:
            scene()
        except NotShown as fact:
            missing.append(f"{scene.__name__}: {fact}")
        print(f"    ({time.monotonic() - begun:.0f} s)", flush=True)
    if missing:
        sys.exit("not shown: " + "; ".join(missing))


def the_release():
    """Builds the program as it is shipped, for who names none."""
    subprocess.run(["cargo", "build", "--release", "--quiet"], check=True)
    return "target/release/holdgate"


def free_port():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


def read_json(url, timeout=5):
    with urllib.request.urlopen(url, timeout=timeout) as answer:
        return json.load(answer)


class Gate:
    """A gate with these settings, ended with the block it is made for."""

    def __init__(self, program, settings, words=(), folder=None):
        self.file = tempfile.NamedTemporaryFile("w", suffix=".yaml")
        self.write(settings)
        command = [program, "run", "-f", self.file.name, "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"]
        command += ["--log-format", "json", *words]
        self.process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, cwd=folder)
        self.lines = collections.deque(maxlen=400)
        self.url, self.admin = re.findall(r"http://[^ ,\"]+", self.hear("http://"))[:2]
        self.address = self.url.removeprefix("http://")
        if "tls" in settings:
            self.secure = re.search(r"https://([^ \"]+)", self.hear("TLS on https://"))[1]
        threading.Thread(target=self.listen, daemon=True).start()

    def write(self, settings):
        """What the file says from now on."""
        self.file.seek(0)
        self.file.truncate()
        json.dump(settings, self.file)
        self.file.flush()

    def hear(self, what):
        """The next line of its log with this in it."""
        for line in self.process.stderr:
            self.lines.append(line)
            if what in line:
                return line
        raise RuntimeError("the gate has ended: " + self.told())

    def listen(self):
        """Hears the rest of its log, which must not hold it up."""
        for line in self.process.stderr:
            self.lines.append(line)
            self.heard(line)

    def heard(self, line):
        """What is done about a line once it has started."""

    def told(self, last=6):
        return "".join(list(self.lines)[-last:])

    def report(self, name="m"):
        return read_json(f"{self.admin}/revisions/{name}")

    def counted(self, name=None):
        """Requests by code; of all revisions, and those that met none, where none is named."""
        with urllib.request.urlopen(f"{self.admin}/metrics", timeout=5) as answer:
            text = answer.read().decode()
        by_code = collections.Counter()
        for labels, count in re.findall(r"^holdgate_requests_total{(.*)} (\d+)$", text, re.M):
            labels = dict(re.findall(r'(\w+)="([^"]*)"', labels))
            if name in (None, labels["revision"]) and int(count):
                by_code[int(labels["code"])] += int(count)
        return by_code

    def until(self, holds, within=10.0):
        """Waits until it holds; how long that took, or nothing."""
        begun = time.monotonic()
        while time.monotonic() - begun < within:
            if holds():
                return time.monotonic() - begun
            time.sleep(0.005)
        return None

    def until_ready(self, replicas=1, name="m", within=30):
        def ready():
            return sum(replica["state"] == "ready" for replica in self.report(name)["replicas"]) >= replicas
        if self.until(ready, within) is None:
            raise RuntimeError(f"{name} does not get ready: {self.told()}")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.terminate()
        try:
            self.process.wait(timeout=60)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.file.close()
