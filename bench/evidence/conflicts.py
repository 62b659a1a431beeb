#!/usr/bin/env python3
"""Makes the files that the decoding experiments in docs/evidence.md read, from public data sets.

    python3 bench/evidence/conflicts.py DATA OUT

DATA holds `memotrap`, `conflictqa`, `popqa` and `truthfulqa` as JSON lines; see README.md beside this.
"""

import gzip
import json
import sys
from pathlib import Path

CAPITALS = """France:Paris Germany:Berlin Italy:Rome Spain:Madrid Portugal:Lisbon Japan:Tokyo China:Beijing
Russia:Moscow Egypt:Cairo Greece:Athens Cuba:Havana Austria:Vienna Hungary:Budapest Poland:Warsaw
Sweden:Stockholm Norway:Oslo Denmark:Copenhagen Finland:Helsinki Ireland:Dublin Belgium:Brussels
Canada:Ottawa Peru:Lima Chile:Santiago Kenya:Nairobi Turkey:Ankara Iran:Tehran Iraq:Baghdad
Thailand:Bangkok Vietnam:Hanoi Nepal:Kathmandu Ukraine:Kyiv Romania:Bucharest Bulgaria:Sofia
Serbia:Belgrade Croatia:Zagreb Lebanon:Beirut Syria:Damascus Venezuela:Caracas Colombia:Bogota
Ecuador:Quito Bolivia:Sucre Uruguay:Montevideo Ghana:Accra Ethiopia:Addis Senegal:Dakar Somalia:Mogadishu
Indonesia:Jakarta Philippines:Manila Taiwan:Taipei Pakistan:Islamabad Afghanistan:Kabul"""
# The wrong capital of a country is that of the country so many places on.
ROTATION = 7


def rows(path):
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def write(path, lines):
    path.write_text("".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines), encoding="utf-8")
    print(f"{len(lines):5} {path}")


def capitals():
    pairs = [pair.split(":") for pair in CAPITALS.split()]
    for at, (country, capital) in enumerate(pairs):
        wrong = pairs[(at + ROTATION) % len(pairs)][1]
        yield {
            "question": f"What is the capital of {country}?",
            "context": f"The capital of {country} is {wrong}.",
            "lead": f"The capital of {country} is",
            "memory": capital,
            "answer": wrong,
        }


def memotrap(data):
    for name in ("1-proverb-ending", "2-proverb-translation"):
        for row in rows(data / f"memotrap/{name}.jsonl.gz"):
            instruction, _, rest = row["prompt"].partition(": ")
            yield instruction + ":", rest.strip(), row["classes"], row["answer_index"]


def conflictqa(data):
    for row in rows(data / "conflictqa/strategyqa_chatgpt.jsonl.gz"):
        choices = [" " + row["counter_answer"], " " + row["memory_answer"]]
        yield row["counter_memory"].strip(), row["question"], choices, 0


def truthfulqa(data):
    for row in rows(data / "truthfulqa/truthfulqa.jsonl.gz"):
        right, wrong = row["correct_answers"], row["incorrect_answers"]
        choices = [" " + choice for choice in right + wrong]
        yield None, row["question"], choices, list(range(len(right)))


def popqa(data):
    for row in rows(data / "popqa/popqa_passages.jsonl.gz"):
        passages = [p["text"] for p in row["paragraphs"] if p["is_supporting"]][:1]
        if passages:
            yield {
                "question": row["question"],
                "context": passages[0].replace("\n", " "),
                "answer": row["answers"],
            }


def templates(kind, items):
    """Three ways to write each item: as it is, labelled, and for a chat template."""
    items = list(items)
    labels = {"memotrap": ("Instruction: {}", "Quote: {}")}.get(kind, ("Context: {}", "Question: {}\nAnswer:"))
    for name, (of_context, of_question) in {
        "plain": ("{}", "{}" if kind == "memotrap" else "{}\n"),
        "labelled": labels,
        "chat": ("{}", "{}"),
    }.items():
        written = []
        for context, question, choices, answer in items:
            row = {"prompt": of_question.format(question), "choices": choices, "answer": answer}
            if name == "chat" or (name == "plain" and kind != "memotrap"):
                row["choices"] = [choice.lstrip() for choice in choices]
            if context is not None:
                row["context"] = of_context.format(context)
            written.append(row)
        yield name, written


def main():
    data, out = Path(sys.argv[1]), Path(sys.argv[2])
    out.mkdir(parents=True, exist_ok=True)
    write(out / "capitals.jsonl", list(capitals()))
    write(out / "popqa.jsonl", list(popqa(data)))
    for kind, items in {
        "memotrap": memotrap(data),
        "conflictqa": conflictqa(data),
        "truthfulqa": truthfulqa(data),
    }.items():
        for name, written in templates(kind, items):
            write(out / f"{kind}-{name}.jsonl", written)
    # What KID looks words up in and GRAD builds its graph from: the contexts of the questions asked.
    write(out / "popqa-passages.jsonl", [{"text": row["context"]} for row in popqa(data)])
    (out / "popqa-passages.txt").write_text("".join(row["context"] + "\n" for row in popqa(data)))


if __name__ == "__main__":
    main()
