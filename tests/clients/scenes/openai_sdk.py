"""The `openai` client before the sample model: streams, retries, and the model in the body."""

import threading
import time

import bed

ASK = {"messages": [{"role": "user", "content": "when do tulips open?"}]}


def play(check):
    two = [bed.sample("--tokens", "50", "--token-time", "5ms", name=name, models=[name]) for name in ("one", "two")]
    with bed.Gate(*two) as gate:
        gate.until_ready(name="one")
        gate.until_ready(name="two")
        answers(check, gate, client(gate))
    retries(check)
    given_up(check)


def client(gate, **more):
    import openai

    return openai.OpenAI(base_url=f"{gate.url}/v1", api_key="none", timeout=30, **{"max_retries": 0, **more})


def tried(check, what, work):
    """What the work returns; what it throws is a NO."""
    try:
        return work()
    except Exception as error:  # noqa: BLE001 - whatever a library throws at a user
        check(False, f"{what}: {type(error).__name__} {error}")
        return None


def answers(check, gate, openai):
    for name in ("one", "two"):
        said = tried(check, name, lambda: openai.chat.completions.create(model=name, **ASK))
        if said:
            check(said.model == name, f"the model in the body leads to {name}: {said.model} answered")
        streamed = tried(check, name, lambda: [
            (time.monotonic(), chunk) for chunk in openai.chat.completions.create(model=name, stream=True, **ASK)])
        if streamed:
            text = "".join(chunk.choices[0].delta.content or "" for _, chunk in streamed)
            spread = streamed[-1][0] - streamed[0][0]
            check(len(text.split()) == 50, f"50 tokens as a stream: {len(text.split())}")
            check(spread > 0.15, f"they come as they are made, over {spread * 1000:.0f} ms of 245")
        check(gate.until(lambda: gate.in_flight(name) == 0), "the slot is back")
    text = tried(check, "completions", lambda: openai.completions.create(model="two", prompt="tulips"))
    if text:
        check(text.model == "two", "a completion of the older kind, by the model in its body")
    listed = tried(check, "models.list", lambda: {model.id for model in openai.models.list()})
    if listed is not None:
        check(listed == {"one", "two"}, f"models.list has both: {sorted(listed)}")
    unknown(check, openai)


def unknown(check, openai):
    from openai import NotFoundError

    try:
        openai.chat.completions.create(model="three", **ASK)
        check(False, "a model that nobody has is answered")
    except NotFoundError as error:
        check(error.code == "no_route", f"a model that nobody has is 404 in OpenAI's form: {error.code}")


def full(**settings):
    """One slot, one place in line, a second of work each."""
    return bed.sample("--service-time", "1s", containerConcurrency=1, models=["m"],
                      queue={"maxRequests": 1, **settings.pop("queue", {})}, **settings)


def retries(check):
    """Four ask where two fit: 429 with Retry-After, and the client comes again until it is served."""
    with bed.Gate(full()) as gate:
        gate.until_ready()
        openai, said = client(gate, max_retries=8), []

        def ask():
            said.append(tried(check, "with retries", lambda: openai.chat.completions.create(model="m", **ASK)))

        askers = [threading.Thread(target=ask) for _ in range(4)]
        for asker in askers:
            asker.start()
        for asker in askers:
            asker.join()
        refused = counted(gate, 429)
        check(refused > 0, f"a full queue refused {refused} times")
        check(len(said) == 4 and all(said), "and all four were answered by coming again")


def given_up(check):
    """Without retries the refusal is the client's own error, with our reason in it."""
    from openai import InternalServerError, RateLimitError

    for status, error in (429, RateLimitError), (503, InternalServerError):
        with bed.Gate(full(overloadStatus=status)) as gate:
            gate.until_ready()
            openai = client(gate)
            ask = lambda: tried(check, "first", lambda: openai.chat.completions.create(model="m", **ASK))  # noqa: E731
            askers = [threading.Thread(target=ask) for _ in range(2)]
            for asker in askers:
                asker.start()
            gate.until(lambda: gate.report()["queue"]["depth"] == 1, 5)
            try:
                openai.chat.completions.create(model="m", **ASK)
                check(False, "the third fits where two do")
            except error as told:
                after = told.response.headers.get("retry-after")
                check(told.code == "queue_full", f"{status} is {error.__name__}: {told.code}")
                check(after is not None and 1 <= int(after) <= 120, f"and Retry-After says when to come again: {after}")
            for asker in askers:
                asker.join()


def counted(gate, status, name="m"):
    import urllib.request

    with urllib.request.urlopen(f"{gate.admin}/metrics", timeout=5) as answer:
        prefix = f'holdgate_requests_total{{revision="{name}",code="{status}"}} '
        lines = answer.read().decode().splitlines()
    return sum(int(line.removeprefix(prefix)) for line in lines if line.startswith(prefix))
