"""Pretrained parts with random weights, in the form in which the real ones arrive: those are too large for a suite."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

from clip_runner.mini.dinov2 import BLOCKS, GRID, PATCH, WIDTH, Weights
from clip_runner.mini.teachers import DINOV2, MINILM


def random_weights() -> Weights:
    """Random weights in DINOv2's form, of about its magnitudes."""
    torch.manual_seed(0)
    made = {
        "cls_token": torch.randn(1, 1, WIDTH),
        "class_position": torch.randn(WIDTH),
        "patch_positions": torch.randn(GRID * GRID, WIDTH) * 0.3,
        "patch_embed.proj.weight": torch.randn(WIDTH, 3, PATCH, PATCH) * 0.05,
        "patch_embed.proj.bias": torch.randn(WIDTH) * 0.1,
        "norm.weight": 1 + torch.randn(WIDTH) * 0.1,
        "norm.bias": torch.randn(WIDTH) * 0.1,
    }
    shapes = {"attn.qkv": (3, 1), "attn.proj": (1, 1), "mlp.fc1": (4, 1), "mlp.fc2": (1, 4)}
    for block in range(BLOCKS):
        for part, (rows, columns) in shapes.items():
            made[f"blocks.{block}.{part}.weight"] = torch.randn(rows * WIDTH, columns * WIDTH) * 0.03
            made[f"blocks.{block}.{part}.bias"] = torch.randn(rows * WIDTH) * 0.1
        for number in (1, 2):
            made[f"blocks.{block}.norm{number}.weight"] = 1 + torch.randn(WIDTH) * 0.1
            made[f"blocks.{block}.norm{number}.bias"] = torch.randn(WIDTH) * 0.1
            made[f"blocks.{block}.ls{number}.gamma"] = torch.rand(WIDTH) * 0.5
    return made


def write_onnx(weights: Weights, file: Path) -> None:
    """The weights as the exporter left them: matrices turned and numbered, positions under numbers too."""
    graph = helper.make_graph([], "dinov2", [], [])
    number = 1000
    for name, value in weights.items():
        matrix = name.startswith("blocks.") and name.endswith("weight") and "norm" not in name
        if not matrix and name not in ("class_position", "patch_positions"):
            graph.initializer.append(numpy_helper.from_array(value.numpy(), f"model.{name}"))
    for block in range(BLOCKS):
        for part in ("attn.qkv", "attn.proj", "mlp.fc1", "mlp.fc2"):
            turned = np.ascontiguousarray(weights[f"blocks.{block}.{part}.weight"].numpy().T)
            graph.initializer.append(numpy_helper.from_array(turned, f"onnx::MatMul_{number}"))
            number += 3
    graph.initializer.append(numpy_helper.from_array(weights["patch_positions"][None].numpy(), "onnx::Reshape_9"))
    graph.initializer.append(numpy_helper.from_array(weights["class_position"][None, None].numpy(), "first"))
    graph.node.append(helper.make_node("Identity", ["first"], ["onnx::Concat_7"]))
    graph.node.append(helper.make_node("Concat", ["onnx::Concat_7", "rest"], ["positions"], name="/Concat_4", axis=1))
    graph.output.append(helper.make_tensor_value_info("positions", TensorProto.FLOAT, None))
    onnx.save(helper.make_model(graph), str(file))


def write_sentences(folder: Path, words: list[str]) -> None:
    """A small BERT with the sentence model's width, and a tokenizer that knows these words."""
    pieces = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", *(chr(code) for code in range(33, 127) if not chr(code).isupper())]
    pieces += [f"##{piece}" for piece in pieces[4:] if piece.isalnum()] + sorted(set(words) - set(pieces))
    made = Tokenizer(models.WordPiece({piece: number for number, piece in enumerate(pieces)}, unk_token="[UNK]"))
    made.normalizer = normalizers.BertNormalizer(lowercase=True)
    made.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    made.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    PreTrainedTokenizerFast(tokenizer_object=made, pad_token="[PAD]", unk_token="[UNK]").save_pretrained(folder)
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=len(pieces), hidden_size=384, num_hidden_layers=1, num_attention_heads=12, intermediate_size=64
    )
    BertModel(config).save_pretrained(folder)


def write_teachers(folder: Path) -> Path:
    """All pretrained parts, where training looks for them."""
    (folder / DINOV2).parent.mkdir(parents=True)
    write_onnx(random_weights(), folder / DINOV2)
    write_sentences(folder / MINILM, ["photo", "shirt", "red", "of", "for"])
    return folder
