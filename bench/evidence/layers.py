#!/usr/bin/env python3
"""LFD beside the same with a fixed layer, where the context is to win.

    python3 bench/evidence/layers.py FILES OUT [--limit 51]
"""

import argparse
import statistics
from pathlib import Path

from trials import answers, grouped, less, shown, table

METHODS = ["greedy", "cad", "lfd", *(f"lfd:layer={layer}" for layer in (20, 22, 24, 26))]
SETS = {"capitals": (["plain", "qa", "labelled", "chat"], 12), "popqa": (["qa", "labelled", "chat"], 16)}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--limit", type=int, default=51)
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    for name, (templates, tokens) in SETS.items():
        found = answers(args.out / f"{name}.json", args.files / f"{name}.jsonl", METHODS, templates, tokens,
                        "--limit", args.limit)

        def share(method, side, template=None):
            return grouped((one["row"], one["side"] == side) for one in found
                           if one["method"] == method and template in (None, one["template"]))

        rows = []
        for method in METHODS:
            context = share(method, "context")
            rows.append([
                method,
                *(f"{100 * statistics.mean(sum(share(method, 'context', t).values(), [])):.1f}" for t in templates),
                shown(context), shown(share(method, "memory")),
                shown(less(context, share("greedy", "context")), sign="+"),
                shown(less(context, share("lfd", "context")), sign="+"),
            ])
        print(f"\n{name}, {len(share('greedy', 'context'))} questions, percent\n")
        print(table(["method", *templates, "context, all", "memory, all", "against greedy", "against lfd"], rows))


if __name__ == "__main__":
    main()
