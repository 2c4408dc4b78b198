"""By TLS: curl in both protocols, `websockets` by wss, gRPC; and who does not trust the certificate."""

import asyncio
import hashlib
import ssl
import tempfile
from pathlib import Path

import bed
from scenes import curl, grpc

MIB = 1 << 20
CALLS = "empty_unary large_unary client_streaming server_streaming ping_pong huge_messages".split()


def play(check):
    bed.go("./interop")
    with tempfile.TemporaryDirectory() as folder:
        certificate, key = certified(folder)
        top = {"tls": {"listen": "127.0.0.1:0", "certFile": str(certificate), "keyFile": str(key)}}
        with bed.Gate(bed.server("plain.py", environment=None), top=top) as gate:
            gate.until_ready()
            by_curl(check, gate, folder, certificate)
            check(gate.until(lambda: gate.in_flight() == 0), "nobody holds a slot at the end")
        with bed.Gate(bed.server("websocket.py", containerConcurrency=1), top=top) as gate:
            gate.until_ready()
            asyncio.run(by_websocket(check, gate, certificate))
            check(gate.until(lambda: gate.in_flight() == 0, 1), "wss: the slot is back")
        served = [bed.program("interop"), "server", "{port}"]
        with bed.Gate(bed.revision(served, protocol="h2c"), top=top) as gate:
            gate.until_ready()
            for name in CALLS:
                grpc.case(check, gate.secure, name, "by TLS", (certificate,))


def certified(folder):
    """A certificate for this machine that is its own authority, and its key."""
    certificate, key = Path(folder) / "tls.crt", Path(folder) / "tls.key"
    made = bed.run("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
                   "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1", "-days", "2",
                   "-out", certificate, "-keyout", key)
    if made.returncode != 0:
        raise RuntimeError(made.stderr)
    return certificate, key


def by_curl(check, gate, folder, certificate):
    body = Path(folder) / "body"
    body.write_bytes(bytes(n * n % 256 for n in range(8 * MIB)))
    digest = hashlib.sha256(body.read_bytes()).hexdigest()
    url, trust = f"https://{gate.secure}", ("--cacert", str(certificate))
    # What curl offers by ALPN is what it gets.
    for how, version in ("--http1.1", "1.1"), ("--http2", "2"):
        say = curl.Said(check, url, f"https {how}", (how, *trust))
        told = say.ask("/headers", f"an answer in HTTP/{version}")
        if told:
            check(told["version"] == version, f"{say.said}: it was answered in HTTP/{told['version']}")
            check('"x-forwarded-proto": "https"' in told["body"], f"{say.said}: the model server is told of https")
        curl.everything(say, folder, body, digest)
    stranger = bed.run("curl", "-sS", url + "/headers")
    check(stranger.returncode == 60, f"who does not trust it is not answered: {stranger.stderr.strip()[:80]}")
    plain = bed.run("curl", "-sS", "-m", "10", f"http://{gate.secure}/headers")
    check(plain.returncode != 0, f"nor is who speaks no TLS: {plain.stderr.strip()[:80]}")
    said = curl.Said(check, url, "https afterwards", trust)
    said.ask("/headers", "the next is")


async def by_websocket(check, gate, certificate):
    import websockets.asyncio.client as client

    trust = ssl.create_default_context(cafile=certificate)
    async with client.connect(f"wss://{gate.secure}", ssl=trust, max_size=None, proxy=None) as one:
        for n in range(200):
            await one.send(f"message {n}")
            assert await one.recv() == f"message {n}", n
        check(True, "wss: 200 messages and their echoes")
        big = bytes(range(256)) * (8 * MIB // 256)
        await one.send(big)
        check(await one.recv() == big, "wss: 8 MiB in one message, there and back")
        held = await asyncio.to_thread(gate.in_flight)
        check(held == 1, f"wss: it holds its slot: {held}")
