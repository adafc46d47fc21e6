"""Networks of transformers, built from tiny configurations: nothing is downloaded."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import transformers
from torch import Tensor, nn

from .architecture import Architecture, tokens

Fields = dict[str, Any]

SIZES: Fields = {
    "vocab_size": 50,
    "hidden_size": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 24,
    "max_position_embeddings": 16,
}
QUIET: Fields = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
GROUPED: Fields = {**SIZES, "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 4}
SMALL_GPT: Fields = {"vocab_size": 50, "n_positions": 16, "n_embd": 16, "n_layer": 2, "n_head": 2}
NO_DROPOUT: Fields = {"resid_pdrop": 0.0, "embd_pdrop": 0.0, "attn_pdrop": 0.0}
SMALL_IMAGE: Fields = {"image_size": 16, "patch_size": 4, "num_channels": 3, "num_labels": 4}
BLOCKS: Fields = {"d_model": 16, "d_ff": 24, "d_kv": 8, "num_layers": 2, "num_heads": 2, "dropout_rate": 0.0}
SEQUENCES: Fields = {
    "vocab_size": 50,
    "d_model": 16,
    "encoder_layers": 1,
    "decoder_layers": 1,
    "encoder_attention_heads": 2,
    "decoder_attention_heads": 2,
    "encoder_ffn_dim": 24,
    "decoder_ffn_dim": 24,
    "max_position_embeddings": 16,
    "dropout": 0.0,
}
SOUND: Fields = {
    "hidden_size": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 24,
    "conv_dim": (8, 8),
    "conv_kernel": (5, 3),
    "conv_stride": (3, 2),
    "num_conv_pos_embeddings": 4,
    "num_conv_pos_embedding_groups": 2,
    "mask_time_prob": 0.0,
    "hidden_dropout": 0.0,
    "attention_dropout": 0.0,
    "activation_dropout": 0.0,
    "feat_proj_dropout": 0.0,
    "layerdrop": 0.0,
    "vocab_size": 12,
    "num_labels": 4,
}

# (name, class of the model, class of the configuration, fields)
DECODERS: list[tuple[str, str, str, Fields]] = [
    ("gpt2", "GPT2LMHeadModel", "GPT2Config", {**SMALL_GPT, **NO_DROPOUT}),
    ("gpt-neo", "GPTNeoForCausalLM", "GPTNeoConfig", {
        "vocab_size": 50, "hidden_size": 16, "num_layers": 2, "num_heads": 2, "intermediate_size": 24,
        "attention_types": [[["global", "local"], 1]], "max_position_embeddings": 16,
        "resid_dropout": 0.0, "embed_dropout": 0.0, "attention_dropout": 0.0,
    }),
    ("gpt-neox", "GPTNeoXForCausalLM", "GPTNeoXConfig", SIZES),
    ("gpt-j", "GPTJForCausalLM", "GPTJConfig", {**SMALL_GPT, **NO_DROPOUT, "rotary_dim": 4}),
    ("llama", "LlamaForCausalLM", "LlamaConfig", GROUPED),
    ("qwen2", "Qwen2ForCausalLM", "Qwen2Config", GROUPED),
    ("qwen3", "Qwen3ForCausalLM", "Qwen3Config", GROUPED),
    ("mistral", "MistralForCausalLM", "MistralConfig", GROUPED),
    ("mixtral", "MixtralForCausalLM", "MixtralConfig", {**GROUPED, "num_local_experts": 2}),
    ("phi", "PhiForCausalLM", "PhiConfig", SIZES),
    ("phi3", "Phi3ForCausalLM", "Phi3Config", {**SIZES, "pad_token_id": 0}),
    ("gemma", "GemmaForCausalLM", "GemmaConfig", GROUPED),
    ("gemma2", "Gemma2ForCausalLM", "Gemma2Config", GROUPED),
    ("olmo2", "Olmo2ForCausalLM", "Olmo2Config", SIZES),
    ("stablelm", "StableLmForCausalLM", "StableLmConfig", {**SIZES, "num_key_value_heads": 2}),
    ("granite", "GraniteForCausalLM", "GraniteConfig", GROUPED),
    ("opt", "OPTForCausalLM", "OPTConfig", {**SIZES, "ffn_dim": 24, "dropout": 0.0, "word_embed_proj_dim": 16}),
    ("bloom", "BloomForCausalLM", "BloomConfig", {"vocab_size": 50, "hidden_size": 16, "n_layer": 2, "n_head": 2}),
    ("falcon", "FalconForCausalLM", "FalconConfig", SIZES),
    ("mpt", "MptForCausalLM", "MptConfig", {
        "vocab_size": 50, "d_model": 16, "n_layers": 2, "n_heads": 2, "max_seq_len": 16,
    }),
    ("mamba", "MambaForCausalLM", "MambaConfig", {
        "vocab_size": 50, "hidden_size": 16, "num_hidden_layers": 2, "state_size": 4,
    }),
    ("mamba2", "Mamba2ForCausalLM", "Mamba2Config", {
        "vocab_size": 50, "hidden_size": 16, "num_hidden_layers": 2, "state_size": 4, "head_dim": 8, "num_heads": 4,
        "n_groups": 1, "chunk_size": 4,
    }),
]  # fmt: skip

ENCODERS: list[tuple[str, str, str, Fields]] = [
    ("bert", "BertForMaskedLM", "BertConfig", {**SIZES, **QUIET}),
    ("bert for classes", "BertForSequenceClassification", "BertConfig", {**SIZES, **QUIET}),
    ("distilbert", "DistilBertForSequenceClassification", "DistilBertConfig", {
        "vocab_size": 50, "dim": 16, "hidden_dim": 24, "n_layers": 2, "n_heads": 2, "max_position_embeddings": 16,
        "dropout": 0.0, "attention_dropout": 0.0, "seq_classif_dropout": 0.0,
    }),
    ("roberta", "RobertaForSequenceClassification", "RobertaConfig", {**SIZES, **QUIET}),
    ("electra", "ElectraForSequenceClassification", "ElectraConfig", {**SIZES, **QUIET, "embedding_size": 12}),
    ("albert", "AlbertForSequenceClassification", "AlbertConfig", {**SIZES, **QUIET, "embedding_size": 12}),
    ("deberta-v2", "DebertaV2ForSequenceClassification", "DebertaV2Config", {**SIZES, **QUIET}),
    ("mpnet", "MPNetForSequenceClassification", "MPNetConfig", {**SIZES, **QUIET}),
    ("xlnet", "XLNetForSequenceClassification", "XLNetConfig", {
        "vocab_size": 50, "d_model": 16, "n_layer": 2, "n_head": 2, "d_inner": 24, "dropout": 0.0,
        "summary_last_dropout": 0.0,
    }),
    ("funnel", "FunnelForSequenceClassification", "FunnelConfig", {
        "vocab_size": 50, "d_model": 16, "block_sizes": [1, 1], "n_head": 2, "d_head": 8, "d_inner": 24,
        "hidden_dropout": 0.0, "attention_dropout": 0.0, "activation_dropout": 0.0,
    }),
    ("fnet", "FNetForSequenceClassification", "FNetConfig", {**SIZES, "hidden_dropout_prob": 0.0}),
    ("modernbert", "ModernBertForSequenceClassification", "ModernBertConfig", {
        **SIZES, "pad_token_id": 0, "cls_token_id": 1, "sep_token_id": 1, "bos_token_id": 1, "eos_token_id": 1,
    }),
]  # fmt: skip

TO_SEQUENCE: list[tuple[str, str, str, Fields]] = [
    ("t5", "T5ForConditionalGeneration", "T5Config", {**BLOCKS, "vocab_size": 50}),
    ("t5 v1.1", "T5ForConditionalGeneration", "T5Config", {
        **BLOCKS, "vocab_size": 50, "feed_forward_proj": "gated-gelu",
    }),
    ("bart", "BartForConditionalGeneration", "BartConfig", SEQUENCES),
    ("marian", "MarianMTModel", "MarianConfig", {**SEQUENCES, "pad_token_id": 0}),
    ("pegasus", "PegasusForConditionalGeneration", "PegasusConfig", SEQUENCES),
]  # fmt: skip

VISION: list[tuple[str, str, str, Fields]] = [
    ("vit", "ViTForImageClassification", "ViTConfig", {**SIZES, **QUIET, **SMALL_IMAGE}),
    ("deit", "DeiTForImageClassification", "DeiTConfig", {**SIZES, **QUIET, **SMALL_IMAGE}),
    ("dinov2", "Dinov2ForImageClassification", "Dinov2Config", {**SIZES, **QUIET, **SMALL_IMAGE}),
    ("swin", "SwinForImageClassification", "SwinConfig", {
        **SMALL_IMAGE, "embed_dim": 8, "depths": [1, 1], "num_heads": [2, 2], "window_size": 2, "drop_path_rate": 0.0,
    }),
    ("convnext", "ConvNextForImageClassification", "ConvNextConfig", {
        **SMALL_IMAGE, "hidden_sizes": [8, 12], "depths": [1, 1], "num_stages": 2,
    }),
    ("resnet", "ResNetForImageClassification", "ResNetConfig", {
        "embedding_size": 8, "hidden_sizes": [16, 32], "depths": [1, 1], "num_labels": 4,
    }),
    ("segformer", "SegformerForSemanticSegmentation", "SegformerConfig", {
        "num_encoder_blocks": 2, "depths": [1, 1], "sr_ratios": [2, 1], "hidden_sizes": [8, 16], "patch_sizes": [3, 3],
        "strides": [2, 2], "num_attention_heads": [1, 2], "mlp_ratios": [2, 2], "decoder_hidden_size": 12,
        "num_labels": 4, "drop_path_rate": 0.0, "classifier_dropout_prob": 0.0, "hidden_dropout_prob": 0.0,
    }),
    ("mobilenet-v2", "MobileNetV2ForImageClassification", "MobileNetV2Config", {"depth_multiplier": 0.35}),
]  # fmt: skip

SPEECH: list[tuple[str, str, str, Fields]] = [
    ("wav2vec2", "Wav2Vec2ForCTC", "Wav2Vec2Config", SOUND),
    ("hubert", "HubertForSequenceClassification", "HubertConfig", {**SOUND, "classifier_proj_size": 8}),
    ("wavlm", "WavLMForSequenceClassification", "WavLMConfig", {**SOUND, "classifier_proj_size": 8}),
    ("sew", "SEWForSequenceClassification", "SEWConfig", {**SOUND, "squeeze_factor": 1, "classifier_proj_size": 8}),
]


def architectures() -> list[Architecture]:
    """All of them."""
    tables: list[tuple[str, list[tuple[str, str, str, Fields]], Callable[[], Any]]] = [
        ("text decoder", DECODERS, lambda: {"input_ids": tokens()}),
        ("text encoder", ENCODERS, _masked),
        ("text to text", TO_SEQUENCE, lambda: {"input_ids": tokens(), "decoder_input_ids": tokens(length=5)}),
        ("image", VISION, lambda: {"pixel_values": torch.randn(2, 3, 16, 16)}),
        ("speech", SPEECH, lambda: {"input_values": torch.randn(2, 200)}),
    ]
    found = [
        Architecture(name, "transformers", family, _builder(model, config, fields), inputs)
        for family, rows, inputs in tables
        for name, model, config, fields in rows
    ]
    return [*found, *_several()]


def _masked() -> dict[str, Tensor]:
    return {"input_ids": tokens(), "attention_mask": torch.ones(2, 7, dtype=torch.long)}


def _builder(model: str, config: str, fields: Fields) -> Callable[[], nn.Module]:
    def build() -> nn.Module:
        settings = getattr(transformers, config)(**fields)
        settings.use_cache = False
        return getattr(transformers, model)(settings)

    return build


def _several() -> list[Architecture]:
    text = {**SIZES, "num_hidden_layers": 1, "projection_dim": 8, "eos_token_id": 49}
    image = {**SMALL_IMAGE, "hidden_size": 16, "intermediate_size": 24, "num_hidden_layers": 1}
    image = {**image, "num_attention_heads": 2, "projection_dim": 8}
    both = {"text_config": text, "vision_config": image, "projection_dim": 8}

    def pair() -> dict[str, Tensor]:
        return {"input_ids": tokens(), "pixel_values": torch.randn(2, 3, 16, 16)}

    whisper = {**SEQUENCES, "num_mel_bins": 8, "max_source_positions": 10, "max_target_positions": 16}
    whisper |= {"pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 1, "decoder_start_token_id": 1}

    def speech() -> dict[str, Tensor]:
        return {"input_features": torch.randn(2, 8, 20), "decoder_input_ids": tokens(length=5)}

    spectrum = {**SIZES, **QUIET, "max_length": 20, "num_mel_bins": 16, "patch_size": 4}
    spectrum |= {"frequency_stride": 4, "time_stride": 4}
    series: Fields = {"num_input_channels": 2, "context_length": 16, "patch_length": 4, "patch_stride": 4}
    series |= {"d_model": 8, "num_hidden_layers": 1, "num_attention_heads": 2, "ffn_dim": 12, "prediction_length": 4}
    series |= {"dropout": 0.0, "attention_dropout": 0.0, "ff_dropout": 0.0, "head_dropout": 0.0}
    rows: list[tuple[str, str, str, str, Fields, Callable[[], Any]]] = [
        ("clip", "image and text", "CLIPModel", "CLIPConfig", both, pair),
        ("siglip", "image and text", "SiglipModel", "SiglipConfig", both, pair),
        ("whisper", "speech", "WhisperForConditionalGeneration", "WhisperConfig", whisper, speech),
        ("audio spectrogram", "speech", "ASTForAudioClassification", "ASTConfig", spectrum,
         lambda: {"input_values": torch.randn(2, 20, 16)}),
        ("patch time series", "time series", "PatchTSTForPrediction", "PatchTSTConfig", series,
         lambda: {"past_values": torch.randn(2, 16, 2)}),
    ]  # fmt: skip
    return [
        Architecture(name, "transformers", family, _builder(model, config, fields), inputs)
        for name, family, model, config, fields, inputs in rows
    ]
