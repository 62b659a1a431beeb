"""Runs a recipe with several seeds and prints a table of what every step reached, as markdown.

    python3 bench/evidence/seeds.py [RECIPE] [--seeds 5] [--first 0] [--out runs/evidence]

Means over seeds with 95 % t intervals; differences between two steps are paired by seed:
    --against student-text:student-kl   (repeatable: second minus first)
A run that is finished already is not repeated.
"""

import argparse
import json
import math
import subprocess
from pathlib import Path

# Two-sided 95 % quantiles of Student's t for 1 to 19 degrees of freedom.
T = [12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228]
T += [2.201, 2.179, 2.160, 2.145, 2.131, 2.120, 2.110, 2.101, 2.093]


def interval(values):
    mean = sum(values) / len(values)
    if len(values) < 2:
        return mean, float("nan")
    variance = sum((v - mean) ** 2 for v in values) / (len(values) - 1)
    return mean, T[len(values) - 2] * math.sqrt(variance / len(values))


def scale(unit):
    return {"share": (100, " %"), "points": (100, " pp")}.get(unit, (1, ""))


def shown(values, unit):
    factor, suffix = scale(unit)
    mean, half = interval(values)
    return f"{mean * factor:.2f} ± {half * factor:.2f}{suffix}"


def main():
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("recipe", nargs="?", default="quickstart")
    options.add_argument("--seeds", type=int, default=5)
    options.add_argument("--first", type=int, default=0)
    options.add_argument("--out", type=Path, default=Path("runs/evidence"))
    options.add_argument("--against", action="append", default=[])
    options.add_argument("--program", default="target/release/engraft")
    asked = options.parse_args()

    runs = []
    for seed in range(asked.first, asked.first + asked.seeds):
        out = asked.out / Path(asked.recipe).stem / f"seed-{seed}"
        command = [asked.program, "run", asked.recipe, "--out", out, "--set", f"seed={seed}"]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        entries = map(json.loads, (out / "ledger.jsonl").read_text().splitlines())
        runs.append({entry["step"]: entry for entry in entries})

    steps = list(runs[0])
    print(f"{asked.recipe}, {len(runs)} seeds from {asked.first}; {runs[0][steps[0]]['machine']}\n")
    print("| step | gain | kept (before) | spill | fact bits | s | MB |\n|---|---|---|---|---|---|---|")
    for step in steps:
        entries = [run[step] for run in runs]

        def column(key):
            found = [entry.get(key) for entry in entries]
            return "–" if None in found else shown([f["value"] for f in found], found[0]["unit"])

        kept = column("kept")
        if entries[0].get("kept_before"):
            kept += f" ({column('kept_before')})"
        bits = [e["bits"]["values"] for e in entries if e.get("bits")]
        bits = f"{sum(bits) / len(bits):.0f}" if bits else "–"
        seconds = sum(e["trained_seconds"] for e in entries) / len(entries)
        memory = max((e["peak_memory"] or 0) >> 20 for e in entries)
        print(f"| {step} | {column('gain')} | {kept} | {column('spill')} | {bits} | {seconds:.0f} | {memory} |")

    probes = {m["probe"]: m["unit"] for step in steps for m in runs[0][step]["measurements"]}
    print("\n| probe | " + " | ".join(steps) + " |\n|---" * 1 + "|---" * len(steps) + "|")
    for probe, unit in probes.items():
        cells = []
        for step in steps:
            found = [m["value"] for run in runs for m in run[step]["measurements"] if m["probe"] == probe]
            cells.append(shown(found, unit) if len(found) == len(runs) else "–")
        print(f"| {probe} | " + " | ".join(cells) + " |")

    for pair in asked.against:
        first, second = pair.split(":")
        print(f"\n{second} minus {first}, paired by seed:\n")
        for probe, unit in probes.items():
            values = [
                [m["value"] for run in runs for m in run[step]["measurements"] if m["probe"] == probe]
                for step in (first, second)
            ]
            if len(values[0]) == len(values[1]) == len(runs):
                print(f"- {probe}: {shown([b - a for a, b in zip(*values)], unit)}")


main()
