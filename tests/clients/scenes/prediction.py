"""MLServer behind `holdgate run -- …`: the first request starts it, silence stops it."""

import json
import re
import subprocess
import threading
import time
import urllib.request

import bed

TENSOR = {"inputs": [{"name": "x", "shape": [3], "datatype": "FP32", "data": [1, 2, 4]}]}
START = 'MLSERVER_HTTP_PORT=$0 MLSERVER_GRPC_PORT=$1 exec "$2" -m mlserver.cli start "$3"'


def play(check):
    model = ["sh", "-c", START.replace('"$2" -m mlserver.cli', '"$2"'), "{port}", str(bed.free_port())]
    model += [str(bed.python("model").parent / "mlserver"), str(bed.SERVERS / "double")]
    words = [bed.PROGRAMS["holdgate"], "run", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0",
             "--state", "off", "--log-format", "json", "--readiness-path", "/v2/models/double/ready",
             "--stop-after-idle", "4s", "--stable-window", "6s", "--name", "double", "--", *model]
    with subprocess.Popen(words, stderr=subprocess.PIPE, text=True) as gate:
        try:
            url, admin = re.findall(r"http://[^ ,\"]+", gate.stderr.readline())[:2]
            threading.Thread(target=gate.stderr.read, daemon=True).start()
            watch(check, url, f"{admin}/revisions/double")
        finally:
            gate.terminate()


def watch(check, url, report):
    check(bed.read_json(report)["replicas"] == [], "nothing runs before the first request")
    first, cold = predict(url)
    check(first == [2, 4, 8], f"the request that starts it is answered, after {cold:.1f} s: {first}")
    again, warm = predict(url)
    check(again == [2, 4, 8] and warm < 1, f"the next takes {warm * 1000:.1f} ms")
    with urllib.request.urlopen(f"{url}/v2/models/double", timeout=5) as answer:
        check(json.load(answer)["name"] == "double", "it tells about its model")
    begun = time.monotonic()
    while bed.read_json(report)["replicas"] and time.monotonic() - begun < 60:
        time.sleep(0.2)
    check(not bed.read_json(report)["replicas"], f"it is gone {time.monotonic() - begun:.1f} s after the last answer")


def predict(url):
    begun = time.monotonic()
    question = urllib.request.Request(f"{url}/v2/models/double/infer", json.dumps(TENSOR).encode(),
                                      {"content-type": "application/json"})
    with urllib.request.urlopen(question, timeout=120) as answer:
        return json.load(answer)["outputs"][0]["data"], time.monotonic() - begun
