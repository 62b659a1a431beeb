#!/usr/bin/env python3
"""Single functions with one wrong line, repaired by a small model: alone, and with another repair shown.

    python3 bench/evidence/single.py OUT [MODEL]

The 20 programs of fixtures/repair/single. The whole function is asked for, greedily; what passes all tests of the program
counts. Beside it how many answers are the wrong program again, word for word. The demonstration is another program's issue,
wrong and right form: drawn at random (5 draws), or the one that `engraft recall --by words` finds by the issue.
"""

import json
import os
import pathlib
import random
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
SINGLE = ROOT / "fixtures/repair/single"
PROGRAM = os.environ.get("ENGRAFT_PROGRAM", "target/release/engraft")
DRAWS = 5


def main():
    if len(sys.argv) not in (2, 3):
        sys.exit(__doc__)
    out = pathlib.Path(sys.argv[1])
    model = sys.argv[2] if len(sys.argv) == 3 else "smollm2-135m"
    out.mkdir(parents=True, exist_ok=True)
    programs = [json.loads(line) for line in (SINGLE / "single.jsonl").read_text().splitlines()]
    counts = {}
    for place, program in enumerate(programs):
        others = programs[:place] + programs[place + 1:]
        shown = {"nothing": [None], "retrieved": [recalled(out, others, program)]}
        shown["random"] = [random.Random(f"{program['name']} {draw}").choice(others) for draw in range(DRAWS)]
        for way, demonstrations in shown.items():
            for demonstration in demonstrations:
                answer = asked(model, program, demonstration)
                right = passes(out, program, answer)
                same = answer.split() == program["buggy"].split()
                counts.setdefault(way, []).append((right, same))
        print(program["name"], file=sys.stderr)
    print(f"| shown | all tests pass, of {len(programs)} | the wrong program again |\n|---|---|---|")
    for way in ("nothing", "random", "retrieved"):
        share = len(counts[way]) / len(programs)
        right, same = (sum(one[which] for one in counts[way]) / share for which in (0, 1))
        print(f"| {way} | {right:.1f} | {same:.1f} |")


def begin(program):
    return (f"Issue: {program['issue'].strip()}\n\nProgram with the bug:\n```python\n{program['buggy']}```\n\n"
            f"The right program:\n```python\n")


def asked(model, program, demonstration):
    prompt = "" if demonstration is None else begin(demonstration) + demonstration["correct"] + "```\n\n"
    command = [PROGRAM, "generate", "--model", model, "--raw", "--max-tokens", "260", "--stop", "```", prompt + begin(program)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True)
    if done.returncode:
        sys.exit("the program failed; its message is above")
    return done.stdout


def recalled(out, others, program):
    store = out / f"{program['name']}.db"
    for old in out.glob(f"{program['name']}.db*"):
        old.unlink()
    lines = "".join(json.dumps({"text": other["issue"]}) + "\n" for other in others)
    kept = subprocess.run([PROGRAM, "remember", "--store", store], input=lines, stdout=subprocess.PIPE, text=True, check=True)
    ids = [json.loads(line)["id"] for line in kept.stdout.splitlines()]
    found = subprocess.run([PROGRAM, "recall", "--store", store, "--by", "words", "--most", "1", "--json", program["issue"]],
                           stdout=subprocess.PIPE, text=True, check=True)
    return others[ids.index(json.loads(found.stdout)["found"][0]["id"])]


def passes(out, program, answer):
    path = out / f"{program['name']}.py"
    path.write_text(answer)
    command = [sys.executable, SINGLE / "runner.py", path, program["name"]]
    try:
        done = subprocess.run(command, input=json.dumps(program["tests"]), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                              text=True, timeout=20)
        return done.returncode == 0 and all(json.loads(done.stdout))
    except (subprocess.TimeoutExpired, json.JSONDecodeError):
        return False


if __name__ == "__main__":
    main()
