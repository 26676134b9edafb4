#!/usr/bin/env python3
"""Train nano's tokenizer on the shards and write the folder of an untrained nano: everything but the weights.

    python3 scripts/nano/make_tokenizer.py -i data/nano -o checkpoints/nano

Byte-level BPE exactly as Qwen2.5's: NFC, the same split rule (single digits), 256 byte symbols, id = 256 + rank of the
merge, then the three ChatML control tokens. Needs from PyPI: pyarrow, tokenizers. The same shards give the same bytes.
"""

import argparse
import json
import pathlib

import pyarrow.parquet as pq
from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

VOCAB = 1024
CONTROL = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
END, START, TURN_END = range(VOCAB - len(CONTROL), VOCAB)
SPLIT = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+"
         r"|\s+(?!\S)|\s+")
# Qwen's ChatML without the default system turn: nano never saw one, and on 200-token examples it would be dead weight.
TEMPLATE = ("{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>' "
            "+ '\\n' }}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}")
WORDS = ["system\n", "user\n", "assistant\n", "<think>\n", "\n</think>\n\n"]
# No side of a product is under 128, so that rank 128 is a real rank everywhere.
SHAPE = {"hidden_size": 128, "intermediate_size": 512, "num_hidden_layers": 4, "num_attention_heads": 4,
         "num_key_value_heads": 4, "max_position_embeddings": 2048, "rope_theta": 10000.0}


def texts(folder):
    """All turns of the base and sft shards, and the frame around them that every example repeats."""
    for name in ("base", "sft"):
        for talk in pq.read_table(folder / f"{name}.parquet", columns=["conversations"])["conversations"].to_pylist():
            for turn in talk:
                yield turn["value"]
                yield from WORDS


def train(folder):
    """The tokenizer; its trainer sorts ties, so the merges depend on the shards alone."""
    t = Tokenizer(models.BPE())
    t.normalizer = normalizers.NFC()
    t.pre_tokenizer = pre_tokenizers.Sequence([
        pre_tokenizers.Split(Regex(SPLIT), behavior="isolated"),
        pre_tokenizers.ByteLevel(add_prefix_space=False, trim_offsets=False, use_regex=False)])
    trainer = trainers.BpeTrainer(vocab_size=VOCAB - len(CONTROL), show_progress=False,
                                  initial_alphabet=pre_tokenizers.ByteLevel.alphabet())
    t.train_from_iterator(texts(folder), trainer)
    return json.loads(t.to_str())["model"]


def byte_order():
    """The 256 byte symbols in GPT-2's order, as Qwen numbers them: printable bytes first, the others moved up."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    rest = [b for b in range(256) if b not in printable]
    return [chr(b) for b in printable] + [chr(256 + i) for i in range(len(rest))]


def tokenizer_json(model):
    merges = [m if isinstance(m, list) else m.split(" ") for m in model["merges"]]
    order = byte_order() + ["".join(m) for m in merges]
    assert sorted(order) == sorted(model["vocab"]) and len(order) == VOCAB - len(CONTROL)
    byte_level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": False, "use_regex": False}
    return {
        "version": "1.0", "truncation": None, "padding": None,
        "added_tokens": [{"id": END + i, "content": c, "single_word": False, "lstrip": False, "rstrip": False,
                          "normalized": False, "special": True} for i, c in enumerate(CONTROL)],
        "normalizer": {"type": "NFC"},
        "pre_tokenizer": {"type": "Sequence", "pretokenizers": [
            {"type": "Split", "pattern": {"Regex": SPLIT}, "behavior": "Isolated", "invert": False}, byte_level]},
        "post_processor": byte_level,
        "decoder": byte_level,
        "model": {"type": "BPE", "dropout": None, "unk_token": None, "continuing_subword_prefix": "",
                  "end_of_word_suffix": "", "fuse_unk": False, "byte_fallback": False,
                  "vocab": {piece: i for i, piece in enumerate(order)}, "merges": [" ".join(m) for m in merges]},
    }


def tokenizer_config():
    added = {str(END + i): {"content": c, "lstrip": False, "normalized": False, "rstrip": False, "single_word": False,
                            "special": True} for i, c in enumerate(CONTROL)}
    return {"add_bos_token": False, "add_prefix_space": False, "added_tokens_decoder": added, "bos_token": None,
            "chat_template": TEMPLATE, "clean_up_tokenization_spaces": False, "eos_token": "<|im_end|>", "errors": "replace",
            "model_max_length": SHAPE["max_position_embeddings"], "pad_token": "<|endoftext|>", "split_special_tokens": False,
            "tokenizer_class": "Qwen2Tokenizer", "unk_token": None}


def config():
    return {"architectures": ["Qwen2ForCausalLM"], "attention_dropout": 0.0, "bos_token_id": END, "eos_token_id": TURN_END,
            "hidden_act": "silu", "initializer_range": 0.08, "max_window_layers": SHAPE["num_hidden_layers"],
            "model_type": "qwen2", "rms_norm_eps": 1e-06, "sliding_window": SHAPE["max_position_embeddings"],
            "tie_word_embeddings": True, "torch_dtype": "bfloat16", "use_cache": True, "use_sliding_window": False,
            "vocab_size": VOCAB, **SHAPE}


def generation_config():
    """Greedy by default: the nano world has one right answer."""
    return {"bos_token_id": END, "pad_token_id": END, "eos_token_id": [TURN_END, END], "do_sample": False,
            "repetition_penalty": 1.0, "temperature": 1.0, "top_k": 0, "top_p": 1.0}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-i", dest="shards", type=pathlib.Path, default=pathlib.Path("data/nano"))
    parser.add_argument("-o", dest="folder", type=pathlib.Path, default=pathlib.Path("checkpoints/nano"))
    args = parser.parse_args()
    args.folder.mkdir(parents=True, exist_ok=True)
    tokenizer = tokenizer_json(train(args.shards))
    files = {"tokenizer.json": tokenizer, "vocab.json": tokenizer["model"]["vocab"],
             "tokenizer_config.json": tokenizer_config(), "config.json": config(),
             "generation_config.json": generation_config()}
    for name, value in files.items():
        text = json.dumps(value, ensure_ascii=False, indent=None if name == "vocab.json" else 2)
        (args.folder / name).write_text(text + "\n", encoding="utf-8")
    (args.folder / "merges.txt").write_text("".join(m + "\n" for m in tokenizer["model"]["merges"]), encoding="utf-8")


if __name__ == "__main__":
    main()
