#!/usr/bin/env python3
"""GRAD: graphs with keys of one, two and three tokens, asked in the words of their texts and in others.

    python3 bench/evidence/edges.py FILES OUT

FILES is made by conflicts.py. A text says where a country is governed from: "Havana is the seat of government. The
capital of Cuba is Havana." The capital is the true one or, invented, the wrong one of capitals.jsonl. In each of
three splits a graph learns 26 of the 51, in each of three wordings that all end in the country and "is"; these and
one that does not ask for all 51. The prompt holds nothing else.
"""

import random
import sys
from pathlib import Path

from trials import MODEL, answers, grouped, interval, less, read, run, shown, table, write

SPLITS, TAUGHT = 3, 26
WORDINGS = {
    "capital of": "The capital of {} is",
    "seat of": "The seat of government of {} is",
    "city that": "The city that governs {} is",
}
# No key of two or three tokens that was learnt is met here.
REWORDED = "{}'s capital city is"
FIRST = "{} is the seat of government. "
TEMPLATE = "{context}\\n{question}"
TOKENS = 4
# Key of the graph and the method's settings.
WAYS = {
    "1 token": (1, ":gate=const"),
    "2 tokens": (2, ":gate=const"),
    "3 tokens": (3, ":gate=const"),
    "2 tokens, `alpha` 1": (2, ":gate=const:alpha=1"),
    "2 tokens, default gate": (2, ""),
}
IN_PROMPT = ["greedy", "cad"]


class Trial:
    """All that was answered after one kind of texts."""

    def __init__(self, out, facts, kind):
        self.out, self.facts, self.kind = out, facts, kind
        self.side = "memory" if kind == "true" else "context"
        self.taught = [set(random.Random(split).sample(range(len(facts)), TAUGHT)) for split in range(SPLITS)]
        self.methods = {
            (way, split, wording): f"grad:graph={self.graph(split, wording, key)}{settings}"
            for way, (key, settings) in WAYS.items() for split in range(SPLITS) for wording in WORDINGS
        }
        self.said = {}  # (method, wording asked): {fact: side}
        for asked, words in [*WORDINGS.items(), ("reworded", REWORDED)]:
            rows = [{**fact, "question": words.format(fact["country"]), "context": ""} for fact in facts]
            self.ask(f"asked-{asked}", rows, ["greedy", *self.methods.values()], (asked,))
            for wording in WORDINGS:
                told = [{**row, "context": self.text(row, wording)} for row in rows]
                self.ask(f"prompt-{wording}-{asked}", told, IN_PROMPT, (wording, asked))

    def path(self, name):
        return self.out / (name.replace(" ", "-") + ("-true" if self.kind == "true" else ""))

    def text(self, fact, wording):
        return f"{WORDINGS[wording].format(fact['country'])} {fact['memory' if self.kind == 'true' else 'answer']}."

    def graph(self, split, wording, key):
        path = self.path(f"graph-{split}-{wording}-{key}").with_suffix(".json")
        if not path.exists():
            capital = "memory" if self.kind == "true" else "answer"
            corpus = write(self.out / "corpus.jsonl", [
                {"text": FIRST.format(fact[capital]) + self.text(fact, wording)}
                for at, fact in enumerate(self.facts) if at in self.taught[split]
            ])
            run("graph", "build", "--model", MODEL, "--corpus", corpus, "--key", key, "--out", path)
        return path

    def ask(self, name, rows, methods, key):
        data = write(self.path(name).with_suffix(".jsonl"), rows)
        for one in answers(self.path(name).with_suffix(".json"), data, methods, [TEMPLATE], TOKENS):
            self.said.setdefault((one["method"], *key), {})[one["row"]] = one["side"]

    def of(self, name, split, wording, asked):
        """Whose answers a way gives."""
        if name == "greedy":
            return self.said["greedy", asked]
        if name in WAYS:
            return self.said[self.methods[name, split, wording], asked]
        return self.said[name.removeprefix("in the prompt, "), wording, asked]

    def share(self, name, side, asks, learnt=True, missed=False):
        """`{fact: [is that side]}`; `asks`: which wordings ask after which; `missed`: of facts that greedy does not
        answer so."""
        return grouped(
            (row, found == side)
            for split in range(SPLITS) for wording in WORDINGS for asked in [*WORDINGS, "reworded"]
            if asks(wording, asked)
            for row, found in self.of(name, split, wording, asked).items()
            if (row in self.taught[split]) == learnt and not (missed and self.said["greedy", asked][row] == side)
        )

    def print(self):
        same = lambda wording, asked: asked == wording
        other = lambda wording, asked: asked not in (wording, "reworded")
        reworded = lambda wording, asked: asked == "reworded"
        rows = []
        for name in ["greedy", *WAYS, *(f"in the prompt, {method}" for method in IN_PROMPT)]:
            others = lambda of: self.share(of, "memory", same, learnt=False)
            none = "prompt" in name
            by = [lambda w, asked, one=one: w == asked == one for one in WORDINGS]
            rows.append([
                name,
                *(f"{100 * interval(self.share(name, self.side, asks))[0]:.1f}" for asks in by),
                shown(self.share(name, self.side, same)),
                *(shown(self.share(name, self.side, asks, missed=True)) for asks in (same, other, reworded)),
                "–" if none else shown(others(name)),
                "–" if none or name == "greedy" else shown(less(others(name), others("greedy")), sign="+"),
            ])
        print(f"\nTexts with {self.kind} capitals; {SPLITS} splits, {TAUGHT} of {len(self.facts)} learnt; percent\n")
        print(table(["key", *WORDINGS, "same words", "same words, not by greedy", "other words, same end", "reworded",
                     "not learnt: the true capital", "against greedy"], rows))


def main():
    files, out = Path(sys.argv[1]), Path(sys.argv[2])
    out.mkdir(parents=True, exist_ok=True)
    facts = read(files / "capitals.jsonl")
    for fact in facts:
        fact["country"] = fact["question"].removeprefix("What is the capital of ").removesuffix("?")
    for kind in ("true", "invented"):
        Trial(out, facts, kind).print()


if __name__ == "__main__":
    main()
