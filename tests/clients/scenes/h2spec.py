"""h2spec at the data port and at a plain server on the same library: nothing fails only here."""

import contextlib
import re
import socket
import subprocess
import tempfile
import time
import xml.etree.ElementTree as xml
from concurrent.futures import ThreadPoolExecutor

import bed

LEAST = 140


def play(check):
    bed.go("github.com/summerwind/h2spec/cmd/h2spec")
    with bed.Gate(bed.server("plain.py", environment=None)) as gate:
        gate.until_ready()
        upstream = gate.report()["replicas"][0]["endpoint"]
        # Both at once: most of the time it waits for what must not come.
        with plain_hyper(upstream) as address, ThreadPoolExecutor() as both:
            told = [both.submit(failures, where) for where in (gate.address, address)]
            (ours, many), (theirs, all_of_them) = (one.result() for one in told)
        check(gate.process.poll() is None, "the gate lives")
        check(gate.until(lambda: gate.in_flight() == 0), "nobody holds a slot at the end")
        # Some cases are races. What is a fault of ours fails again.
        if ours - theirs:
            ours &= failures(gate.address)[0]
    check(min(many, all_of_them) >= LEAST, f"{many} cases at the gate, {all_of_them} at the plain server")
    for name in sorted(ours | theirs):
        where = "both" if name in ours & theirs else "gate" if name in ours else "plain server"
        print(f"    fails at {where}: {name}")
    check(not ours - theirs, f"{len(ours)} fail at the gate, {len(theirs)} at the plain server, {len(ours - theirs)} only here")


def failures(address):
    """The names of the cases that fail, and how many there were."""
    host, port = address.rsplit(":", 1)
    with tempfile.NamedTemporaryFile(suffix=".xml") as report:
        done = bed.run(bed.program("h2spec"), "-h", host, "-p", port, "-j", report.name, "-o", "2", timeout=400)
        print(f"    {address}: {''.join(re.findall(r'^[0-9]+ tests.*$', done.stdout, re.M))}")
        suites = xml.parse(report.name).getroot()
    cases = [case for suite in suites for case in suite.iter("testcase")]
    name = lambda case: f"{case.get('package')} {case.get('classname')}"  # noqa: E731
    failed = {name(case) for case in cases if case.find("failure") is not None or case.find("error") is not None}
    return failed, len(cases)


@contextlib.contextmanager
def plain_hyper(upstream):
    """The benchmarks' yardstick: the least that a proxy on the same library can be."""
    port = bed.free_port()
    words = [bed.PROGRAMS["yardstick"](), "minimal-h2", str(port), "h1", upstream]
    with subprocess.Popen(words) as server:
        try:
            for _ in range(200):
                with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port)):
                    break
                time.sleep(0.05)
            yield f"127.0.0.1:{port}"
        finally:
            server.kill()
