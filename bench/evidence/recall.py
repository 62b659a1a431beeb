#!/usr/bin/env python3
"""How well a memory finds: by words, by meaning, by the sum of both, by reciprocal ranks, as mem0 ranks.

    python3 bench/evidence/recall.py DATA OUT

DATA holds cranfield/ (corpus.jsonl.gz, queries.jsonl.gz, qrels.tsv) and squad/squad_v2_subset.jsonl.gz. Texts are kept with
`engraft remember`, questions are asked with `engraft recall`, both as JSON lines. Invented notes are added: half of each
question are other words for the note, half is an exact name in it. Prints recall at 5 and 10 (the share of
right texts among those found; of Cranfield only the relevant ones) and differences to the better of the two single ways,
paired by question, with bootstrap intervals of 95 %.
"""

import gzip
import json
import os
import pathlib
import random
import subprocess
import sys

PROGRAM = os.environ.get("ENGRAFT_PROGRAM", "target/release/engraft")
WAYS = ["words", "meaning", "sum", "rrf", "mem0"]


def rows(path):
    with gzip.open(path, "rt") as file:
        return [json.loads(line) for line in file]


def cranfield(data):
    texts = {row["id"]: row["text"] for row in rows(data / "cranfield/corpus.jsonl.gz") if row["text"].strip()}
    right = {}
    for line in (data / "cranfield/qrels.tsv").read_text().splitlines()[1:]:
        query, document, relevance = line.split("\t")
        if relevance == "1" and int(document) in texts:
            right.setdefault(int(query), set()).add(int(document))
    asked = [(row["text"], right[row["id"]]) for row in rows(data / "cranfield/queries.jsonl.gz") if right.get(row["id"])]
    return texts, asked


def squad(data):
    texts, asked = {}, []
    for row in rows(data / "squad/squad_v2_subset.jsonl.gz"):
        number = texts.setdefault(row["context"], len(texts))
        asked.append((row["question"], {number}))
    return {number: text for text, number in texts.items()}, asked


def invented():
    """200 notes with a name each; 50 questions, in other words, with a part of the name."""
    random.seed(1)
    themes = [
        ("the {} service restarts by itself at night", "why does {} go down after midnight"),
        ("customers of {} pay by invoice only", "how can a client of {} be billed"),
        ("{} needs the old compiler", "which toolchain builds {}"),
        ("the keys of {} are kept by the night guard", "who can open {}"),
        ("{} answers slowly on Mondays", "at the start of the week {} is sluggish"),
        ("the archive of {} was moved to the cellar", "where did old records of {} go"),
        ("{} rejects names with accents", "{} fails for people called José"),
        ("nobody may deploy {} during a sale", "is it fine to release {} on a discount day"),
    ]
    names = [f"{a}-{b}" for a in ("orion", "lyra", "vega", "draco", "cetus") for b in range(100, 140)]
    random.shuffle(names)
    texts, asked = {}, []
    for number, name in enumerate(names):
        note, question = themes[number % len(themes)]
        texts[number] = note.format(name)
        if number % 4 == 0:
            asked.append((question.format(name), {number}))
    return texts, asked


def lines(command, values):
    text = "".join(json.dumps(value) + "\n" for value in values)
    done = subprocess.run([PROGRAM, *command], input=text, stdout=subprocess.PIPE, text=True)
    if done.returncode:
        sys.exit("the program failed; its message is above")
    return [json.loads(line) for line in done.stdout.splitlines()]


def measured(name, texts, asked, out):
    store = out / f"{name}.db"
    for old in out.glob(f"{name}.db*"):
        old.unlink()
    numbers = list(texts)
    kept = lines(["remember", "--store", store], [{"text": texts[number]} for number in numbers])
    places = {}
    for number, answer in zip(numbers, kept):
        places.setdefault(answer["id"], set()).add(number)
    found = {}
    for way in WAYS:
        answers = lines(["recall", "--store", store, "--by", way, "--most", "10"], [{"query": text} for text, _ in asked])
        found[way] = [[places[item["id"]] for item in answer["found"]] for answer in answers]
    print(f"\n{name}: {len(texts)} texts, {len(asked)} questions\n")
    print("| by | recall at 5 | recall at 10 | at 5, against the better single |\n|---|---|---|---|")
    at = {way: {most: [share(f[:most], right) for f, (_, right) in zip(found[way], asked)] for most in (5, 10)} for way in WAYS}
    single = max(["words", "meaning"], key=lambda way: sum(at[way][5]))
    for way in WAYS:
        five, ten = at[way][5], at[way][10]
        print(f"| {way} | {mean(five):.3f} | {mean(ten):.3f} | {'–' if way == single else difference(five, at[single][5])} |")


def share(found, right):
    hits = set().union(*found) & right if found else set()
    return len(hits) / len(right)


def mean(values):
    return sum(values) / len(values)


def difference(a, b):
    differences = [x - y for x, y in zip(a, b)]
    draws = random.Random(0)
    means = sorted(mean(draws.choices(differences, k=len(differences))) for _ in range(2000))
    return f"{mean(differences):+.3f} ({means[50]:+.3f} to {means[1949]:+.3f})"


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    data, out = map(pathlib.Path, sys.argv[1:])
    out.mkdir(parents=True, exist_ok=True)
    measured("cranfield", *cranfield(data), out)
    measured("squad", *squad(data), out)
    measured("invented", *invented(), out)


if __name__ == "__main__":
    main()
