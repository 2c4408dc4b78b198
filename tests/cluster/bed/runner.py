"""Plays scenes side by side where they do not disturb each other, and tells what became of each."""

import concurrent.futures
import importlib
import pathlib
import subprocess
import sys
import time
import traceback

from .scene import SCENES, LawBroken, NotShown, Stage

HERE = pathlib.Path(__file__).resolve().parent.parent
SIDE_BY_SIDE = 4
AGAIN = 3       # at most so many scenes are played a second time


def chosen(numbers):
    """The scenes of these numbers, all of them if none is given; `g` and `5` mean also g1 and 5b."""
    for file in sorted((HERE / "scenes").glob("*.py")):
        importlib.import_module(f"scenes.{file.stem}")
    order = {number: place for place, number in enumerate(scene.number for scene in SCENES)}
    unknown = [number for number in numbers if not any(is_meant(scene, [number]) for scene in SCENES)]
    if unknown:
        sys.exit(f"no such scene: {', '.join(unknown)}; there are {', '.join(order)}")
    meant = [scene for scene in SCENES if not numbers or is_meant(scene, numbers)]
    return sorted(meant, key=lambda scene: (scene.last, scene.alone, order[scene.number]))


def is_meant(scene, numbers):
    """By its number, or the letters before it: `g` are all of the guides."""
    return any(number in (scene.number, scene.number.rstrip("0123456789")) for number in numbers)


class Play:
    """One run of several scenes."""

    def __init__(self, api, gateway, cluster, image, kept):
        self.given = (api, gateway, cluster, image, pathlib.Path(kept))
        self.gateway, self.cluster, self.kept = gateway, cluster, pathlib.Path(kept)
        self.failed, self.whole = {}, False     # by number, whether it may be played again

    def all(self, scenes):
        """Plays them. Whether all were shown."""
        begun = time.time()
        self.whole = len(scenes) == len(SCENES)
        able = [scene for scene in scenes if self.cluster or not scene.machine]
        for scene in scenes:
            if scene not in able:
                print(f"left out {scene.number:<4} {scene.sentence}: it wants a cluster of ours", flush=True)
        beside = [scene for scene in able if not scene.alone]
        alone = [scene for scene in able if scene.alone and not scene.last]
        with concurrent.futures.ThreadPoolExecutor(max_workers=SIDE_BY_SIDE) as pool:
            list(pool.map(self.one, beside))
        for scene in alone:
            self.one(scene)
        self.again(beside + alone)
        for scene in able:
            if scene.last:
                self.one(scene)
        shown = len(able) - len(self.failed)
        print(f"{shown} of {len(able)} scenes shown in {time.time() - begun:.0f} s"
              + (f"; not shown: {', '.join(self.failed)}" if self.failed else ""), flush=True)
        return not self.failed

    def again(self, scenes):
        """Plays by itself what others on a small machine made late. A loss is one in any case, and where many
        scenes fail, it is not the machine."""
        late = [scene for scene in scenes if self.failed.get(scene.number)]
        for scene in late if len(late) <= AGAIN else []:
            del self.failed[scene.number]
            self.one(scene, "again")

    def one(self, scene, *again):
        """Plays one of them, and prints its line."""
        number = "-".join([scene.number, *again])
        stage, problem, excused, begun = None, None, True, time.time()
        try:
            stage = Stage(number, *self.given, self.whole)
            scene.play(stage)
        except NotShown as error:
            problem, excused = str(error), not isinstance(error, LawBroken)
        except Exception:  # a scene that breaks is not shown either
            problem = traceback.format_exc().strip()
        figures = "; ".join(stage.figures) if stage else ""
        line = f"{'NO ' if problem else 'yes'} {number:<4} {scene.sentence} ({time.time() - begun:.0f} s)"
        print(line + (f": {figures}" if figures else "") + (f"\n        {problem}" if problem else ""), flush=True)
        if problem:
            self.failed[scene.number] = excused
            if stage:
                self.keep(stage, problem)
        if stage:
            stage.close()

    def keep(self, stage, problem):
        """What somebody wants to read who looks for the reason."""
        folder = self.kept / stage.number
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "problem").write_text(problem)
        since = f"{int(time.time() - stage.begun) + 5}s"
        (folder / "gateway.log").write_text(self.gateway.log(since))
        for namespace in stage.watched:
            for name, words in {"events": ["get", "events", "--sort-by=.lastTimestamp"],
                                "pods": ["get", "pods", "-o", "wide"], "pods.yaml": ["get", "pods", "-o", "yaml"],
                                "workloads.yaml": ["get", "isvc,deploy,sts,svc", "-o", "yaml"]}.items():
                ran = subprocess.run(["kubectl", "-n", namespace, *words], capture_output=True, text=True, check=False)
                (folder / f"{namespace}-{name}").write_text(ran.stdout + ran.stderr)
        revisions = [line for line in (folder / "gateway.log").read_text().splitlines() if stage.namespace in line]
        print("        " + "\n        ".join(["the gateway's log:", *revisions[-15:],
                                             f"more of it is in {folder}"]), flush=True)
