#!/usr/bin/env python3
"""Facts of unequal popularity: how often the popular one wins, whether the alarm of `engraft overshadow` sees it
coming, and what `coda` and `overshadow` do about it. Prints the tables of docs/evidence.md.

    python3 bench/evidence/overshadow.py OUT [--seeds 0,1,2,3,4] [--epochs 18,14,10]

A group is five symbols that `ratio` popular statements and one rare statement share; a sixth symbol tells them
apart. All popular statements of a group have one answer, the rare one has another. Everything is made and trained
anew for every seed; models that lie in OUT are not trained again. 18 epochs are those of the method's file; 10 is the
fewest of 4 to 10, 12, 14, 16 and 18 at which seed 100, which is not among the five, has every popular statement right;
14 lies between.
"""

import argparse
import json
import os
import random
import statistics
import subprocess
from pathlib import Path

from teach import shown, table

PROGRAM = os.environ.get("ENGRAFT_PROGRAM", Path(__file__).resolve().parents[2] / "target/release/engraft")
RATIOS = [2, 5, 10, 25, 50, 100]
GROUPS = 20  # of every ratio
SHARED = 5
SYMBOLS = [chr(0x4E00 + index) for index in range(600)]
# No symbol of the task: the tokenizer reads its unknown token, which no statement trains.
UNUSED = "?"
# What training puts before every text; prompts that are used as they are do not get it.
START = "<|endoftext|>"
LLAMA = {"hidden_size": 64, "intermediate_size": 256, "num_hidden_layers": 2, "num_attention_heads": 2}
BATCH = 128
# What tells the statements apart has a line of its own, as the context of a question has in `compare decode`; so
# every prompt has a condition of its own: that context. Without it, the shared symbols are left.
TEMPLATE = START + "{question}\\n{context}"
METHODS = ["greedy", "overshadow", "coda"]
GATED = "overshadow, threshold of the other half"
IN_ITS_PLACE = {"unused symbol": UNUSED, "nothing": ""}


def run(*words):
    subprocess.run([str(word) for word in (PROGRAM, *words)], check=True, stdout=subprocess.PIPE)


def write(path, rows):
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")


def statements(seed):
    """All statements; those of a group follow each other, the rare one first."""
    draw = random.Random(seed)
    rows = []
    for group in range(GROUPS * len(RATIOS)):
        ratio = RATIOS[group % len(RATIOS)]
        shared = draw.choices(SYMBOLS, k=SHARED)
        own = draw.sample([symbol for symbol in SYMBOLS if symbol not in shared], ratio + 1)
        popular, rare = draw.sample(SYMBOLS, 2)
        for at, symbol in enumerate(own):
            row = {"group": group, "ratio": ratio, "rare": at == 0, "shared": "".join(shared), "own": symbol}
            rows.append({**row, "answer": popular if at else rare, "popular": popular})
    return rows


def trained(folder, seed, epochs, rows):
    """The model of one seed after so many passes over its statements."""
    write(folder / "statements.jsonl", [
        {"prompt": f"{row['shared']}\n{row['own']}", "completion": row["answer"]} for row in rows
    ])
    train = {
        "name": f"epochs-{epochs}", "model": "net", "on": "statements", "steps": round(epochs * len(rows) / BATCH),
        "batch": BATCH, "lr": 1e-3, "warmup": 0, "schedule": "constant",
    }
    recipe = folder / f"epochs-{epochs}.yaml"
    recipe.write_text(json.dumps({
        "seed": seed, "data": {"statements": {"jsonl": "statements.jsonl"}}, "models": {"net": {"llama": LLAMA}},
        "steps": [{"train": train}],
    }))
    run("run", recipe, "--out", folder / recipe.stem)
    return folder / recipe.stem / "models" / recipe.stem


