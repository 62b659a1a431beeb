"""The peers' side of the comparison: llama.cpp and transformers, over the same tokens.

`peer.py llama FILE plain|flash THREADS STREAMS` and `peer.py torch FILE float32|bfloat16 THREADS 1` load
a GGUF file, prefill and decode once to warm up and once by the clock, and answer one line of JSON. Tokens
and what is timed are those of `crates/engraft-runtime/examples/bench_decode.rs`.

`peer.py files FILE FOLDER` writes the other weights that run.py needs: all matrices in Q4_0, all in F32.
"""

import ctypes
import json
import os
import re
import sys
import time
import warnings
from pathlib import Path

PREFILL, DECODE = 256, 64
PROMPT = [100 + at * 7 % 40_000 for at in range(PREFILL)]
NEXT = [1000 + step for step in range(DECODE)]


class LlamaCpp:
    """llama.cpp by its C interface, as `llama-bench` calls it."""

    def __init__(self, file, mode, threads, streams):
        import llama_cpp
        import numpy

        self.lib, self.numpy, self.streams = llama_cpp, numpy, streams
        self.log, self.listener = listen(llama_cpp)
        self.held = peak_rss()
        llama_cpp.llama_backend_init()
        self.model = llama_cpp.llama_model_load_from_file(
            file.encode(), llama_cpp.llama_model_default_params()
        )
        options = llama_cpp.llama_context_default_params()
        options.n_ctx = 512 * streams
        options.n_batch = options.n_ubatch = PREFILL
        options.n_seq_max = streams
        options.n_threads = options.n_threads_batch = threads
        options.flash_attn_type = {"plain": 0, "flash": 1}[mode]
        self.context = llama_cpp.llama_init_from_model(self.model, options)
        if not self.context:
            sys.exit(f"llama.cpp does not load {file}:\n{''.join(self.log)}")
        self.vocab = llama_cpp.llama_vocab_n_tokens(llama_cpp.llama_model_get_vocab(self.model))
        places = range(PREFILL)
        self.prompts = [
            self.batch([(PROMPT[at], at, stream, at == places[-1]) for at in places])
            for stream in range(streams)
        ]
        self.steps = [
            self.batch([(token, PREFILL + step, stream, True) for stream in range(streams)])
            for step, token in enumerate(NEXT)
        ]

    def batch(self, places):
        batch = self.lib.llama_batch_init(len(places), 0, 1)
        batch.n_tokens = len(places)
        for row, (token, position, stream, asked) in enumerate(places):
            batch.token[row], batch.pos[row], batch.logits[row] = token, position, asked
            batch.n_seq_id[row], batch.seq_id[row][0] = 1, stream
        return batch

    def clear(self):
        self.lib.llama_memory_clear(self.lib.llama_get_memory(self.context), True)

    def prefill(self):
        for batch in self.prompts:
            self.feed(batch)

    def step(self, step):
        self.feed(self.steps[step])

    def feed(self, batch):
        if self.lib.llama_decode(self.context, batch):
            sys.exit("llama.cpp does not decode")
        self.lib.llama_synchronize(self.context)

    def likeliest(self):
        logits = self.lib.llama_get_logits_ith(self.context, -1)
        return int(self.numpy.ctypeslib.as_array(logits, (self.vocab,)).argmax())

    def about(self):
        system = self.lib.llama_print_system_info().decode()
        repacked = re.findall(r"CPU_REPACK model buffer size = *([\d.]+) MiB", "".join(self.log))
        return {
            "version": self.lib.__version__,
            "features": re.findall(r"(\w+) = 1\b", system),
            "repacked_mb": sum(float(size) * 1.048576 for size in repacked),
        }


def listen(llama_cpp):
    """Keeps what llama.cpp says for as long as the second result lives."""
    log = []
    listener = llama_cpp.llama_log_callback(lambda level, text, _: log.append(text.decode()))
    llama_cpp.llama_log_set(listener, ctypes.c_void_p())
    return log, listener


class Transformers:
    def __init__(self, file, mode, threads, streams):
        os.environ["TQDM_DISABLE"] = "1"
        warnings.simplefilter("ignore")
        import torch
        import transformers

        self.torch, self.versions = torch, f"{transformers.__version__}, torch {torch.__version__}"
        self.cache = transformers.DynamicCache
        transformers.utils.logging.set_verbosity_error()
        torch.set_num_threads(threads)
        self.held = peak_rss()
        path = Path(file)
        self.model = transformers.AutoModelForCausalLM.from_pretrained(
            path.parent, gguf_file=path.name, dtype=getattr(torch, mode)
        ).eval()

    def clear(self):
        self.past = self.cache()

    def prefill(self):
        self.feed(PROMPT)

    def step(self, step):
        self.feed([NEXT[step]])

    def feed(self, tokens):
        with self.torch.inference_mode():
            ids = self.torch.tensor([tokens])
            out = self.model(ids, past_key_values=self.past, use_cache=True, logits_to_keep=1)
        self.logits = out.logits[0, -1]

    def likeliest(self):
        return int(self.logits.argmax())

    def about(self):
        return {"version": self.versions}


def warm_up(peer):
    """One pass without the clock; names the likeliest token after the prompt and after every step."""
    peer.clear()
    peer.prefill()
    likeliest = [peer.likeliest()]
    for step in range(DECODE):
        peer.step(step)
        likeliest.append(peer.likeliest())
    return likeliest


def measure(peer, streams):
    peer.clear()
    started = time.perf_counter()
    peer.prefill()
    filled = time.perf_counter()
    for step in range(DECODE):
        peer.step(step)
    ended = time.perf_counter()
    return {"prefill": PREFILL * streams / (filled - started), "steps": DECODE / (ended - filled)}


def peak_rss():
    with open("/proc/self/status") as file:
        line = next(line for line in file if line.startswith("VmHWM:"))
    return int(line.split()[1]) * 1024


def files(source, folder):
    import llama_cpp

    log, _listener = listen(llama_cpp)
    kinds = {"Q4_0": llama_cpp.LLAMA_FTYPE_MOSTLY_Q4_0, "F32": llama_cpp.LLAMA_FTYPE_ALL_F32}
    for name, kind in kinds.items():
        options = llama_cpp.llama_model_quantize_default_params()
        options.ftype, options.allow_requantize, options.pure = kind, True, True
        file = Path(folder) / f"{name}.gguf"
        if llama_cpp.llama_model_quantize(source.encode(), str(file).encode(), options):
            sys.exit(f"llama.cpp writes no {file}:\n{''.join(log)}")


def main():
    kind, *words = sys.argv[1:]
    if kind == "files":
        return files(*words)
    file, mode, threads, streams = words
    peer = {"llama": LlamaCpp, "torch": Transformers}[kind](file, mode, int(threads), int(streams))
    likeliest = warm_up(peer)
    answer = {**measure(peer, int(streams)), "likeliest": likeliest, "held_mb": peer.held / 1e6}
    print(json.dumps({**answer, **peer.about()}))


if __name__ == "__main__":
    main()
