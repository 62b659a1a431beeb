#!/usr/bin/env python3
"""Runs every decoding method at its defaults on conflicts of memory and context, and prints the tables of
docs/evidence.md.

    python3 bench/evidence/conflicts.py DATA FILES
    python3 bench/evidence/decode.py FILES OUT [--amateur MODEL] [--model smollm2-135m] [--limit 100]
        [--methods greedy,cd,cad]

What was measured already lies in OUT and is not measured again.
"""

import argparse
import json
import subprocess
from pathlib import Path

from trials import PROGRAM, run

TEMPLATES = ["plain", "labelled", "chat"]
# Methods that compare with the prompt without its context have nothing to do where there is none.
WITH_CONTEXT = ["cad", "ck-plug", "coda", "overshadow"]
SEARCHES = ["beam", "opera"]


def scored(args, kind, template, method, extra):
    """The measurements of one method on one file of choices."""
    out = args.out / f"{kind}-{template}-{method}.json"
    if not out.exists():
        words = [PROGRAM, "score", "--model", args.model, "--data", args.files / f"{kind}-{template}.jsonl",
                 "--limit", args.limit, "--method", method + extra, "--json"]
        words += ["--chat"] if template == "chat" else []
        words += ["--amateur", args.amateur] if method == "cd" else []
        done = subprocess.run(list(map(str, words)), check=True, capture_output=True, text=True)
        out.write_text(done.stdout)
    lines = [json.loads(line) for line in out.read_text().splitlines()]
    return {line["probe"].split(": ")[1]: line for line in lines}


def shown(found):
    value, interval = 100 * found["value"], found["interval"]
    return f"{value:.1f} ({100 * interval['low']:.1f} to {100 * interval['high']:.1f})"


def table(head, rows):
    print("\n" + "\n".join("| " + " | ".join(line) + " |" for line in [head, ["---"] * len(head), *rows]))


def choices(args, kind, methods, probe, extras):
    rows = []
    for method in methods:
        found = [scored(args, kind, template, method, extras.get(method, "")) for template in TEMPLATES]
        rows.append([method] + [shown(one[probe]) for one in found])
    print(f"\n{kind}: {probe}, {args.limit} questions")
    table(["method", *TEMPLATES], rows)


def compared(args, name, methods, templates, tokens):
    out = args.out / f"{name}.json"
    if not out.exists():
        words = ["compare", "decode", "--model", args.model, "--data", args.files / f"{name}.jsonl", "--limit",
                 args.limit, "--methods", ",".join(methods), "--max-tokens", tokens, "--out", out]
        words += [word for template in templates for word in ("--template", template)]
        words += ["--amateur", args.amateur] if args.amateur else []
        run(*words)
    lines = json.loads(out.read_text())["lines"]
    print(f"\n{name}: {args.limit} questions; percent of answers")
    rows = []
    for method in methods:
        own = {line["template"]: line for line in lines if line["method"] == method}
        whole = own[None]
        against = whole["against_first"]
        gain = "–"
        if against:
            low, high = against["interval"]["low"], against["interval"]["high"]
            gain = f"{100 * against['value']:+.1f} ({100 * low:+.1f} to {100 * high:+.1f})"
        rows.append([method.split("/")[-1], *(f"{100 * own[t]['context']['value']:.1f}" for t in templates),
                     shown(whole["context"]), shown(whole["memory"]), gain, f"{whole['milliseconds_a_token']:.1f}"])
    table(["method", *(f"context, {t}" for t in templates), "context, all", "memory, all",
           "context against greedy, points", "ms/token"], rows)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--model", default="smollm2-135m")
    parser.add_argument("--amateur")
    parser.add_argument("--limit", type=int, default=100)
    parser.add_argument("--methods", type=lambda names: names.split(","), help="only these; the first must be greedy")
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)

    wanted = lambda method: not args.methods or method in args.methods
    heads, graph = args.out / "heads.json", args.out / "graph.json"
    if wanted("ph3") and not heads.exists():
        run("heads", "--model", args.model, "--facts", args.files / "capitals.jsonl", "--out", heads)
    if wanted("grad") and not graph.exists():
        run("graph", "build", "--model", args.model, "--corpus", args.files / "popqa-passages.jsonl", "--out", graph)
    documents = args.files / "popqa-passages.txt"
    extras = {"ph3": f":prune={heads}", "grad": f":graph={graph}", "kid": f":documents={documents}"}
    cd = ["cd"] if args.amateur else []
    plain = ["greedy", *cd, "dola", "lfd", "ph3"]

    probe = "right choice by log-probability"
    plain = list(filter(wanted, plain))
    both = plain + list(filter(wanted, WITH_CONTEXT))
    choices(args, "memotrap", both, probe, extras)
    choices(args, "conflictqa", both, probe + " a token", extras)
    choices(args, "truthfulqa", plain, "probability of the right among the choices", extras)
    every = [*plain, *filter(wanted, ["sample"]), *both[len(plain):], *filter(wanted, SEARCHES)]
    of_capitals = [method + (extras["ph3"] if method == "ph3" else "") for method in every]
    compared(args, "capitals", of_capitals, ["plain", "qa", "labelled", "chat"], 12)
    of_popqa = [method + extras.get(method, "") for method in [*every, *filter(wanted, ["kid", "grad"])]]
    compared(args, "popqa", of_popqa, ["qa", "labelled", "chat"], 16)


if __name__ == "__main__":
    main()
