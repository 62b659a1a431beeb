#!/usr/bin/env python3
"""PH3: memory heads silenced beside as many random ones, with the context and without.

    python3 bench/evidence/silence.py FILES OUT

FILES is made by conflicts.py. For each of three splits `engraft heads` scores heads on the facts it knows among
twelve of the capitals; the other 39 are asked. Random heads are ten draws.
"""

import json
import random
import statistics
import sys
from pathlib import Path

from trials import MODEL, answers, grouped, items, less, read, run, shown, spread, table, write

SPLITS, SEEN, DRAWS = 3, 12, 10
K = [1, 3, 5, 15]
RANDOM_K = [3, 15]
# What is not asked without a context: CAD is greedy there.
UNPRICED = ["CAD", "15 memory", "15 random"]
TEMPLATES = ["plain", "qa", "labelled", "chat"]
# The same without a context; the chat template writes an empty one, so it is left out.
BARE = ["plain", "qa", "{context}\\nQuestion: {question}\\nAnswer:{lead}"]
PROMPTS = ["{question}\n{lead}", "Q: {question}\nA: {lead}", "Question: {question}\nAnswer: {lead}"]


def head_files(out, facts):
    """Head files by split, and the facts that each did not see; then random ones."""
    found, asked = [], []
    for split in range(SPLITS):
        order = list(range(len(facts)))
        random.Random(split).shuffle(order)
        asked.append(set(order[SEEN:]))
        found.append(out / f"heads-{split}.json")
        if not found[-1].exists():
            seen = write(out / f"seen-{split}.jsonl", [facts[at] for at in order[:SEEN]])
            print(run("heads", "--model", MODEL, "--facts", seen, "--k", 1, "--draws", 1, "--out", found[-1]))
    pattern = json.loads(found[0].read_text())
    drawn = []
    for seed in range(DRAWS):
        # The memory heads of random scores are random heads.
        draw = random.Random(1000 + seed)
        pattern["scores"] = [[draw.random() - 1 for _ in range(pattern["heads"])] for _ in range(pattern["blocks"])]
        drawn.append(out / f"random-{seed}.json")
        drawn[-1].write_text(json.dumps(pattern))
    return found, asked, drawn


def main():
    files, out = Path(sys.argv[1]), Path(sys.argv[2])
    out.mkdir(parents=True, exist_ok=True)
    data = files / "capitals.jsonl"
    facts = read(data)
    found, asked, drawn = head_files(out, facts)
    bare = write(out / "bare.jsonl", [{**fact, "context": ""} for fact in facts])
    completions = [
        write(out / f"bare-{at}.jsonl", [
            {"prompt": prompt.format(**fact), "completion": " " + fact["memory"]} for fact in facts
        ])
        for at, prompt in enumerate(PROMPTS)
    ]

    # Each row: the methods of its splits or draws.
    rows = {"nothing": ["greedy"], "CAD": ["cad"]}
    for k in K:
        rows[f"{k} memory"] = [f"ph3:prune={path}:k={k}" for path in found]
        if k in RANDOM_K:
            rows[f"{k} random"] = [f"ph3:prune={path}:k={k}" for path in drawn]
    rows["3 context"] = [f"ph3:prune={path}:k=3:side=context" for path in found]

    told = {name: {"with": [], "bare": [], "log p": []} for name in rows}
    for name, methods in rows.items():
        for at, method in enumerate(methods):
            stem = f"{name.replace(' ', '-')}-{at}"
            told[name]["with"].append(answers(out / f"{stem}.json", data, [method], TEMPLATES, 12))
            if name in UNPRICED:
                continue
            told[name]["bare"].append(answers(out / f"{stem}-bare.json", bare, [method], BARE, 12))
            told[name]["log p"].append([
                items(out / f"{stem}-bare-{place}.items", path, "--method", method)
                for place, path in enumerate(completions)
            ])

    def gathered(name, what, value):
        """`{fact: [value]}` on the facts that a split did not see, over splits and, of random heads, over draws."""
        ways = told[name][what]
        pairs = []
        for split in range(SPLITS):
            for one in ([ways[split]] if len(ways) == SPLITS else ways):
                pairs += [(row, v) for row, v in value(one) if row in asked[split]]
        return grouped(pairs)

    def said(side, template=None):
        return lambda one: [
            (answer["row"], answer["side"] == side) for answer in one if template in (None, answer["template"])
        ]

    def probability(one):
        return [(row, item["log_probability"]) for file in one for row, item in enumerate(file)]

    first = next(iter(rows))
    lines, costs = [], []
    for name in rows:
        context = gathered(name, "with", said("context"))
        by_draw = [
            statistics.mean(answer["side"] == "context" for answer in one) for one in told[name]["with"]
        ]
        lines.append([
            name,
            *(f"{100 * statistics.mean(sum(gathered(name, 'with', said('context', t)).values(), [])):.1f}"
              for t in TEMPLATES),
            shown(context), shown(gathered(name, "with", said("memory"))),
            "–" if name == first else shown(less(context, gathered(first, "with", said("context"))), sign="+"),
            spread(by_draw) if "random" in name else "–",
        ])
        if told[name]["bare"]:
            known = gathered(name, "bare", said("memory"))
            logs = gathered(name, "log p", probability)
            costs.append([
                name,
                *(f"{100 * statistics.mean(sum(gathered(name, 'bare', said('memory', t)).values(), [])):.1f}"
                  for t in BARE),
                shown(known),
                "–" if name == first else shown(less(known, gathered(first, "bare", said("memory"))), sign="+"),
                shown(logs, 1, 2),
                "–" if name == first else shown(less(logs, gathered(first, "log p", probability)), 1, 2, "+"),
            ])
    print(f"\nWith the context; {len(asked[0])} facts of each of {SPLITS} splits, percent\n")
    print(table(["silenced", *TEMPLATES, "context, all", "memory, all", "context against nothing", "over draws"], lines))
    for k in RANDOM_K:
        of = [gathered(f"{k} {kind}", "with", said("context")) for kind in ("memory", "random")]
        print(f"\n{k} memory heads less {k} random ones: {shown(less(*of), sign='+')}")
    by_split = [
        [name, *(
            f"{100 * statistics.mean(v for row, v in said('context')(told[name]['with'][split]) if row in asked[split]):.1f}"
            for split in range(SPLITS)
        )] for name in rows if len(told[name]["with"]) == SPLITS
    ]
    print("\nContext by split, all templates\n\n" + table(["silenced", *map(str, range(SPLITS))], by_split))
    print("\nWithout a context\n")
    print(table(["silenced", "plain", "qa", "labelled", "known, all", "against nothing", "log p of the capital",
                 "against nothing"], costs))


if __name__ == "__main__":
    main()
