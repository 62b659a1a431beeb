"""PyTorch's side of the comparison: the same training steps, over the same lines.

`peer.py MODEL VARIANT` keeps a model in memory: a number on standard input runs that many steps and
is answered by one line of JSON. First weights and data are numbers made from their place alone, as in
`crates/engraft/examples/bench_steps.rs`: losses of both sides must be the same.
"""

import ctypes
import gc
import json
import os
import sys
import time

import torch
import torch.nn as nn
import torch.nn.functional as F

MASK = 0xFFFFFFFF


def bits(seed, count):
    """32 well-mixed bits a place."""
    x = (torch.arange(count) * 0x9E3779B1 + seed * 0x85EBCA6B) & MASK
    x = ((x ^ (x >> 16)) * 0x7FEB352D) & MASK
    x = ((x ^ (x >> 15)) * 0x846CA68B) & MASK
    return x ^ (x >> 16)


def uniform(seed, *shape):
    count = torch.Size(shape).numel()
    return ((bits(seed, count) >> 8).float() / (1 << 23) - 1.0).reshape(shape)


def below(seed, count, classes):
    return bits(seed, count) % classes


class Mlp(nn.Module):
    def __init__(self):
        super().__init__()
        widths = [784, 512, 256, 10]
        self.layers = nn.ModuleList(nn.Linear(a, b) for a, b in zip(widths, widths[1:]))

    def forward(self, x):
        for layer in self.layers[:-1]:
            x = F.relu(layer(x))
        return self.layers[-1](x)

    @staticmethod
    def batch():
        return uniform(100, 128, 784), below(101, 128, 10)


class BasicBlock(nn.Module):
    def __init__(self, inputs, outputs):
        super().__init__()
        self.stride = 1 if inputs == outputs else 2
        self.pad = (outputs - inputs) // 2
        self.conv1 = nn.Conv2d(inputs, outputs, 3, self.stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)

    def forward(self, x):
        y = F.relu(self.bn1(self.conv1(x)))
        y = self.bn2(self.conv2(y))
        if self.stride != 1:
            x = F.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, self.pad, self.pad))
        return F.relu(y + x)


