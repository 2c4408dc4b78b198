"""curl: HTTP/1.1, an offered upgrade to HTTP/2, HTTP/2 with prior knowledge."""

import hashlib
import json
import tempfile
from pathlib import Path

import bed

MIB = 1 << 20


def play(check):
    with bed.Gate(bed.server("plain.py", environment=None)) as gate, tempfile.TemporaryDirectory() as folder:
        gate.until_ready()
        body = Path(folder) / "body"
        body.write_bytes(bytes(n * n % 256 for n in range(8 * MIB)))
        digest = hashlib.sha256(body.read_bytes()).hexdigest()
        for how, version in ((), "1.1"), (("--http2",), None), (("--http2-prior-knowledge",), "2"):
            said = how[0] if how else "--http1.1"
            say = Said(check, gate.url, said, how or (said,))
            told = say.ask("/headers", f"an answer in HTTP/{version or '1.1 or 2'}")
            if told and version:
                check(told["version"] == version, f"{said}: it was answered in HTTP/{told['version']}")
            everything(say, folder, body, digest)
        expectations(check, gate, body)
        trailers(check, gate)
        check(gate.until(lambda: gate.in_flight() == 0), "nobody holds a slot at the end")


class Said:
    """curl with the same words first each time."""

    def __init__(self, check, url, said, how):
        self.check, self.url, self.said, self.how = check, url, said, how

    def curl(self, path, *words):
        form = '\n%{json}'
        words = ("curl", "-sS", "-m", "60", *self.how, "-w", form, *words, self.url + path)
        return bed.run(*words)

    def ask(self, path, what, *words, status=200):
        done = self.curl(path, *words)
        try:
            body, told = done.stdout.rsplit("\n", 1)
            told = json.loads(told)
        except ValueError:
            self.check(False, f"{self.said}: {what}: curl ended with {done.returncode}: {done.stderr.strip()}")
            return None
        fine = done.returncode == 0 and told["response_code"] == status
        more = "" if fine else f": {told['response_code']} {done.stderr.strip()} {body[:200]}"
        if not self.check(fine, f"{self.said}: {what}{more}"):
            return None
        return {"version": told["http_version"], "size": told["size_download"], "body": body}


def everything(say, folder, body, digest):
    say.ask("/nothing", "204 without a body", status=204)
    head = say.ask("/bytes?n=1000000", "HEAD tells the length and sends nothing", "--head")
    if head:
        say.check("content-length: 1000000" in head["body"].lower(), f"{say.said}: the length is told")
    out = Path(folder) / "out"
    if say.ask("/bytes?n=50000000", "50 MB come down", "-o", out):
        whole = out.read_bytes()
        right = len(whole) == 50_000_000 and whole == bytes(n % 251 for n in range(251)) * (50_000_000 // 251) + bytes(
            n % 251 for n in range(50_000_000 % 251))
        say.check(right, f"{say.said}: every byte of them is right")
    part = say.ask("/bytes?n=1000000", "a range is 206", "-r", "1000-1009", "-o", out, status=206)
    if part:
        say.check(out.read_bytes() == bytes(n % 251 for n in range(1000, 1010)), f"{say.said}: and just that range")
    for what, words in (
        ("8 MiB with Expect: 100-continue", ("-H", "expect: 100-continue", "--expect100-timeout", "20")),
        ("8 MiB of unknown length", ("-H", "transfer-encoding: chunked", "-H", "expect:")),
    ):
        told = say.ask("/count", f"{what} go up", "--data-binary", f"@{body}", *words)
        if told:
            seen = json.loads(told["body"])
            say.check(seen["sha256"] == digest, f"{say.said}: {what}: each byte arrived, {seen['bytes']} of them")
    hinted = say.ask("/hints", "an answer with an early hint before it is whole")
    if hinted:
        say.check('"hinted": true' in hinted["body"], f"{say.said}: and is the answer")
    told = say.ask("/headers", "headers of this hop stay", "-H", "connection: x-secret", "-H", "x-secret: 1")
    if told and told["version"] != "2":
        say.check("x-secret" not in json.loads(told["body"])["headers"], f"{say.said}: what Connection names does not pass")


def expectations(check, gate, body):
    """The wait for 100 is the server's: curl would wait 20 s without it."""
    words = ("curl", "-sS", "-o", "/dev/null", "-w", "%{time_total}", "--expect100-timeout", "20")
    done = bed.run(*words, "-H", "expect: 100-continue", "--data-binary", f"@{body}", gate.url + "/count")
    check(done.returncode == 0 and float(done.stdout) < 5, f"100 Continue comes at once: the whole took {done.stdout} s")


def trailers(check, gate):
    done = bed.run("curl", "-sS", "--raw", "-H", "te: trailers", "-H", "connection: te", gate.url + "/trailers")
    check("x-sum: 42" in done.stdout.lower(), f"trailers behind a chunked answer: {done.stdout!r}")
