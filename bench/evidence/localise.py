#!/usr/bin/env python3
"""Does memory of earlier issues name the file that an issue has to be repaired in? On SWE-bench Lite, without checkouts.

    python3 bench/evidence/localise.py DATA OUT

DATA holds swebench-lite/instances.jsonl.gz (issue texts and the files that the solutions touched). Issues of a repository are
taken in the order of their numbers. For each, earlier issues of the same repository are recalled by its text, and the
files that those were repaired in are the guess. Beside it: the file that was repaired most often so far, and the
files of an earlier issue drawn at random. Only issues with at least one earlier issue count. The whole tree cannot be ranked
without checkouts, so this says what memory adds, not how good a localiser is.
"""

import gzip
import json
import os
import pathlib
import random
import subprocess
import sys
from collections import Counter

PROGRAM = os.environ.get("ENGRAFT_PROGRAM", "target/release/engraft")
MOST = 5


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    data, out = map(pathlib.Path, sys.argv[1:])
    out.mkdir(parents=True, exist_ok=True)
    with gzip.open(data / "swebench-lite/instances.jsonl.gz", "rt") as file:
        instances = [json.loads(line) for line in file]
    by_repository = {}
    for instance in sorted(instances, key=lambda one: int(one["instance_id"].rsplit("-", 1)[1])):
        by_repository.setdefault(instance["repo"], []).append(instance)
    ways = ["recalled by words", "recalled by meaning", "recalled by both", "most often so far", "drawn at random"]
    hits = {way: {most: [] for most in (1, 3, MOST)} for way in ways}
    known = []
    draws = random.Random(0)
    for repository, issues in by_repository.items():
        store = out / "localise.db"
        for old in out.glob("localise.db*"):
            old.unlink()
        files = {}
        for number, issue in enumerate(issues):
            gold = set(issue["expected_spans"])
            if number:
                earlier = issues[:number]
                counts = Counter(file for one in earlier for file in one["expected_spans"])
                guesses = {
                    "most often so far": [file for file, _ in counts.most_common(MOST)],
                    "drawn at random": list(draws.choice(earlier)["expected_spans"]),
                }
                for way, flag in zip(ways, ["words", "meaning", "sum"]):
                    answer = ask(["recall", "--store", store, "--by", flag, "--most", "10"], {"query": issue["problem_statement"]})
                    guesses[way] = ranked([files[item["id"]] for item in answer["found"]])
                for way in ways:
                    for most in hits[way]:
                        hits[way][most].append(bool(gold & set(guesses[way][:most])))
                known.append(bool(gold & set(counts)))
            kept = ask(["remember", "--store", store], {"text": issue["problem_statement"], "scope": repository})
            files[kept["id"]] = list(issue["expected_spans"])
        print(f"{repository}: {len(issues)}", file=sys.stderr)
    print(f"{len(known)} issues with an earlier one; of {100 * sum(known) / len(known):.0f} % a right file was repaired before\n")
    print("| guess | right in 1 | in 3 | in 5 | in 1, against most often so far |\n|---|---|---|---|---|")
    for way in ways:
        shares = [100 * sum(hits[way][most]) / len(known) for most in hits[way]]
        apart = "–" if way == "most often so far" else difference(hits[way][1], hits["most often so far"][1])
        print(f"| {way} | " + " | ".join(f"{share:.1f} %" for share in shares) + f" | {apart} |")


def ranked(lists):
    """Files in the order of the issues that they come from, each once."""
    return list(dict.fromkeys(file for files in lists for file in files))


def ask(command, value):
    done = subprocess.run([PROGRAM, *command], input=json.dumps(value) + "\n", stdout=subprocess.PIPE, text=True,
                          stderr=subprocess.PIPE)
    if done.returncode:
        sys.exit(done.stderr)
    return json.loads(done.stdout)


def difference(a, b):
    differences = [100 * (x - y) for x, y in zip(a, b)]
    draws = random.Random(0)
    means = sorted(sum(draws.choices(differences, k=len(differences))) / len(differences) for _ in range(2000))
    return f"{sum(differences) / len(differences):+.1f} pp ({means[50]:+.1f} to {means[1949]:+.1f})"


if __name__ == "__main__":
    main()
