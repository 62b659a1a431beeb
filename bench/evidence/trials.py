"""What the decoding experiments share: running the program, bootstrap intervals over questions, tables."""

import json
import os
import random
import statistics
import subprocess
from pathlib import Path

from teach import T, table

PROGRAM = os.environ.get("ENGRAFT_PROGRAM", Path(__file__).resolve().parents[2] / "target/release/engraft")
MODEL = os.environ.get("ENGRAFT_EVIDENCE_MODEL", "smollm2-135m")
# To leave cores to others; changes no result but the time.
THREADS = ["--threads", os.environ["ENGRAFT_THREADS"]] if "ENGRAFT_THREADS" in os.environ else []
DRAWS = 2000


def run(*words):
    done = subprocess.run([str(word) for word in (PROGRAM, *words, *THREADS)], check=True, stdout=subprocess.PIPE)
    return done.stdout.decode()


def read(path):
    return [json.loads(line) for line in Path(path).read_text(encoding="utf-8").splitlines()]


def write(path, rows):
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    return path


def answers(out, data, methods, templates, tokens, *flags):
    """What `engraft compare decode` makes of a file; not made again if it lies there."""
    if not out.exists():
        named = [word for template in templates for word in ("--template", template)]
        run("compare", "decode", "--model", MODEL, "--data", data, "--methods", ",".join(methods), *named,
            "--max-tokens", tokens, *flags, "--out", out)
    return json.loads(out.read_text())["answers"]


def items(out, data, *flags):
    """What `engraft score` finds of every item of a file; not made again if it lies there."""
    if not out.exists():
        run("score", "--model", MODEL, "--data", data, *flags, "--items", out)
    return read(out)


def interval(groups):
    """Mean over all values of `{group: [value]}` and its 95 % bootstrap interval; whole groups are drawn."""
    groups = [values for values in groups.values() if values]
    sums = [(sum(values), len(values)) for values in groups]
    draw = random.Random(0)
    means = sorted(
        sum(top for top, _ in drawn) / sum(count for _, count in drawn)
        for drawn in (draw.choices(sums, k=len(sums)) for _ in range(DRAWS))
    )
    mean = sum(top for top, _ in sums) / sum(count for _, count in sums)
    return mean, means[round(0.025 * DRAWS)], means[round(0.975 * DRAWS) - 1]


def grouped(pairs):
    groups = {}
    for group, value in pairs:
        groups.setdefault(group, []).append(value)
    return groups


def less(groups, others):
    """Group by group, the mean of one less the mean of the other."""
    return {
        group: [statistics.mean(values) - statistics.mean(others[group])] for group, values in groups.items()
    }


def shown(groups, scale=100, digits=1, sign=""):
    return "{:{f}} ({:{f}} to {:{f}})".format(*(scale * part for part in interval(groups)), f=f"{sign}.{digits}f")


def spread(values, scale=100, digits=1):
    """Mean and 95 % t interval over draws."""
    half = T[len(values) - 1] * statistics.stdev(values) / len(values) ** 0.5
    return f"{scale * statistics.mean(values):.{digits}f} ± {scale * half:.{digits}f}"
