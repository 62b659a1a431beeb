"""Writes the seeds of the target `gguf`: tiny whole models, one for each kind of file that is read.

    python gguf.py
"""

import struct
from pathlib import Path

HERE = Path(__file__).parent / "gguf"
F32, F16, Q4_0, Q4_1, Q8_0, BF16 = 0, 1, 2, 3, 8, 30
BLOCKS = {F32: (1, 4), F16: (1, 2), BF16: (1, 2), Q4_0: (32, 18), Q4_1: (32, 20), Q8_0: (32, 34)}
LETTERS = [*"tobern", "Ġ", "to", "be", "<|end|>"]
MERGES = ["t o", "b e"]


def text(value):
    return struct.pack("<Q", len(value.encode())) + value.encode()


def value(given):
    """Type and bytes of a metadata value."""
    match given:
        case bool():
            return 7, struct.pack("<?", given)
        case int():
            return 4, struct.pack("<I", given)
        case float():
            return 6, struct.pack("<f", given)
        case str():
            return 8, text(given)
        case list():
            parts = [value(one) for one in given]
            kind = parts[0][0] if parts else 8
            return 9, struct.pack("<IQ", kind, len(parts)) + b"".join(part for _, part in parts)


def numbers(kind, count):
    """Blocks whose scales are 0.5 and whose codes go up."""
    block, size = BLOCKS[kind]
    if block == 1:
        one = {F32: struct.pack("<f", 0.5), F16: struct.pack("<e", 0.5), BF16: b"\x00\x3f"}[kind]
        return one * count
    scale = struct.pack("<e", 0.5)
    return (scale + bytes(range(size - len(scale)))) * (count // block)


def file(metadata, tensors):
    head = b"GGUF" + struct.pack("<IQQ", 3, len(tensors), len(metadata))
    for key, given in metadata.items():
        kind, data = value(given)
        head += text(key) + struct.pack("<I", kind) + data
    body = b""
    for name, (kind, *sides) in tensors.items():
        head += text(name) + struct.pack("<I", len(sides))
        head += b"".join(struct.pack("<Q", side) for side in reversed(sides))
        head += struct.pack("<IQ", kind, len(body))
        count = 1
        for side in sides:
            count *= side
        body += numbers(kind, count)
        body += bytes(-len(body) % 32)
    return head + bytes(-len(head) % 32) + body


def metadata(kind, width, pre):
    return {
        "general.architecture": kind,
        f"{kind}.embedding_length": width,
        f"{kind}.feed_forward_length": 2,
        f"{kind}.block_count": 1,
        f"{kind}.context_length": 16,
        f"{kind}.attention.head_count": 2,
        f"{kind}.attention.head_count_kv": 1,
        f"{kind}.attention.key_length": 2,
        f"{kind}.attention.layer_norm_rms_epsilon": 1e-5,
        f"{kind}.rope.freq_base": 10000.0,
        "tokenizer.ggml.model": "gpt2",
        "tokenizer.ggml.pre": pre,
        "tokenizer.ggml.tokens": LETTERS,
        "tokenizer.ggml.token_type": [1] * (len(LETTERS) - 1) + [3],
        "tokenizer.ggml.merges": MERGES,
        "tokenizer.ggml.bos_token_id": 0,
        "tokenizer.ggml.eos_token_id": len(LETTERS) - 1,
        "tokenizer.ggml.add_bos_token": True,
    }


def block(width, matrix, plain):
    """Rows of `width` numbers may be in blocks; those of 2 or 4 are not."""
    return {
        "blk.0.attn_norm.weight": (F32, width),
        "blk.0.attn_q.weight": (matrix, 4, width),
        "blk.0.attn_k.weight": (matrix, 2, width),
        "blk.0.attn_v.weight": (matrix, 2, width),
        "blk.0.attn_output.weight": (plain, width, 4),
        "blk.0.ffn_norm.weight": (F32, width),
        "blk.0.ffn_gate.weight": (matrix, 2, width),
        "blk.0.ffn_up.weight": (matrix, 2, width),
        "blk.0.ffn_down.weight": (plain, width, 2),
        "output_norm.weight": (F32, width),
    }


def main():
    HERE.mkdir(exist_ok=True)
    vocabulary = len(LETTERS)
    chat = "{% for m in messages %}{{ m.role }}: {{ m.content }}{{ eos_token }}{% endfor %}"
    # A cut by its own expression (`llama-bpe`, `qwen2`) takes most of a run to compile: one seed has it.
    for name, kind, width, matrix, plain, pre in [
        ("llama-q4_0", "llama", 32, Q4_0, F16, "smollm"),
        ("llama-q4_1", "llama", 32, Q4_1, BF16, "llama-bpe"),
        ("llama-q8_0", "llama", 32, Q8_0, F16, "gpt-2"),
        ("qwen2-bf16", "qwen2", 4, BF16, BF16, "gpt-2"),
        ("qwen3-f32", "qwen3", 4, F32, F32, "default"),
    ]:
        tensors = {"token_embd.weight": (matrix, vocabulary, width)} | block(width, matrix, plain)
        meta = metadata(kind, width, pre)
        if kind == "llama":
            meta["tokenizer.chat_template"] = chat
        if kind == "qwen2":
            tensors["output.weight"] = (matrix, vocabulary, width)
            tensors |= {f"blk.0.attn_{part}.bias": (F32, rows) for part, rows in [("q", 4), ("k", 2), ("v", 2)]}
        if kind == "qwen3":
            tensors |= {f"blk.0.attn_{part}_norm.weight": (F32, 2) for part in "qk"}
        (HERE / name).write_bytes(file(meta, tensors))
    (HERE / "empty").write_bytes(file({}, {}))


main()
