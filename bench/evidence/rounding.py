#!/usr/bin/env python3
"""Perplexity with activations of eight bits beside 32-bit floats, window by window.

    python3 bench/evidence/rounding.py TEXT OUT
"""

import math
import random
import sys
from pathlib import Path

from trials import DRAWS, items, table


def perplexity(windows):
    return math.exp(-sum(log for log, _ in windows) / sum(tokens for _, tokens in windows))


def main():
    text, out = Path(sys.argv[1]), Path(sys.argv[2])
    out.mkdir(parents=True, exist_ok=True)
    logs = {
        precision: [(one["log_probability"], one["tokens"])
                    for one in items(out / f"{precision}.items", text, "--precision", precision)]
        for precision in ("int8", "f32")
    }
    count = len(logs["f32"])
    draw = random.Random(0)
    drawn = [draw.choices(range(count), k=count) for _ in range(DRAWS)]

    def shown(value, digits):
        values = sorted(value(places) for places in drawn)
        low, high = values[round(0.025 * DRAWS)], values[round(0.975 * DRAWS) - 1]
        return f"{value(range(count)):.{digits}f} ({low:.{digits}f} to {high:.{digits}f})"

    of = lambda precision, places: perplexity([logs[precision][at] for at in places])
    print(f"{count} windows, {sum(tokens for _, tokens in logs['f32'])} tokens\n")
    print(table(["precision", "perplexity"], [
        *([precision, shown(lambda places: of(precision, places), 2)] for precision in logs),
        ["int8 / f32", shown(lambda places: of("int8", places) / of("f32", places), 5)],
        ["int8 less f32", shown(lambda places: of("int8", places) - of("f32", places), 3)],
    ]))


if __name__ == "__main__":
    main()
