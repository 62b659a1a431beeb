#!/usr/bin/env python3
"""Times Engraft's training steps beside PyTorch's, in turns, and prints a table of ratios."""

import argparse
import json
import os
import statistics
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.append(str(HERE.parent))
from beside import built, instruction_set, markdown, noise_of, python_with, quiet_or_end

# The peer's ways to do the same; the fastest counts.
VARIANTS = {
    "mlp": ["default", "fused"],
    "resnet": ["default", "fused"],
    "gpt": ["default", "fused"],
    "lora": ["default", "fused"],
    "kd": ["softmax", "log_softmax"],
}
MODELS = list(VARIANTS)
# Steps a turn, so that one takes a few seconds at most.
STEPS = {"mlp": 200, "resnet": 10, "gpt": 6, "lora": 4, "kd": 10}
# Largest share of PyTorch's time, with AVX-512, and of its memory.
GOALS = {"mlp": 0.9, "resnet": 1.0, "gpt": 0.85, "lora": 1.0, "kd": 0.2}
MEMORY_GOALS = {"kd": 0.25}
# Difference of the losses of both sides that rounding explains, relative.
SAME = 1e-4


class Side:
    """One of the two programs that run steps on request."""

    def __init__(self, command, **environment):
        self.process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, **environment},
        )

    def run(self, steps):
        self.process.stdin.write(f"{steps}\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        if not line:
            sys.exit(f"{' '.join(self.process.args)} ended; its message is above")
        return json.loads(line)

    def close(self):
        self.process.stdin.close()
        self.process.wait()


def measure(model, sides, rounds, steps):
    """Rounds of A B A B; every variant of the peer has its turn."""
    first = {name: side.run(3) for name, side in sides.items()}
    same(model, first)
    turns = {name: [] for name in sides}
    noise = []
    for number in range(rounds):
        noise.append(noise_of(f"{model}, round {number + 1}"))
        for name, side in sides.items():
            turns[name].append(side.run(steps))
    for side in sides.values():
        side.close()
    return {"first": first, "turns": turns, "busy_cores": noise}


def same(model, first):
    """Stops where the two sides do not compute the same."""
    ours = first["engraft"]
    for name, theirs in first.items():
        if theirs["parameters"] != ours["parameters"]:
            numbers = f"{theirs['parameters']} parameters, ours {ours['parameters']}"
            sys.exit(f"{model}: PyTorch's {name} has {numbers}")
        for a, b in zip(ours["losses"], theirs["losses"]):
            if abs(a - b) > SAME * abs(b):
                numbers = f"{theirs['losses']}, ours {ours['losses']}"
                sys.exit(f"{model}: the losses of PyTorch's {name} are {numbers}")


def summary(turns):
    ms = [time for turn in turns for time in turn["ms"]]
    extra = statistics.median(turn["extra_mb"] for turn in turns)
    return {"median": statistics.median(ms), "min": min(ms), "extra_mb": extra}


def table(results):
    head = ["model", "Engraft ms (min)", "PyTorch ms (min)", "its variant", "ratio", "of minima"]
    head += ["extra MB", "PyTorch's", "ratio", "goals"]
    rows = [head]
    for model, result in results.items():
        sides = {name: summary(turns) for name, turns in result["turns"].items()}
        ours = sides.pop("engraft")
        name, peer = min(sides.items(), key=lambda side: side[1]["median"])
        leanest = min(side["extra_mb"] for side in sides.values())
        ratio, memory = ours["median"] / peer["median"], ours["extra_mb"] / max(leanest, 1e-9)
        goals = f"time {GOALS[model]}"
        met = ratio <= GOALS[model]
        if model in MEMORY_GOALS:
            goals += f", memory {MEMORY_GOALS[model]}"
            met &= memory <= MEMORY_GOALS[model]
        rows.append(
            [
                model,
                f"{ours['median']:.1f} ({ours['min']:.1f})",
                f"{peer['median']:.1f} ({peer['min']:.1f})",
                name,
                f"{ratio:.2f}",
                f"{ours['min'] / peer['min']:.2f}",
                f"{ours['extra_mb']:.0f}",
                f"{leanest:.0f}",
                f"{memory:.2f}",
                f"{goals}: {'met' if met else 'missed'}",
            ]
        )
        result["summary"] = {"engraft": ours, **sides}
        result["ratio"], result["memory_ratio"] = ratio, memory
    return markdown(rows)


def arguments():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--models", default=",".join(MODELS), help="some of %(default)s")
    parser.add_argument("--rounds", type=int, default=5, help="turns of each side (%(default)s)")
    parser.add_argument("--steps", type=int, help="steps a turn (by model if not given)")
    parser.add_argument("--threads", type=int, default=os.cpu_count(), help="threads of each side")
    parser.add_argument("--json", type=Path, help="write every number to this file")
    parser.add_argument("--busy", action="store_true", help="run although the machine is busy")
    given = parser.parse_args()
    given.models = given.models.split(",")
    unknown = [model for model in given.models if model not in MODELS]
    if unknown or given.rounds < 1 or (given.steps or 1) < 1:
        parser.error(f"models are {', '.join(MODELS)}; rounds and steps are 1 or more")
    return given


def main():
    given = arguments()
    # numpy only silences a warning of PyTorch's.
    python = python_with("torch", "torch, peft", ["torch", "numpy", "peft"])
    program = built("engraft", "bench_steps")
    load = os.getloadavg()[0]
    quiet_or_end(given.busy)
    threads, results = str(given.threads), {}
    for model in given.models:
        sides = {"engraft": Side([program, model], RAYON_NUM_THREADS=threads)}
        for variant in VARIANTS[model]:
            command = [python, str(HERE / "peer.py"), model, variant]
            sides[variant] = Side(command, ENGRAFT_BENCH_THREADS=threads)
        results[model] = measure(model, sides, given.rounds, given.steps or STEPS[model])
    cpu, instructions = instruction_set()
    versions = {name: run["version"] for name, run in results[given.models[0]]["first"].items()}
    ours = versions.pop("engraft")
    versions = {"engraft": ours, "torch": next(iter(versions.values()))}
    print(
        f"{cpu}, {instructions}, {threads} threads; Engraft {versions['engraft']}, "
        f"PyTorch {versions['torch']}; {given.rounds} rounds; load at start {load:.1f}\n"
    )
    print(table(results))
    if given.json:
        about = {"cpu": cpu, "instructions": instructions, "threads": given.threads, "load": load}
        given.json.write_text(json.dumps({**about, "versions": versions, "models": results}))


if __name__ == "__main__":
    main()