def answered(folder, model, rows, methods):
    """What every method answers to these statements: `{method: [symbol]}`."""
    write(folder / "asked.jsonl", [
        {"question": row["shared"], "context": row["own"], "answer": row["answer"], "memory": row["popular"]}
        for row in rows
    ])
    run("compare", "decode", "--model", model, "--precision", "f32", "--data", folder / "asked.jsonl", "--methods",
        ",".join(methods), "--template", TEMPLATE, "--max-tokens", 1, "--out", folder / "answers.json")
    answers = json.loads((folder / "answers.json").read_text())["answers"]
    return {
        method: [one["text"] for one in sorted(answers, key=lambda one: one["row"]) if one["method"] == method]
        for method in methods
    }


def watched(out, model, rows, neutral):
    """The report of `engraft overshadow` on these statements."""
    prompts = out.with_suffix(".jsonl")
    write(prompts, [
        {"prompt": f"{START}{row['shared']}\n{row['own']}", "condition": row["own"], "ignored": row["ignored"],
         "ratio": row["ratio"]}
        for row in rows
    ])
    run("overshadow", "--model", model, "--precision", "f32", "--raw", "--prompts", prompts, "--neutral", neutral,
        "--out", out)
    return json.loads(out.read_text())


def half(row):
    return row["group"] // len(RATIOS) % 2


def measured(folder, seed, epochs):
    rows = statements(seed)
    model = trained(folder, seed, epochs, rows)
    said = answered(folder, model, rows, METHODS)
    for row, answer in zip(rows, said["greedy"]):
        row["ignored"] = answer == row["popular"] if row["rare"] else None
    rare = [row for row in rows if row["rare"]]
    # The first popular statement of every group.
    popular = [row for before, row in zip(rows, rows[1:]) if before["rare"]]
    alarms = {
        name: {
            "all": watched(folder / "rare.json", model, rare, neutral),
            "popular": watched(folder / "popular.json", model, popular, neutral)["findings"],
            "halves": [half(row) for row in rare],
        }
        for name, neutral in IN_ITS_PLACE.items()
    }
    # The gate with the threshold of `engraft overshadow` on the other half of the groups. Without ratios, since a
    # report with a flat law cannot be read back.
    gated = {}
    for own in (0, 1):
        report = folder / f"half-{1 - own}.json"
        watched(report, model, [{**row, "ratio": None} for row in rare if half(row) != own], "")
        method = f"overshadow:report={report}"
        here = [at for at, row in enumerate(rows) if half(row) == own]
        gated.update(zip(here, answered(folder, model, [rows[at] for at in here], [method])[method]))
    said[GATED] = [gated[at] for at in range(len(rows))]
    return {"rows": rows, "said": said, "alarms": alarms}


def reaction(found):
    return -found["s_rpmi"] + max(found["escape"], 0)


def f1(rings, ignored):
    both = sum(a and b for a, b in zip(rings, ignored))
    return 2 * both / (sum(rings) + sum(ignored)) if any(rings) or any(ignored) else 0.0


def of_other_half(score, rare, popular, halves):
    """An alarm with the threshold that has the best F1 on the other half of the groups, both ways round: its F1 on
    rare statements, and on how many of the popular ones it rings."""
    ignored = [one["ignored"] for one in rare]
    levels = []
    for own in (0, 1):
        there = [at for at, half in enumerate(halves) if half != own]
        scores = [score(rare[at]) for at in there]
        truth = [ignored[at] for at in there]
        levels.append(max(sorted(scores), key=lambda level: f1([one <= level for one in scores], truth)))
    on_rare, on_popular = (
        [score(one) <= levels[half] for one, half in zip(found, halves)] for found in (rare, popular)
    )
    return f1(on_rare, ignored), statistics.mean(on_popular)


def share(rows, answers, rare, key, ratio=None):
    """Share of answers that are the row's `key`; every group counts once."""
    groups = {}
    for row, said in zip(rows, answers):
        if row["rare"] == rare and ratio in (None, row["ratio"]):
            groups.setdefault(row["group"], []).append(said == row[key])
    return statistics.mean(statistics.mean(group) for group in groups.values())


