#!/usr/bin/env python3
"""KID: the probability of the wanted words before and after so many steps, and what comes of it in answers.

    python3 bench/evidence/wanted.py FILES OUT [--questions 20]

FILES is made by conflicts.py. The documents are the passages of the questions asked; the prompt holds none of them.
"""

import argparse
import math
import re
import statistics
from pathlib import Path

from trials import MODEL, grouped, interval, less, read, run, shown, table

TOKENS = 6
PROMPTS = {"plain": "{}\n", "qa": "Q: {}\nA:", "chat": None}
WAYS = {  # Steps and the other flags.
    **{f"{steps} steps": (steps, ()) for steps in (0, 1, 3, 5, 10)},
    **{f"{steps} steps of 0.03, `gamma` 1": (steps, ("--step-size", 0.03, "--gamma", 1)) for steps in (3, 10)},
}


def factor(logarithms):
    return "{:.2f} ({:.2f} to {:.2f})".format(*map(math.exp, interval(logarithms)))


def words(text):
    return re.findall(r"[^\W\d_]{4,}", text.lower())


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--questions", type=int, default=20)
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    rows = read(args.files / "popqa.jsonl")[:args.questions]
    documents = args.out / "documents.txt"
    documents.write_text("".join(row["context"] + "\n" for row in rows), encoding="utf-8")

    def tokens(way, template, at):
        path = args.out / f"{way.replace(' ', '-').replace('`', '')}-{template}-{at}.jsonl"
        if not path.exists():
            steps, flags = WAYS[way]
            form = PROMPTS[template]
            question = rows[at]["question"]
            prompt = [question] if form is None else ["--raw", form.format(question)]
            path.write_text(run("generate", "--model", MODEL, "--json", "--max-tokens", TOKENS, "--method", "kid",
                                "--documents", documents, "--kid-steps", steps, *flags, *prompt))
        return read(path)

    told = {way: {(at, t): tokens(way, t, at) for at in range(len(rows)) for t in PROMPTS} for way in WAYS}

    def over(way, value, template=None):
        return grouped((at, value(at, found)) for (at, one), found in told[way].items()
                       if found and template in (None, one))

    def raised(at, found):
        """Mean logarithm of the factor by which the wanted words got likelier."""
        pairs = [one["numbers"] for one in found]
        return statistics.mean(math.log(max(p["wanted after"], 1e-12) / max(p["wanted before"], 1e-12)) for p in pairs)

    def first_raised(at, found):
        return raised(at, found[:1])

    def first_mass(at, found):
        return found[0]["numbers"]["wanted after"]

    def text(found):
        return "".join(one["text"] for one in found)

    def held(at, found):
        """Share of the answer's words that stand in the question's passage and not in the question."""
        row = rows[at]
        new = [word for word in words(text(found)) if word not in words(row["question"])]
        return statistics.mean(word in words(row["context"]) for word in new) if new else 0.0

    def named(at, found):
        return any(one.lower() in text(found).lower() for one in rows[at]["answer"])

    lines = []
    for way in WAYS:
        lines.append([
            way,
            *(factor(over(way, first_raised, template)) for template in PROMPTS),
            factor(over(way, raised)),
            shown(over(way, first_mass), 100, 2),
            shown(over(way, held)),
            "–" if way == "0 steps" else shown(less(over(way, held), over("0 steps", held)), sign="+"),
            shown(over(way, named)),
        ])
    print(f"{len(rows)} questions, {TOKENS} tokens\n")
    print(table(["steps", *(f"factor, first token, {t}" for t in PROMPTS), "factor, all tokens",
                 "probability at the first token, %", "answer's words from the passage, %", "against 0 steps",
                 "names the answer, %"], lines))


if __name__ == "__main__":
    main()
