"""gRPC's own interoperability tests, Go's client and server of them, and what they leave out."""

import subprocess

import bed

LISTED = """empty_unary large_unary client_streaming server_streaming ping_pong empty_stream cancel_after_begin
    cancel_after_first_response timeout_on_sleeping_server status_code_and_message special_status_message
    unimplemented_method unimplemented_service custom_metadata huge_messages deadline_is_told""".split()

LIMITED = "thousand_in_turns third_waits server_end_frees half_close_holds leaver_frees".split()


def play(check):
    bed.go("./interop")
    served = [bed.program("interop"), "server", "{port}"]
    with bed.Gate(bed.revision(served, protocol="h2c")) as gate:
        gate.until_ready()
        for name in LISTED:
            case(check, gate.address, name)
        check(gate.until(lambda: gate.in_flight() == 0), "nobody holds a slot at the end")
    with bed.Gate(bed.revision(served, protocol="h2c", containerConcurrency=2)) as gate:
        gate.until_ready()
        for name in LIMITED:
            case(check, gate.address, name, "at a limit of two")
            check(gate.until(lambda: gate.in_flight() == 0, 1), f"{name}: both slots are back")
    queue = {"maxRequests": 1}
    with bed.Gate(bed.revision(served, protocol="h2c", containerConcurrency=1, queue=queue)) as gate:
        gate.until_ready()
        full_queue(check, gate)


def full_queue(check, gate):
    """Two hold the slot and the one place in line, and the next is told so."""
    words = [bed.program("interop"), "case", gate.address, "third_waits"]
    with subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as holders:
        gate.until(lambda: gate.report()["queue"]["depth"] == 1, 5)
        case(check, gate.address, "refused", "with a full queue")
        holders.kill()


def case(check, address, name, more="", ca=()):
    done = bed.run(bed.program("interop"), "case", address, name, *ca, timeout=90)
    why = (done.stdout + done.stderr).strip().splitlines()[-1:]
    check(done.returncode == 0, " ".join([name, more, *why]))
