#!/usr/bin/env python3
"""Hybrid questions to a memory of many episodes, beside bm25s and a brute-force product in numpy.

    python3 bench/memory/run.py [--episodes 100000] [--questions 300]

Makes a scratch environment with bm25s and numpy (or uses the Python named by ENGRAFT_BENCH_PYTHON), invents episodes (Zipf-distributed words, vectors
around centres), asks both sides the same questions, twenty in turn, and prints medians and 99th percentiles.
The peer answers as people write it today: bm25s scores, cosine by one matrix product, both normalised and summed,
the ten best. The encoder is on neither side: vectors of questions are given.
"""

import argparse
import json
import os
import pathlib
import random
import subprocess
import sys
import tempfile
import time

sys.path.append(str(pathlib.Path(__file__).resolve().parents[1]))
from beside import built, instruction_set, python_with, quiet_or_end

WIDTH = 384
# Questions that a side answers before the other one has its turn.
TURN = 20


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--episodes", type=int, default=100_000)
    parser.add_argument("--questions", type=int, default=300)
    parser.add_argument("--busy", action="store_true", help="run although the machine is busy")
    return parser.parse_args()


def invent(folder, episodes, questions):
    """Texts of about 60 words, questions of about 12; the words of a question come from one episode."""
    import numpy

    random.seed(1)
    words = [f"{a}{b}{number}" for number in range(60) for a in ("par", "tok", "ses", "que", "ind", "con", "mat", "rou")
             for b in ("ser", "en", "sion", "ue", "ex", "text", "rix", "ter")]
    common = [f"word{number}" for number in range(200)]
    weights = [1 / (rank + 1) for rank in range(len(common))]
    texts = []
    for _ in range(episodes):
        text = random.choices(common, weights, k=35) + random.choices(words, k=25)
        random.shuffle(text)
        texts.append(" ".join(text))
    asked = []
    for _ in range(questions):
        own = random.choice(texts).split()
        asked.append(" ".join(random.sample(own, 8) + random.choices(common, weights, k=4)))
    generator = numpy.random.default_rng(1)
    centres = generator.normal(size=(500, WIDTH))

    def vectors(count):
        rows = centres[generator.integers(0, 500, count)] + generator.normal(size=(count, WIDTH))
        rows /= numpy.linalg.norm(rows, axis=1, keepdims=True)
        return rows.astype("<f4")

    write(folder / "texts.jsonl", texts)
    write(folder / "queries.jsonl", asked)
    vectors(episodes).tofile(folder / "vectors.f32")
    vectors(questions).tofile(folder / "query_vectors.f32")


def write(path, texts):
    path.write_text("".join(json.dumps(text) + "\n" for text in texts))


def peer(folder):
    """The other side, in a process of its own."""
    import bm25s
    import numpy

    texts = [json.loads(line) for line in (folder / "texts.jsonl").open()]
    queries = [json.loads(line) for line in (folder / "queries.jsonl").open()]
    vectors = numpy.fromfile(folder / "vectors.f32", "<f4").reshape(len(texts), WIDTH)
    asked = numpy.fromfile(folder / "query_vectors.f32", "<f4").reshape(len(queries), WIDTH)
    started = time.perf_counter()
    index = bm25s.BM25(method="atire", k1=1.5, b=0.75)
    index.index([text.split() for text in texts], show_progress=False)
    print(json.dumps({"opened_s": time.perf_counter() - started}), flush=True)
    for line in sys.stdin:
        what, number = line.split()
        number = int(number)
        started = time.perf_counter()
        words = index.get_scores(queries[number].split())
        meaning = vectors @ asked[number]
        both = sum(0.5 * (scores - scores.min()) / (scores.max() - scores.min() + 1e-8) for scores in (words, meaning))
        best = numpy.argpartition(-both, 10)[:10]
        best = best[numpy.argsort(-both[best])]
        took = (time.perf_counter() - started) * 1e3
        print(json.dumps({"ms": took, "found": best.tolist()}), flush=True)


class Side:
    def __init__(self, name, command, **options):
        self.name = name
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, **options)
        self.opened = json.loads(self.process.stdout.readline())

    def say(self, line):
        print(line, file=self.process.stdin, flush=True)
        return json.loads(self.process.stdout.readline())


def percentile(numbers, share):
    numbers = sorted(numbers)
    return numbers[min(len(numbers) - 1, int(len(numbers) * share))]


def main():
    given = arguments()
    python = python_with("memory", "bm25s, numpy", ["bm25s", "numpy"])
    program = built("engraft-memory", "bench_recall")
    quiet_or_end(given.busy)
    with tempfile.TemporaryDirectory() as place:
        folder = pathlib.Path(place)
        subprocess.run(
            [python, __file__, "--invent", folder, str(given.episodes), str(given.questions)], check=True)
        ours = Side("engraft", [program, folder])
        theirs = Side("bm25s + numpy", [python, __file__, "--peer", folder])
        took = {ours.name: [], theirs.name: []}
        found = {ours.name: [], theirs.name: []}
        for start in range(0, given.questions, TURN):
            for side in (ours, theirs):
                # What the other side's threads do after their last answer, and what they left in the caches.
                time.sleep(0.2)
                side.say("ask 0")
                for number in range(start, min(start + TURN, given.questions)):
                    answer = side.say(f"ask {number}")
                    took[side.name].append(answer["ms"])
                    found[side.name].append(set(answer["found"]))
        same = [len(a & b) / 10 for a, b in zip(found[ours.name], found[theirs.name])]
        added = [ours.say(f"add {number}")["ms"] for number in range(1000)]
        cpu, instructions = instruction_set()
        print(f"{cpu}, {instructions}, {os.cpu_count()} cores; {given.episodes} episodes, {given.questions} questions")
        for side in (ours, theirs):
            times = took[side.name]
            print(f"{side.name:<14} p50 {percentile(times, 0.5):6.2f} ms  p99 {percentile(times, 0.99):6.2f} ms  "
                  f"index built in {side.opened['opened_s']:.1f} s")
        ratio = percentile(took[ours.name], 0.5) / percentile(took[theirs.name], 0.5)
        print(f"ratio of medians {ratio:.2f}; of the ten found, {100 * sum(same) / len(same):.0f} % are the same")
        print(f"adding         p50 {percentile(added, 0.5):6.2f} ms  p99 {percentile(added, 0.99):6.2f} ms  "
              f"most {max(added):.1f} ms (each in a transaction of its own, on disk when it returns)")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--invent"]:
        invent(pathlib.Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]))
    elif sys.argv[1:2] == ["--peer"]:
        peer(pathlib.Path(sys.argv[2]))
    else:
        main()
