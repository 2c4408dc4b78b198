"""Clients: one request, many in a closed loop, many at a rate, and hey."""

import concurrent.futures
import csv
import dataclasses
import http.client
import io
import socket
import subprocess
import threading
import time

PREDICT = "/v1/models/flowers-sample:predict"
BODY = b'{"instances": [[6.8, 2.8, 4.8, 1.4]]}'


@dataclasses.dataclass
class Answer:
    """What came back, or why nothing whole did."""
    began: float
    seconds: float
    status: int
    body: bytes = b""
    headers: dict = dataclasses.field(default_factory=dict)
    error: str = ""

    @property
    def fine(self):
        """A whole answer, and a good one."""
        return self.status == 200 and not self.error

    def __str__(self):
        reason = self.headers.get("x-holdgate-reason", "")
        return f"{self.error or self.status}{' ' + reason if reason else ''} after {self.seconds:.2f} s"


def ask(address, host, path=PREDICT, body=BODY, timeout=60, connection=None, **headers):
    """One request; never an exception. `service_time` in headers is the model's to obey."""
    own = connection or http.client.HTTPConnection(*address, timeout=timeout)
    sent = {"Host": host, "Content-Type": "application/json"}
    sent |= {f"x-sample-{name.replace('_', '-')}": str(value) for name, value in headers.items()}
    began = time.time()
    try:
        own.request("POST" if body is not None else "GET", path, body, sent)
        answer = own.getresponse()
        content = answer.read()
        told = {name.lower(): value for name, value in answer.getheaders()}
        return Answer(began, time.time() - began, answer.status, content, told)
    except (http.client.HTTPException, OSError) as error:
        own.close()
        return Answer(began, time.time() - began, 0, error=f"{type(error).__name__}: {error}")
    finally:
        if connection is None:
            own.close()


class Answers(list):
    """What a load got, and what can be said of it."""

    @property
    def lost(self):
        """Those that are not 200 and whole."""
        return [answer for answer in self if not answer.fine]

    def counted(self):
        """How many of each status."""
        counts = {}
        for answer in self:
            key = answer.error or " ".join([str(answer.status), answer.headers.get("x-holdgate-reason", "")]).strip()
            counts[key] = counts.get(key, 0) + 1
        return ", ".join(f"{count} x {key}" for key, count in sorted(counts.items())) or "none"

    def slow(self, seconds):
        """How many took longer."""
        return sum(answer.seconds > seconds for answer in self)

    def percentile(self, percent):
        """In seconds."""
        return percentile([answer.seconds for answer in self], percent)

    def summary(self):
        """In a line."""
        return (f"{self.counted()}; p50 {self.percentile(50) * 1000:.0f} ms, "
                f"p99 {self.percentile(99) * 1000:.0f} ms, slowest {self.percentile(100):.2f} s")


def percentile(values, percent):
    """By the nearest rank."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * percent / 100))] if ordered else float("nan")


class Load:
    """So many clients, each with its next request once it has an answer. Unlike hey it takes a body that
    was cut short for what it is, and counts the requests that got no answer."""

    def __init__(self, address, host, workers, **headers):
        self.address, self.host, self.headers = address, host, headers
        self.answers, self.over = Answers(), threading.Event()
        self.workers = [threading.Thread(target=self.work, daemon=True) for _ in range(workers)]

    def work(self):
        """One client."""
        connection = http.client.HTTPConnection(*self.address, timeout=90)
        while not self.over.is_set():
            answer = ask(self.address, self.host, connection=connection, **self.headers)
            self.answers.append(answer)
            if answer.error:    # nobody is there for the moment: asking a thousand times a second is no load
                time.sleep(0.05)
        connection.close()

    def __enter__(self):
        for worker in self.workers:
            worker.start()
        return self

    def __exit__(self, *_):
        self.stop()

    def stop(self):
        """Lets what is under way finish, and returns all answers."""
        self.over.set()
        for worker in self.workers:
            worker.join()
        return self.answers


def at_rate(address, host, rate, seconds, **headers):
    """An open loop: so many requests a second, whatever becomes of them."""
    answers, begun = Answers(), time.monotonic()
    with concurrent.futures.ThreadPoolExecutor(max_workers=200) as pool:
        futures = []
        for n in range(int(rate * seconds)):
            time.sleep(max(0, begun + n / rate - time.monotonic()))
            futures.append(pool.submit(ask, address, host, **headers))
        answers.extend(future.result() for future in futures)
    return answers


def hey(address, host, *words, path=PREDICT):
    """What hey saw. Its table has no row for a request without an answer: whoever wants none lost holds the
    number of rows against what the gateway counted."""
    command = ["hey", "-o", "csv", "-m", "POST", "-T", "application/json", "-d", BODY.decode(), "-host", host,
               *words, f"http://{address[0]}:{address[1]}{path}"]
    ran = subprocess.run(command, capture_output=True, text=True, check=True)
    return Answers(Answer(float(row["offset"]), float(row["response-time"]), int(row["status-code"]))
                   for row in csv.DictReader(io.StringIO(ran.stdout)))


def is_taken(address):
    """Whether a connection to it is, now."""
    try:
        socket.create_connection(address, timeout=1).close()
    except OSError:
        return False
    return True


class Knocks:
    """Connections to an address, one after the other and without a request, as a context: how many were not
    taken."""

    def __init__(self, address, every=0.05):
        self.address, self.every = address, every
        self.taken, self.refused, self.over = 0, [], threading.Event()
        self.thread = threading.Thread(target=self.work, daemon=True)

    def work(self):
        """Until it is over."""
        while not self.over.wait(self.every):
            try:
                socket.create_connection(self.address, timeout=3).close()
                self.taken += 1
            except OSError as error:
                self.refused.append((time.time(), str(error)))

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.over.set()
        self.thread.join()


def in_background(function, *args, **kwargs):
    """Runs it beside; `.result()` waits for what it returns."""
    future = concurrent.futures.Future()

    def run():
        try:
            future.set_result(function(*args, **kwargs))
        except BaseException as error:  # whoever asks for the result gets it
            future.set_exception(error)
    threading.Thread(target=run, daemon=True).start()
    return future