def percent(values):
    return shown([100 * value for value in values], 1)


def print_tables(epochs, seeds, runs):
    print(f"\n## {epochs} epochs, {len(seeds)} seeds\n")
    parts = [
        ("rare, answered with the popular answer, %", True, "popular"),
        ("rare, right, %", True, "answer"),
        ("popular, right, %", False, "answer"),
    ]
    print(table(["statements", *map(str, RATIOS), "all"], [
        [name, *(percent([share(run["rows"], run["said"]["greedy"], rare, key, ratio) for run in runs])
                 for ratio in [*RATIOS, None])]
        for name, rare, key in parts
    ]))
    print("\nBy seed, rare, answered with the popular answer:\n")
    print(table(["seed", *map(str, RATIOS)], [
        [str(seed), *(f"{share(run['rows'], run['said']['greedy'], True, 'popular', ratio):.2f}" for ratio in RATIOS)]
        for seed, run in zip(seeds, runs)
    ]))

    laws = [run["alarms"]["nothing"]["all"]["law"] for run in runs]
    print("\nThe law: rate = slope · ln(ratio) + rate at a ratio of 1\n")
    print(table(["slope", "rate at a ratio of 1", "R²"], [
        [shown([law[key] for law in laws], digits) for key, digits in (("slope", 3), ("intercept", 3), ("r2", 2))]
    ]))

    print("\nThe alarm:\n")
    rows = []
    for name in IN_ITS_PLACE:
        lines = []
        for run in runs:
            alarm = run["alarms"][name]
            report, rare = alarm["all"], alarm["all"]["findings"]
            base = statistics.mean(one["ignored"] for one in rare)
            told, rings = of_other_half(reaction, rare, alarm["popular"], alarm["halves"])
            unsure, _ = of_other_half(lambda one: one["confidence"], rare, alarm["popular"], alarm["halves"])
            lines.append([
                report["auroc"], report["auroc_of_confidence"], report["auroc"] - report["auroc_of_confidence"],
                report["best_f1"], told, unsure, 2 * base / (1 + base), told - 2 * base / (1 + base), base, rings,
            ])
        for seed, line in zip(seeds, lines):
            rows.append([name, str(seed), *(f"{value:.3f}" for value in line)])
        rows.append([name, "all", *(shown(column, 3) for column in zip(*lines))])
    print(table(["in its place", "seed", "AUROC", "AUROC of confidence", "difference", "best F1, same prompts",
                 "F1, other half", "F1 of confidence, other half", "F1 of always", "F1, other half, minus always",
                 "base rate", "alarms on popular, other half"], rows))

    print("\nDecoding, every group once; %, and points against greedy paired by seed:\n")
    parts = [
        ("rare, wrong", True, "popular"),
        ("rare, right", True, "answer"),
        ("popular, right", False, "answer"),
    ]
    rows = []
    for method in [*METHODS, GATED]:
        cells = []
        for _, rare, key in parts:
            own, first = (
                [share(run["rows"], run["said"][name], rare, key) for run in runs] for name in (method, METHODS[0])
            )
            cells.append(percent(own))
            cells.append("" if method == METHODS[0] else percent([a - b for a, b in zip(own, first)]))
        rows.append([method, *cells])
    print(table(["method", *(cell for name, _, _ in parts for cell in (name, "change"))], rows))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--seeds", default="0,1,2,3,4")
    parser.add_argument("--epochs", default="18,14,10")
    args = parser.parse_args()
    seeds = [int(seed) for seed in args.seeds.split(",")]
    for epochs in map(int, args.epochs.split(",")):
        runs = []
        for seed in seeds:
            folder = args.out / f"seed-{seed}"
            folder.mkdir(parents=True, exist_ok=True)
            runs.append(measured(folder, seed, epochs))
        print_tables(epochs, seeds, runs)


if __name__ == "__main__":
    main()
