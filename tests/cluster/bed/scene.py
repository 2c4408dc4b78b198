"""What a scene is, and what it is given to work with."""

import dataclasses
import os
import time
from typing import Callable

from . import requests, world
from .pods import Pods

SCENES = []
LONG = "HOLDGATE_LONG" in os.environ    # as long as promised, and not just long enough to see what breaks


class NotShown(Exception):
    """What was promised is not what was seen."""


class LawBroken(NotShown):
    """A request was lost or a hard limit was not held: no busy machine excuses that."""


@dataclasses.dataclass
class Scene:
    """One promise, and how it is shown."""
    number: str
    sentence: str
    play: Callable
    alone: bool
    machine: bool
    last: int


def scene(number, sentence, *, alone=False, machine=False, last=0):
    """Marks a function as one. `alone`: nothing else goes on meanwhile. `machine`: it does things to the
    cluster itself, and wants one of ours. `last`: after all others, in this order."""
    def mark(play):
        SCENES.append(Scene(number, sentence, play, alone or bool(last), machine, last))
        return play
    return mark


class Stage:
    """A namespace of its own, the cluster's API, the gateway, and a place for what was seen."""

    def __init__(self, number, api, gateway, cluster, image, kept, whole):
        self.number, self.api, self.gateway, self.cluster, self.image = number, api, gateway, cluster, image
        self.whole = whole      # every scene is played in this run
        self.kept, self.figures, self.begun, self.watched = kept, [], time.time(), {}
        self.namespace = self.new_namespace(f"scene-{number}")

    def new_namespace(self, name):
        """A namespace that goes with the scene."""
        self.api.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
        self.watched[name] = Pods(self.api, name, direct=self.cluster is not None)
        return name

    @property
    def pods(self):
        """The pods of its first namespace."""
        return self.watched[self.namespace]

    def close(self):
        """Takes its namespaces away."""
        for name, pods in self.watched.items():
            pods.close()
            self.api.delete("Namespace", None, name)

    def figure(self, text):
        """Something seen that a person may want to read."""
        self.figures.append(text)

    def keep(self, name, text):
        """Something longer, as a file."""
        self.kept.mkdir(parents=True, exist_ok=True)
        (self.kept / name).write_text(text)

    def shown(self, fact, what):
        """Goes on if it holds."""
        if not fact:
            raise NotShown(what)

    def law(self, fact, what):
        """Goes on if it holds; a scene in which it does not is not played again."""
        if not fact:
            raise LawBroken(what)

    def within_limit(self, limit, workload=""):
        """No model server ever had more requests at once."""
        busiest = self.pods.busiest(workload)
        self.law(0 < busiest <= limit, f"a model server had {busiest} requests at once")

    def until(self, seconds, holds, what):
        """Waits for something to hold, and returns it."""
        try:
            return world.until(seconds, holds, what)
        except TimeoutError as error:
            raise NotShown(str(error)) from None

    def throughout(self, seconds, holds, what):
        """Holds for so long."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            self.shown(holds(), what() if callable(what) else what)
            time.sleep(0.2)

    def apply(self, *objects):
        """Makes objects, in its namespace where they name none."""
        for thing in objects:
            thing["metadata"].setdefault("namespace", self.namespace)
            self.api.apply(thing)

    def ask(self, host, **options):
        """One request to the gateway."""
        return requests.ask(self.gateway.address, host, **options)

    def load(self, host, workers, **options):
        """Clients in a closed loop, as a context."""
        return requests.Load(self.gateway.address, host, workers, **options)

    def at_rate(self, host, rate, seconds, **options):
        """An open loop."""
        return requests.at_rate(self.gateway.address, host, rate, seconds, **options)

    def hey(self, model, *words):
        """hey, with none of its requests left without an answer."""
        before = self.gateway.answered(model.revision)
        answers = requests.hey(self.gateway.address, model.host, *words, path=model.path)
        counted = world.until(5, lambda: self.answered_since(model, before, len(answers)), "the count") - before
        self.law(counted == len(answers),
                 f"hey has {len(answers)} answers, the gateway took {counted} requests")
        return answers

    def answered_since(self, model, before, wanted):
        """How many the gateway has counted, once it has counted enough; after two seconds anyhow."""
        deadline = time.monotonic() + 2
        while (now := self.gateway.answered(model.revision)) - before < wanted and time.monotonic() < deadline:
            time.sleep(0.1)
        return now

    def all_fine(self, answers):
        """Every request has its whole, good answer."""
        self.shown(answers, "there was no request at all")
        self.law(not answers.lost, f"not all were answered well: {answers.counted()}")

    def events(self, about=None, reason=None, namespace=None):
        """What was told about an object, or all of the namespace: (reason, sentence)."""
        found = self.api.get("Event", namespace or self.namespace)
        return [(event["reason"], event.get("message", "")) for event in found
                if about in (None, event["involvedObject"]["name"]) and reason in (None, event["reason"])
                and ours(event)]

    def until_event(self, words, about=None, seconds=20, namespace=None):
        """Waits for an Event of ours in which each of these words stands."""
        def found():
            return [told for told in self.events(about, namespace=namespace)
                    if all(word.lower() in " ".join(told).lower() for word in words)]
        try:
            return world.until(seconds, found, "it")[0]
        except TimeoutError:
            raise NotShown(f"no Event with {words} about {about or 'anything'} but "
                           f"{self.events(about, namespace=namespace)}") from None


def ours(event):
    """Whether the gateway told it."""
    told_by = [event.get("reportingComponent", ""), event.get("source", {}).get("component", "")]
    return any("holdgate" in name for name in told_by)
