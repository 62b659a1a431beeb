#!/usr/bin/env python3
"""Times Engraft's decoding beside llama.cpp's and transformers', in turns, and prints tables of medians."""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.append(str(HERE.parent))
from beside import built, instruction_set, markdown, noise_of, python_with, quiet_or_end

PACKAGES = ["llama-cpp-python", "torch", "transformers", "gguf"]
IMPORTS = "llama_cpp, torch, transformers, gguf"
# Program, weights, mode, streams. Of llama.cpp's ways to attend the fastest counts.
INT8, INT8_TWICE = ("engraft", "Q4_1", "int8", 1), ("engraft", "Q4_1", "int8", 2)
F32 = ("engraft", "Q4_1", "f32", 1)
EXACT = ("torch", "F32", "float32", 1)
ATTEND = ["plain", "flash"]
SIDES = [INT8, INT8_TWICE, ("engraft", "Q4_0", "int8", 1), F32]
SIDES += [("llama", weights, mode, 1) for weights in ["Q4_1", "Q4_0", "F32"] for mode in ATTEND]
SIDES += [("llama", weights, mode, 2) for weights in ["Q4_1", "Q4_0"] for mode in ATTEND]
SIDES += [EXACT, ("torch", "F32", "bfloat16", 1)]
NAMES = {"engraft": "Engraft", "llama": "llama.cpp", "torch": "transformers"}
# Least share of llama.cpp's best, with AVX-512, and the most that a step of two streams may cost.
GOALS = {"decode": 1.0, "prefill": 1.5, "f32 decode": 1.0, "f32 prefill": 1.0}
TWO_STREAMS = 1.25
# Least share of likeliest tokens that the same weights name, however they round activations.
SAME = 0.7


def run(command):
    """One turn: what the side says, and the most memory it had beyond what it began with."""
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    lines = process.stdout.read().splitlines()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode or not lines:
        sys.exit(f"{' '.join(command)} failed; its message is above")
    turn = json.loads(lines[-1])
    # A peer's interpreter and libraries are not the model's.
    turn["peak_mb"] = usage.ru_maxrss * 1024 / 1e6 - turn.get("held_mb", 0.0)
    return turn


def measure(commands, rounds):
    """Rounds in which every side has its turn."""
    turns, noise = {side: [] for side in commands}, []
    for number in range(rounds):
        noise.append(noise_of(f"round {number + 1}"))
        for side, command in commands.items():
            turns[side].append(run(command))
        if number == 0:
            agrees = agreement(turns)
    return turns, noise, agrees


def agreement(turns):
    """The share of likeliest tokens that each side has in common with transformers in 32-bit floats.

    Stops where a side with the same weights names others; Q4_0 rounds the file's weights once more.
    """
    exact, shares = turns[EXACT][0]["likeliest"], {}
    for side, (first, *_) in turns.items():
        if "likeliest" in first:
            equal = sum(a == b for a, b in zip(first["likeliest"], exact, strict=True))
            shares[side] = equal / len(exact)
            if shares[side] < SAME and side[1] != "Q4_0":
                sys.exit(f"{title(side)} names only {shares[side]:.0%} of transformers' tokens")
    return shares


def title(side):
    program, weights, mode, streams = side
    return f"{NAMES[program]} {weights} {mode}" + (", two streams" if streams == 2 else "")


def table(summary, agrees, files):
    head = ["side", "prefill tokens/s", "decode steps/s (range)", "memory MB", "of file", "agrees"]
    rows = [head]
    for side, numbers in summary.items():
        rows.append(
            [
                title(side),
                f"{numbers['prefill']:.0f}",
                f"{numbers['steps']:.1f} ({numbers['least']:.0f}–{numbers['most']:.0f})",
                f"{numbers['peak_mb']:.0f}",
                f"{numbers['peak_mb'] * 1e6 / os.path.getsize(files[side[1]]):.2f}",
                f"{agrees[side]:.0%}" if side in agrees else "?",
            ]
        )
    return markdown(rows)


