#!/usr/bin/env python3
"""OPERA beside greedy and beam search in long answers about a passage: how much they repeat themselves.

    python3 bench/evidence/loops.py FILES OUT [--documents 12] [--tokens 96]

FILES is made by conflicts.py; the documents are the first of its PopQA passages with 60 words or more.
"""

import argparse
from pathlib import Path

from trials import answers, grouped, less, read, shown, table, write

TEMPLATES = ["plain", "qa", "chat"]
METHODS = {
    "greedy": "greedy",
    "greedy, no 4-gram twice": "greedy:no_repeat_ngram_size=4",
    "CAD": "cad",
    "beam, 3": "beam:num_beams=3",
    "OPERA, 3 beams, 3 candidates": "opera:num_beams=3:num_attn_candidates=3",
}
QUESTION = "Explain in detail what the text says."


def ngrams(text, n):
    words = text.lower().split()
    return [tuple(words[at:at + n]) for at in range(len(words) - n + 1)]


def repeated(text, n=4):
    """Share of n-grams of words that came before."""
    all_of = ngrams(text, n)
    return 1 - len(set(all_of)) / len(all_of) if all_of else 0.0


def distinct(text):
    pairs = ngrams(text, 2)
    return len(set(pairs)) / len(pairs) if pairs else 1.0


def grounded(text, passage):
    """Share of the words of four letters or more that the passage holds."""
    strip = lambda words: [word.strip(".,;:()\"'") for word in words.lower().split()]
    words = [word for word in strip(text) if len(word) > 3]
    return sum(word in strip(passage) for word in words) / len(words) if words else 0.0


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--documents", type=int, default=12)
    parser.add_argument("--tokens", type=int, default=96)
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    passages = [row for row in read(args.files / "popqa.jsonl") if len(row["context"].split()) >= 60]
    rows = [{**row, "question": QUESTION} for row in passages[:args.documents]]
    data = write(args.out / "documents.jsonl", rows)
    found = []
    for at, method in enumerate(METHODS.values()):
        # Lines go on: only the end of the text ends an answer.
        found += answers(args.out / f"{at}.json", data, [method], TEMPLATES, args.tokens, "--stop", "<|im_end|>")

    def measured(method, value, template=None):
        return grouped((one["row"], value(one)) for one in found
                       if one["method"] == METHODS[method] and template in (None, one["template"]))

    again = lambda one: repeated(one["text"])
    loop = lambda one: repeated(one["text"]) > 0.5
    lines = []
    for name in METHODS:
        mean = lambda value, template=None: sum(sum(measured(name, value, template).values(), [])) / len(
            sum(measured(name, value, template).values(), []))
        lines.append([
            name,
            *(f"{100 * mean(again, template):.1f}" for template in TEMPLATES),
            shown(measured(name, again)),
            *("–" if name == other else shown(less(measured(name, again), measured(other, again)), sign="+")
              for other in ("greedy", "beam, 3")),
            shown(measured(name, loop)),
            f"{mean(lambda one: distinct(one['text'])):.2f}",
            shown(measured(name, lambda one: grounded(one["text"], rows[one["row"]]["context"]))),
            f"{mean(lambda one: len(one['text'].split())):.0f}",
            f"{1000 * sum(one['seconds'] for one in found if one['method'] == METHODS[name]) / max(1, sum(one['tokens'] for one in found if one['method'] == METHODS[name])):.0f}",
        ])
    print(f"{len(rows)} documents, {args.tokens} tokens; percent of 4-grams of words that came before\n")
    print(table(["method", *TEMPLATES, "all", "against greedy", "against beam", "loops: over half came before",
                 "distinct-2", "words that the passage holds", "words", "ms/token"], lines))


if __name__ == "__main__":
    main()
