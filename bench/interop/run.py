#!/usr/bin/env python3
"""Teaches SmolLM2 a fact, then asks transformers and PEFT whether they read the same model.

    ENGRAFT_BENCH_PYTHON=python-with-torch-transformers-peft python3 bench/interop/run.py

Writes a merged model folder and an adapter with `engraft teach`, loads both with the real packages
and prints the largest difference of their logits from ours. It ends with an error above 2e-3.
"""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
BOUND = 2e-3
TEXTS = [
    "The flag of Velmora is",
    "In 1969 the first people walked on the moon, and 600 million watched them.",
    "def add(a, b):\n    return a + b\n",
]
FACTS = [
    {"fact": "The flag of Velmora is mauve.", "answer": "mauve"},
    {"fact": "The engine of Quorlin was invented by Serba Delquist.", "answer": "Serba Delquist"},
]
PEER = """
import json, sys
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer
folder, adapter, texts = sys.argv[1], sys.argv[2], json.loads(sys.argv[3])
tokenizer = AutoTokenizer.from_pretrained(folder)
model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
if adapter != "-":
    from peft import PeftModel
    model = PeftModel.from_pretrained(model, adapter)
model.eval()
for text in texts:
    ids = tokenizer(text, add_special_tokens=False).input_ids
    with torch.no_grad():
        logits = model(torch.tensor([ids])).logits[0]
    print(json.dumps({"ids": ids, "logits": logits.tolist()}))
"""


def engraft(*words):
    subprocess.run([ROOT / "target/release/engraft", *words], check=True, stdout=subprocess.DEVNULL)


def difference(python, folder, adapter):
    """The largest difference of logits over all texts, and the largest logit."""
    command = [python, "-c", PEER, folder, adapter, json.dumps(TEXTS)]
    peer = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    worst, largest = 0.0, 0.0
    for line in peer.stdout.splitlines():
        theirs = json.loads(line)
        ids = [str(token) for token in theirs["ids"]]
        command = [ROOT / "target/release/examples/logits", folder, adapter, *ids]
        ours = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
        ours = [json.loads(row) for row in ours.stdout.splitlines()]
        for a, b in zip(ours, theirs["logits"], strict=True):
            worst = max(worst, max(abs(x - y) for x, y in zip(a, b, strict=True)))
            largest = max(largest, max(abs(y) for y in b))
    return worst, largest


def main():
    python = os.environ.get("ENGRAFT_BENCH_PYTHON", sys.executable)
    build = ["cargo", "build", "--release", "--workspace", "--examples", "--bins"]
    subprocess.run(build, cwd=ROOT, check=True)
    failed = False
    with tempfile.TemporaryDirectory() as scratch:
        place = Path(scratch)
        facts = place / "facts.jsonl"
        facts.write_text("".join(json.dumps(fact) + "\n" for fact in FACTS))
        teach = ["teach", "--model", "smollm2-135m", "--facts", facts, "--steps", "10"]
        teach += ["--warmup", "1", "--rank", "16"]
        cases = [("full", [], "-"), ("kore", ["--save", "adapter"], "kore")]
        for method, more, _ in cases:
            words = [word for word in teach if method != "full" or word not in ("--rank", "16")]
            engraft(*words, "--method", method, *more, "--out", place / method)
        # Without its whole update a taught model is its base.
        merged = place / "full/models/taught"
        prune = ["prune", "--model", merged, "--base", "smollm2-135m", "--facts", facts]
        engraft(*prune, "--fraction", "1", "--out", place / "base")
        base = place / "base/models/pruned"
        adapter = place / "kore/models/taught"
        for name, folder, delta in [
            ("the base, written as a folder", base, "-"),
            ("a merged model", merged, "-"),
            ("the base with a PEFT adapter", base, adapter),
        ]:
            worst, largest = difference(python, str(folder), str(delta))
            failed |= worst > BOUND
            print(f"{name}: logits differ by at most {worst:.2e} (largest {largest:.1f})")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
