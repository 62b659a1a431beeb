#!/usr/bin/env python3
"""Times Engraft's training steps beside PyTorch's, in turns, and prints a table of ratios."""

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
import venv
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
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
# Cores others may keep busy.
QUIET = 0.5
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


def python_with_torch():
    """`ENGRAFT_BENCH_PYTHON`, or a scratch environment that is made once."""
    given = os.environ.get("ENGRAFT_BENCH_PYTHON")
    if given:
        return given
    folder = Path(tempfile.gettempdir()) / "engraft-bench-torch"
    python = folder / "bin" / "python"
    if not python.exists():
        print(f"making an environment with PyTorch in {folder}", file=sys.stderr)
        venv.create(folder, with_pip=True)
    if subprocess.run([python, "-c", "import torch, peft"], stderr=subprocess.DEVNULL).returncode:
        # numpy only silences a warning of PyTorch's.
        install = [python, "-m", "pip", "install", "--quiet", "torch", "numpy", "peft"]
        subprocess.run(install, check=True)
    return str(python)


def build():
    command = ["cargo", "build", "--release", "-p", "engraft", "--example", "bench_steps"]
    command += ["--message-format", "json-render-diagnostics"]
    built = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    if built.returncode:
        sys.exit("the build failed; its message is above")
    for line in built.stdout.splitlines():
        message = json.loads(line)
        if message.get("target", {}).get("name") == "bench_steps" and message.get("executable"):
            return message["executable"]
    sys.exit("cargo built no bench_steps")


def instruction_set():
    with open("/proc/cpuinfo") as file:
        lines = file.read().splitlines()
    flags = next((line for line in lines if line.startswith("flags")), "").split()
    model = next((line.split(": ")[1] for line in lines if line.startswith("model name")), "?")
    for flag, name in [("avx512f", "AVX-512"), ("avx2", "AVX2")]:
        if flag in flags:
            return model, name
    return model, platform.machine()


def busy_cores(seconds=1.0):
    """Cores in use now; both sides wait, so it is others that use them."""

    def times():
        with open("/proc/stat") as file:
            numbers = [int(number) for number in file.readline().split()[1:9]]
        return sum(numbers), numbers[3] + numbers[4]

    (all_before, idle_before) = times()
    time.sleep(seconds)
    (all_after, idle_after) = times()
    passed = max(all_after - all_before, 1)
    return (1 - (idle_after - idle_before) / passed) * os.cpu_count()


def measure(model, sides, rounds, steps):
    """Rounds of A B A B; every variant of the peer has its turn."""
    first = {name: side.run(3) for name, side in sides.items()}
    same(model, first)
    turns = {name: [] for name in sides}
    noise = []
    for number in range(rounds):
        noise.append(busy_cores())
        if noise[-1] > QUIET:
            message = f"{model}, round {number + 1}: others keep {noise[-1]:.1f} cores busy"
            print(f"warning: {message}; the numbers are not to be trusted", file=sys.stderr)
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
    rows = [head, ["---"] * len(head)]
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
    return "\n".join("| " + " | ".join(row) + " |" for row in rows)


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
    python, program = python_with_torch(), build()
    load, busy = os.getloadavg()[0], busy_cores()
    if busy > QUIET and not given.busy:
        sys.exit(f"others keep {busy:.1f} cores busy; wait, or pass --busy for rough numbers")
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
