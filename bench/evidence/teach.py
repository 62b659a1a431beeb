#!/usr/bin/env python3
"""The tables of `engraft run teach-smollm2` in docs/evidence.md, from the folder of its run.

    python3 bench/evidence/teach.py runs/teach-smollm2
"""

import json
import statistics
import sys
from pathlib import Path

# Student's t, 97.5 %, by degrees of freedom.
T = {1: 12.706, 2: 4.303, 3: 3.182, 4: 2.776, 5: 2.571, 6: 2.447, 7: 2.365, 8: 2.306, 9: 2.262}
PROBES = {
    "statements": ("statements never taught, facts", 100, 1),
    "log p": ("statements never taught, facts, log-probability", 1, 2),
    "questions": ("questions never taught, facts", 100, 1),
    "taught": ("statements taught, facts", 100, 1),
    "WikiText": ("perplexity of wikitext, held out", 1, 2),
    "known": ("completions, known", 100, 1),
    "known log p": ("completions, known, log-probability", 1, 2),
    "spill, pp": ("taught answers after unrelated prompts", 100, 2),
    "priming": ("priming score, unrelated prompts", 1, 2),
    "said": ("unrelated prompts now answered so", 100, 1),
}
# Pairs worth a line: (this, minus that).
PAIRS = [
    ("kore", "lora"),
    ("kore", "full"),
    ("mix-cpt", "self-distilled"),
    ("mix-cpt", "text-only"),
    *((f"{name}-topk", f"{name}-{other}") for name in ("lora", "full", "kore", "mix-cpt")
      for other in ("shrink", "random")),
    *((f"{name}-stones", name) for name in ("lora", "full", "kore", "mix-cpt")),
]


def shown(values, digits):
    """Mean and the half of its t interval."""
    mean = statistics.mean(values)
    if len(values) < 2:
        return f"{mean:.{digits}f}"
    half = T[len(values) - 1] * statistics.stdev(values) / len(values) ** 0.5
    return f"{mean:.{digits}f} ± {half:.{digits}f}"


def ranks(values):
    order = sorted(values)
    return [order.index(value) + (order.count(value) + 1) / 2 for value in values]


def pearson(x, y):
    mx, my = statistics.mean(x), statistics.mean(y)
    top = sum((a - mx) * (b - my) for a, b in zip(x, y))
    return top / (sum((a - mx) ** 2 for a in x) * sum((b - my) ** 2 for b in y)) ** 0.5


def table(head, rows):
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def main():
    folder = Path(sys.argv[1])
    runs = []
    for seed in sorted(folder.glob("seed-*")):
        results = [json.loads(path.read_text())["entry"] for path in seed.glob("steps/*/result.json")]
        runs.append({entry["step"]: entry for entry in results})
    names = [entry["step"] for entry in sorted(runs[0].values(), key=lambda entry: entry["time"])]

    def values(step, probe, key="measurements"):
        entries = [run[step] for run in runs if step in run]
        found = [[m["value"] for m in entry[key] if m["probe"] == probe] for entry in entries]
        return [value[0] for value in found if value]

    print(f"{len(runs)} seeds\n")
    rows = []
    before = [values(names[0], probe, "before") for probe, _, _ in PROBES.values()]
    cells = [
        shown([v * scale for v in found], digits) if found else "–"
        for found, (_, scale, digits) in zip(before, PROBES.values())
    ]
    rows.append(["before", *cells, "", "", ""])
    for name in names:
        cells = []
        for probe, scale, digits in PROBES.values():
            found = [value * scale for value in values(name, probe)]
            cells.append(shown(found, digits) if found else "–")
        entries = [run[name] for run in runs if name in run]
        seconds = statistics.median(entry["trained_seconds"] for entry in entries)
        memory = max(entry["peak_memory"] for entry in entries) / 1e9
        trained = entries[0]["trained_parameters"] / 1e6
        cost = [f"{seconds:.0f}", f"{memory:.1f}", f"{trained:.1f}" if trained else "–"]
        rows.append([name, *cells, *cost])
    print(table(["step", *PROBES, "seconds", "GB", "M trained"], rows))

    print("\nPaired by seed:\n")
    rows = []
    for this, that in PAIRS:
        cells = []
        for probe, scale, digits in PROBES.values():
            pairs = [
                (values_of(run[this], probe) - values_of(run[that], probe)) * scale
                for run in runs
                if this in run and that in run
            ]
            cells.append(shown(pairs, digits) if pairs else "–")
        rows.append([f"{this} minus {that}", *cells])
    print(table(["difference", *PROBES], rows))

    print("\nSurprise before and priming after, all facts of all seeds (log10, Spearman):\n")
    rows = []
    for name in names:
        facts = [fact for run in runs if name in run for fact in run[name]["report"]["spill"]["facts"]]
        surprise = [fact["log10_before"] for fact in facts]
        primed = [fact["priming_log10"] for fact in facts]
        change = [fact["priming_change"] for fact in facts]
        rows.append([
            name,
            str(len(facts)),
            f"{pearson(ranks(surprise), ranks(primed)):.2f}",
            f"{pearson(ranks(surprise), ranks(change)):.2f}",
        ])
    print(table(["step", "facts", "with the score", "with the change of P"], rows))


def values_of(entry, probe):
    return next(m["value"] for m in entry["measurements"] if m["probe"] == probe)


if __name__ == "__main__":
    main()
