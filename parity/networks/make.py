"""Writes the reference numbers of small random networks, computed with transformers (eager, f32).

    python make.py [FOLDER_WITH_WEIGHTS-STORIES260K]

Weights are drawn here; each case holds them beside ids, logits, hidden states and attention maps.
With a folder as argument the numbers of that trained Llama go to ../stories260k (without weights).
"""

import json
import sys
from pathlib import Path

import torch
from safetensors.torch import save_file
from transformers import (
    AutoModelForCausalLM,
    GPT2Config,
    GPT2LMHeadModel,
    LlamaConfig,
    LlamaForCausalLM,
    MistralConfig,
    MistralForCausalLM,
    Qwen2Config,
    Qwen2ForCausalLM,
    Qwen3Config,
    Qwen3ForCausalLM,
    __version__,
)

HERE = Path(__file__).parent
TOLERANCE = {"abs": 2e-5, "rel": 2e-5}


def signals(model, ids):
    with torch.no_grad():
        out = model(ids, output_hidden_states=True, output_attentions=True)
    # The last hidden state of transformers is after the final norm; ours is before it.
    found = {f"hidden.{i}": h.reshape(-1, h.shape[-1]) for i, h in enumerate(out.hidden_states[:-1])}
    found |= {f"attention.{i}": a for i, a in enumerate(out.attentions)}
    found["logits"] = out.logits.reshape(-1, out.logits.shape[-1])
    return {name: tensor.contiguous().clone() for name, tensor in found.items()}


def listed(tensors, role):
    kinds = {torch.float32: "float32", torch.int64: "int64"}
    return {
        name: {"dtype": kinds[t.dtype], "shape": list(t.shape), "role": role} for name, t in tensors.items()
    }


def write(folder, name, hyperparameters, inputs, outputs, tolerance=TOLERANCE):
    save_file(inputs | outputs, folder / f"{name}.safetensors")
    return {
        "name": name,
        "kind": "causal_lm",
        "file": f"{name}.safetensors",
        "compat": False,
        "hyperparameters": hyperparameters,
        "tolerance": tolerance,
        "tensors": listed(inputs, "input") | listed(outputs, "output"),
    }


def listing(folder, slug, cases):
    head = {"slug": slug, "source": "official", "notes": f"transformers {__version__}, eager attention, f32"}
    (folder / "cases.json").write_text(json.dumps(head | {"cases": cases}, indent=1) + "\n")


def randomise(model):
    generator = torch.Generator().manual_seed(7)
    for name, parameter in model.named_parameters():
        noise = torch.randn(parameter.shape, generator=generator)
        parameter.data = 1 + 0.2 * noise if "norm" in name or "ln_" in name and "weight" in name else 0.15 * noise


def family():
    common = dict(
        vocab_size=40,
        hidden_size=24,
        intermediate_size=40,
        num_hidden_layers=2,
        num_attention_heads=4,
        max_position_embeddings=64,
        rms_norm_eps=1e-5,
        attn_implementation="eager",
    )
    rope = lambda theta: {"rope_parameters": {"rope_type": "default", "rope_theta": theta}}
    yield "llama_tied", LlamaForCausalLM(
        LlamaConfig(**common, num_key_value_heads=2, tie_word_embeddings=True, **rope(10000.0))
    )
    yield "mistral_untied", MistralForCausalLM(
        MistralConfig(**common, num_key_value_heads=1, head_dim=8, sliding_window=None, **rope(1000.0))
    )
    yield "qwen2_bias", Qwen2ForCausalLM(Qwen2Config(**common, num_key_value_heads=2, **rope(1e6)))
    yield "qwen3_head_norms", Qwen3ForCausalLM(
        Qwen3Config(**common, num_key_value_heads=2, head_dim=8, tie_word_embeddings=True, **rope(1e6))
    )
    # One fast pair, one between, one slow.
    stretched = dict(factor=8.0, low_freq_factor=1.0, high_freq_factor=4.0, original_max_position_embeddings=32)
    yield "llama3_rope", LlamaForCausalLM(
        LlamaConfig(
            **common,
            num_key_value_heads=2,
            tie_word_embeddings=True,
            rope_parameters={"rope_type": "llama3", "rope_theta": 100.0, **stretched},
        )
    )


def llama_config(model):
    config = model.config.to_dict()
    keys = """model_type vocab_size hidden_size intermediate_size num_hidden_layers num_attention_heads
        num_key_value_heads max_position_embeddings rms_norm_eps tie_word_embeddings hidden_act""".split()
    kept = {key: config[key] for key in keys}
    if config.get("head_dim"):
        kept["head_dim"] = config["head_dim"]
    rope = config["rope_parameters"]
    kept["rope_theta"] = rope["rope_theta"]
    if rope["rope_type"] != "default":
        kept["rope_scaling"] = {key: value for key, value in rope.items() if key != "rope_theta"}
    return kept


def weights(model):
    tied = model.config.tie_word_embeddings
    state = {k: v for k, v in model.state_dict().items() if not (tied and k == "lm_head.weight")}
    return {f"weights.{name}": tensor.contiguous().clone() for name, tensor in state.items()}


def gpt():
    model = GPT2LMHeadModel(
        GPT2Config(
            vocab_size=40, n_embd=24, n_layer=2, n_head=3, n_positions=32, n_inner=96, attn_implementation="eager"
        )
    )
    return model


def main():
    generator = torch.Generator().manual_seed(1)
    ids = torch.randint(0, 40, (2, 11), generator=generator)
    cases = []
    for name, model in family():
        randomise(model)
        model.eval()
        inputs = {"ids": ids} | weights(model)
        cases.append(write(HERE, name, {"config": llama_config(model)}, inputs, signals(model, ids)))
    model = gpt()
    randomise(model)
    model.eval()
    # GPT-2 keeps its matrices [in, out]; ours are [out, in] like every other model's.
    turned = {
        name: tensor.t().contiguous() if name.split(".")[-2].startswith("c_") and tensor.dim() == 2 else tensor
        for name, tensor in weights(model).items()
    }
    config = {
        "model_type": "engraft-gpt",
        "vocab_size": 40,
        "n_layer": 2,
        "n_embd": 24,
        "n_head": 3,
        "n_positions": 32,
        "n_inner": 96,
        "tie_word_embeddings": True,
    }
    cases.append(write(HERE, "gpt2", {"config": config}, {"ids": ids} | turned, signals(model, ids)))
    listing(HERE, "networks", cases)

    if len(sys.argv) > 1:
        folder = HERE.parent / "stories260k"
        model = AutoModelForCausalLM.from_pretrained(sys.argv[1], attn_implementation="eager", dtype=torch.float32)
        model.eval()
        greedy = model.generate(torch.tensor([[1]]), max_new_tokens=24, do_sample=False)
        outputs = signals(model, greedy) | {"greedy": greedy[0]}
        case = write(folder, "greedy_story", {}, {"ids": greedy.clone()}, outputs, {"abs": 1e-4, "rel": 1e-4})
        listing(folder, "stories260k", [case])


main()