def goals(summary):
    """Our share of llama.cpp's best, and what two streams cost."""

    def best(what, weights, streams=1):
        sides = [s for s in summary if s[0] == "llama" and s[1] in weights and s[3] == streams]
        return max(sides, key=lambda side: summary[side][what])

    any_weights = ["Q4_1", "Q4_0", "F32"]
    pairs = {
        "decode": (INT8, "steps", any_weights),
        "prefill": (INT8, "prefill", any_weights),
        "f32 decode": (F32, "steps", ["F32"]),
        "f32 prefill": (F32, "prefill", ["F32"]),
    }
    rows, ratios = [["goal", "Engraft", "best of llama.cpp", "its variant", "ratio", "goals"]], {}
    for goal, (side, what, weights) in pairs.items():
        peer = best(what, weights)
        ours, theirs = summary[side][what], summary[peer][what]
        ratios[goal] = ours / theirs
        wanted = f"at least {GOALS[goal]}: {'met' if ratios[goal] >= GOALS[goal] else 'missed'}"
        variant = " ".join(peer[1:3])
        rows.append([goal, f"{ours:.1f}", f"{theirs:.1f}", variant, f"{ratios[goal]:.2f}", wanted])
    cost = summary[INT8]["steps"] / summary[INT8_TWICE]["steps"]
    one, two = best("steps", any_weights), best("steps", any_weights, 2)
    theirs = summary[one]["steps"] / summary[two]["steps"]
    ratios["two streams"], ratios["two streams, llama.cpp"] = cost, theirs
    wanted = f"at most {TWO_STREAMS}: {'met' if cost <= TWO_STREAMS else 'missed'}"
    variant = " ".join(two[1:3])
    rows.append(["a step of two / of one", f"{cost:.2f}", f"{theirs:.2f}", variant, "", wanted])
    return markdown(rows), ratios


def summarise(turns):
    median = {
        what: statistics.median(turn[what] for turn in turns)
        for what in ["prefill", "steps", "peak_mb"]
    }
    steps = [turn["steps"] for turn in turns]
    return {**median, "least": min(steps), "most": max(steps)}


def arguments():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", type=Path, required=True, help="SmolLM2's GGUF or its folder")
    parser.add_argument("--program", help="a built bench_decode (built now if not given)")
    parser.add_argument("--rounds", type=int, default=5, help="turns of each side (%(default)s)")
    parser.add_argument("--threads", type=int, default=2, help="threads of each side (%(default)s)")
    parser.add_argument("--json", type=Path, help="write every number to this file")
    parser.add_argument("--busy", action="store_true", help="run although the machine is busy")
    given = parser.parse_args()
    if given.model.is_dir():
        found = sorted(given.model.glob("*Q4_1.gguf"))
        if len(found) != 1:
            parser.error(f"{given.model} holds {len(found)} Q4_1.gguf files; name one")
        given.model = found[0]
    if given.rounds < 1 or given.threads < 1:
        parser.error("rounds and threads are 1 or more")
    return given


def main():
    given = arguments()
    # llama.cpp is compiled here, for the instructions of this machine.
    compiled = ["--no-binary", "llama-cpp-python"]
    native = {"CMAKE_ARGS": "-DGGML_NATIVE=ON"}
    python = python_with("decode", IMPORTS, PACKAGES, compiled, **native)
    program = given.program or built("engraft-runtime", "bench_decode")
    load = os.getloadavg()[0]
    quiet_or_end(given.busy)
    with tempfile.TemporaryDirectory() as folder:
        peer = [python, str(HERE / "peer.py")]
        subprocess.run([*peer, "files", str(given.model), folder], check=True)
        files = {weights: f"{folder}/{weights}.gguf" for weights in ["Q4_0", "F32"]}
        files["Q4_1"] = str(given.model)
        commands = {}
        for side in SIDES:
            name, weights, mode, streams = side
            start = [program] if name == "engraft" else [*peer, name]
            commands[side] = [*start, files[weights], mode, str(given.threads), str(streams)]
        turns, noise, agrees = measure(commands, given.rounds)
        summary = {side: summarise(of_side) for side, of_side in turns.items()}
        sizes = table(summary, agrees, files)
    cpu, instructions = instruction_set()
    first = {side: of_side[0] for side, of_side in turns.items()}
    llama = first[("llama", "Q4_0", "plain", 1)]
    versions = {
        "engraft": first[INT8].get("version", "?"),
        "llama_cpp_python": llama["version"],
        "transformers": first[EXACT]["version"],
    }
    met, ratios = goals(summary)
    print(
        f"{cpu}, {instructions}, {given.threads} threads; Engraft {versions['engraft']} "
        f"({first[INT8]['kernel']}), llama-cpp-python {versions['llama_cpp_python']}, "
        f"transformers {versions['transformers']}; {given.rounds} rounds; load at start {load:.1f}\n"
    )
    print(f"llama.cpp has {' '.join(llama['features'])}; it repacks", end=" ")
    repacked = {weights: first[("llama", weights, "plain", 1)]["repacked_mb"] for weights in files}
    print(", ".join(f"{mb:.0f} MB of {weights}" for weights, mb in repacked.items()) + "\n")
    print(f"{sizes}\n\n{met}")
    if given.json:
        about = {"cpu": cpu, "instructions": instructions, "threads": given.threads, "load": load}
        about |= {"versions": versions, "busy_cores": noise}
        about |= {"ratios": ratios, "repacked_mb": repacked}
        of_sides = {title(side): {"turns": turns[side], **summary[side]} for side in SIDES}
        given.json.write_text(json.dumps({**about, "sides": of_sides}))


if __name__ == "__main__":
    main()