class Resnet20(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 16, 3, 1, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(16)
        widths = [16, 16, 32, 64]
        for stage, (inputs, outputs) in enumerate(zip(widths, widths[1:]), start=1):
            blocks = [BasicBlock(inputs if i == 0 else outputs, outputs) for i in range(3)]
            setattr(self, f"layer{stage}", nn.Sequential(*blocks))
        self.linear = nn.Linear(64, 10)

    def forward(self, x):
        x = F.relu(self.bn1(self.conv1(x)))
        x = self.layer3(self.layer2(self.layer1(x)))
        return self.linear(x.mean(dim=(2, 3)))

    @staticmethod
    def batch():
        return uniform(100, 128, 3, 32, 32), below(101, 128, 10)


class Attention(nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.heads = heads
        self.c_attn = nn.Linear(width, 3 * width)
        self.c_proj = nn.Linear(width, width)

    def forward(self, x):
        batch, tokens, width = x.shape
        heads = (batch, tokens, self.heads, width // self.heads)
        q, k, v = (part.view(heads).transpose(1, 2) for part in self.c_attn(x).split(width, dim=2))
        y = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        return self.c_proj(y.transpose(1, 2).reshape(batch, tokens, width))


class GptMlp(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.c_fc = nn.Linear(width, 4 * width)
        self.c_proj = nn.Linear(4 * width, width)

    def forward(self, x):
        return self.c_proj(F.gelu(self.c_fc(x), approximate="tanh"))


class GptBlock(nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.ln_1 = nn.LayerNorm(width)
        self.attn = Attention(width, heads)
        self.ln_2 = nn.LayerNorm(width)
        self.mlp = GptMlp(width)

    def forward(self, x):
        x = x + self.attn(self.ln_1(x))
        return x + self.mlp(self.ln_2(x))


class Gpt(nn.Module):
    def __init__(self, layers=4, width=256, heads=4, context=256, vocab=4096):
        super().__init__()
        self.transformer = nn.ModuleDict(
            {
                "wte": nn.Embedding(vocab, width),
                "wpe": nn.Embedding(context, width),
                "h": nn.ModuleList(GptBlock(width, heads) for _ in range(layers)),
                "ln_f": nn.LayerNorm(width),
            }
        )
        self.register_buffer("positions", torch.arange(context))

    def forward(self, ids):
        body = self.transformer
        x = body["wte"](ids) + body["wpe"](self.positions[: ids.shape[1]])
        for block in body["h"]:
            x = block(x)
        return F.linear(body["ln_f"](x), body["wte"].weight).flatten(0, 1)

    @staticmethod
    def batch():
        return below(100, 8 * 256, 4096).view(8, 256), below(101, 8 * 256, 4096)


class Lora(nn.Module):
    """The shape of SmolLM2-135M with PEFT's LoRA of rank 8 on every linear layer."""

    def __init__(self):
        super().__init__()
        from peft import LoraConfig, get_peft_model
        from transformers import LlamaConfig, LlamaForCausalLM

        config = LlamaConfig(
            vocab_size=49152,
            hidden_size=576,
            intermediate_size=1536,
            num_hidden_layers=30,
            num_attention_heads=9,
            num_key_value_heads=3,
            max_position_embeddings=2048,
            rms_norm_eps=1e-5,
            rope_theta=1e5,
            tie_word_embeddings=True,
            use_cache=False,
        )
        base = LlamaForCausalLM(config)
        set_weights(base)
        lora = LoraConfig(r=8, lora_alpha=8, lora_dropout=0.0, target_modules="all-linear")
        self.model = get_peft_model(base, lora)
        factors = sorted(self.model.named_parameters())
        factors = [weight for name, weight in factors if "lora_A" in name]
        with torch.no_grad():
            for index, weight in enumerate(factors):
                bound = weight.shape[1] ** -0.5
                weight.copy_(uniform(1000 + index, *weight.shape) * bound)

    def forward(self, ids):
        return self.model(input_ids=ids).logits.flatten(0, 1)

    @staticmethod
    def batch():
        return below(100, 4 * 128, 49152).view(4, 128), below(101, 4 * 128, 49152)


def set_weights(network):
    """Matrices by their place among the sorted names, norms 1, biases 0."""
    with torch.no_grad():
        for seed, (name, weight) in enumerate(sorted(network.named_parameters())):
            if weight.dim() == 1:
                weight.fill_(0.0 if name.endswith("bias") else 1.0)
            else:
                bound = (weight.shape[0] / weight.numel()) ** 0.5
                weight.copy_(uniform(seed, *weight.shape) * bound)


class Training:
    """A network and its optimiser."""

    def __init__(self, network, optimizer):
        self.network = network
        if not isinstance(network, Lora):
            set_weights(network)
        self.optimizer = optimizer([p for p in network.parameters() if p.requires_grad])
        self.input, self.labels = network.batch()
        self.parameters = sum(p.numel() for p in network.parameters())

    def step(self):
        loss = F.cross_entropy(self.network(self.input), self.labels)
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        self.optimizer.step()
        return loss.item()


class Distance:
    """The step of Hinton's distillation without the networks."""

    TEMPERATURE = 2.0
    parameters = 0

    def __init__(self, log_target):
        self.log_target = log_target
        self.student = (uniform(100, 512, 49152) * 4.0).requires_grad_()
        self.teacher = uniform(101, 512, 49152) * 4.0

    def step(self):
        t = self.TEMPERATURE
        target = F.log_softmax if self.log_target else F.softmax
        loss = F.kl_div(
            F.log_softmax(self.student / t, dim=1),
            target(self.teacher / t, dim=1),
            reduction="batchmean",
            log_target=self.log_target,
        )
        loss = loss * t**2
        self.student.grad = None
        loss.backward()
        return loss.item()


def adamw(**options):
    return lambda parameters: torch.optim.AdamW(parameters, lr=1e-3, **options)


def sgd(**options):
    momentum = dict(lr=0.01, momentum=0.9, weight_decay=1e-4)
    return lambda parameters: torch.optim.SGD(parameters, **momentum, **options)


# run.py runs all variants it names; the fastest counts.
MODELS = {
    "mlp": {
        "default": lambda: Training(Mlp(), adamw()),
        "fused": lambda: Training(Mlp(), adamw(fused=True)),
    },
    "resnet": {
        "default": lambda: Training(Resnet20(), sgd()),
        "fused": lambda: Training(Resnet20(), sgd(fused=True)),
    },
    "gpt": {
        "default": lambda: Training(Gpt(), adamw()),
        "fused": lambda: Training(Gpt(), adamw(fused=True)),
    },
    "lora": {
        "default": lambda: Training(Lora(), adamw()),
        "fused": lambda: Training(Lora(), adamw(fused=True)),
    },
    "kd": {
        "softmax": lambda: Distance(False),
        "log_softmax": lambda: Distance(True),
    },
}


def return_free_memory():
    """Gives back what is kept for later, so that it does not hide what a step takes."""
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)


def forget_peak_rss():
    with open("/proc/self/clear_refs", "w") as file:
        file.write("5")


def peak_rss():
    with open("/proc/self/status") as file:
        line = next(line for line in file if line.startswith("VmHWM:"))
    return int(line.split()[1]) * 1024


def run(task, steps):
    return_free_memory()
    forget_peak_rss()
    held = peak_rss()
    ms, losses = [], []
    for _ in range(steps):
        started = time.perf_counter()
        losses.append(task.step())
        ms.append((time.perf_counter() - started) * 1e3)
    extra = (peak_rss() - held) / 1e6
    return {"ms": ms, "losses": losses, "extra_mb": extra, "parameters": task.parameters}


def main():
    torch.set_num_threads(int(os.environ["ENGRAFT_BENCH_THREADS"]))
    model, variant = sys.argv[1:]
    task = MODELS[model][variant]()
    for line in sys.stdin:
        answer = {**run(task, int(line)), "version": torch.__version__}
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
