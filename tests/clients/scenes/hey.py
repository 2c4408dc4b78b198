"""hey: kept connections, new ones each time, and HTTP/2 where it can."""

import bed


def play(check):
    with bed.Gate(bed.sample("--service-time", "2ms", models=["m"], containerConcurrency=8)) as gate:
        gate.until_ready()
        for what, words in (("kept connections", ()), ("a connection each", ("-disable-keepalive",))):
            done = bed.run("hey", "-n", "2000", "-c", "40", "-m", "POST", "-d", "{}", *words,
                           f"{gate.url}/v1/models/m:predict")
            all_of_them = "[200]\t2000 responses" in done.stdout and "Error distribution" not in done.stdout
            check(all_of_them, f"2,000 requests by 40 workers, {what}: all 200")
        replica = gate.report()["replicas"][0]
        most = bed.read_json(f"http://{replica['endpoint']}/stats")["max_concurrency"]
        check(most == 8, f"eight inside at most: {most}")
        check(gate.until(lambda: gate.in_flight() == 0), "nobody holds a slot at the end")
