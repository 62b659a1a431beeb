"""What the benches share: an environment for the peer, our side built, a quiet machine, and its name."""

import json
import os
import platform
import subprocess
import sys
import tempfile
import time
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
# Cores others may keep busy.
QUIET = 0.5


def python_with(name, imports, packages, options=(), **environment):
    """`ENGRAFT_BENCH_PYTHON`, or a scratch environment of that name that is made once."""
    given = os.environ.get("ENGRAFT_BENCH_PYTHON")
    if given:
        return given
    folder = Path(tempfile.gettempdir()) / f"engraft-bench-{name}"
    python = folder / "bin" / "python"
    if not python.exists():
        print(f"making an environment with {', '.join(packages)} in {folder}", file=sys.stderr)
        venv.create(folder, with_pip=True)
    if subprocess.run([python, "-c", f"import {imports}"], stderr=subprocess.DEVNULL).returncode:
        install = [python, "-m", "pip", "install", "--quiet", *options, *packages]
        subprocess.run(install, check=True, env={**environment, **os.environ})
    return str(python)


def built(package, example):
    """Our side: the path of an example, built for release."""
    command = ["cargo", "build", "--release", "--locked", "-p", package, "--example", example]
    command += ["--message-format", "json-render-diagnostics"]
    done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    if done.returncode:
        sys.exit("the build failed; its message is above")
    for line in done.stdout.splitlines():
        message = json.loads(line)
        if message.get("target", {}).get("name") == example and message.get("executable"):
            return message["executable"]
    sys.exit(f"cargo built no {example}")


def instruction_set():
    """The processor's name and the widest of its instructions that we use."""
    with open("/proc/cpuinfo") as file:
        lines = file.read().splitlines()
    flags = next((line for line in lines if line.startswith("flags")), "").split()
    model = next((line.split(": ")[1] for line in lines if line.startswith("model name")), "?")
    for flag, name in [("avx512_vnni", "AVX-512 VNNI"), ("avx512f", "AVX-512"), ("avx2", "AVX2")]:
        if flag in flags:
            return model, name
    return model, platform.machine()


def busy_cores(seconds=1.0):
    """Cores in use now; our sides wait, so it is others that use them."""

    def times():
        with open("/proc/stat") as file:
            numbers = [int(number) for number in file.readline().split()[1:9]]
        return sum(numbers), numbers[3] + numbers[4]

    (all_before, idle_before) = times()
    time.sleep(seconds)
    (all_after, idle_after) = times()
    passed = max(all_after - all_before, 1)
    return (1 - (idle_after - idle_before) / passed) * os.cpu_count()


def quiet_or_end(even_so):
    """Ends where others use the machine, unless rough numbers will do."""
    busy = busy_cores()
    if busy > QUIET and not even_so:
        sys.exit(f"others keep {busy:.1f} cores busy; wait, or pass --busy for rough numbers")


def noise_of(turn):
    """Cores that others use before a turn, with a warning where they are too many."""
    busy = busy_cores()
    if busy > QUIET:
        print(
            f"warning: {turn}: others keep {busy:.1f} cores busy; the numbers are not to be trusted",
            file=sys.stderr,
        )
    return busy


def markdown(rows):
    """Rows of cells, the head first, as a table."""
    lines = [rows[0], ["---"] * len(rows[0]), *rows[1:]]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)
