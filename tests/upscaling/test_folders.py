"""Checkpoint folders of `transformers`: what is written loads by itself, and computes the same."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from growsearch.errors import GrowsearchError, InputError
from growsearch.upscaling import Wishes, preset_named, upscale_folder
from growsearch.upscaling.checkpoint import quiet_transformers
from tests.upscaling.conftest import KINDS, Make

transformers: Any = pytest.importorskip("transformers")


def outputs(folder: Path, kind: str) -> Any:
    """Logits, by nothing but `transformers`."""
    with quiet_transformers():
        model = getattr(transformers, KINDS[kind][0]).from_pretrained(folder, dtype=torch.float32).eval()
    generator = torch.Generator().manual_seed(7)
    with torch.no_grad():
        if kind == "vit":
            return model(torch.randn(3, 1, 8, 8, generator=generator)).logits
        return model(torch.randint(3, 50, (3, 9), generator=generator)).logits


def config(folder: Path) -> dict[str, Any]:
    return dict(json.loads((folder / "config.json").read_text()))


@pytest.mark.parametrize(
    ("kind", "wishes", "fields"),
    [
        ("gpt2", Wishes(mlp=1.5), {"n_inner": (None, 96)}),
        ("llama", Wishes(heads=8, mlp=1.5), {"num_attention_heads": (4, 8), "num_key_value_heads": (2, 4)}),
        ("qwen2", Wishes(heads=1.5), {"num_attention_heads": (4, 6), "num_key_value_heads": (2, 3)}),
        ("gpt2", Wishes(depth=3), {"n_layer": (2, 3)}),
        ("qwen2", Wishes(depth=1.5, mlp=32), {"num_hidden_layers": (2, 3), "intermediate_size": (24, 32)}),
        ("bert", Wishes(mlp=32), {"intermediate_size": (24, 32)}),
        ("vit", Wishes(depth=3), {"num_hidden_layers": (2, 3)}),
        ("llama", Wishes(depth=2.0), {"num_hidden_layers": (2, 4)}),
        ("vit", Wishes(heads=2.0, mlp=32), {"num_attention_heads": (4, 8), "intermediate_size": (24, 32)}),
        (
            "gpt2",  # no size of a head: heads follow, and the MLPs keep theirs
            Wishes(residual=24),
            {
                "n_embd": (16, 24),
                "n_head": (4, 6),
                "n_inner": (None, 64),
                "layer_norm_epsilon": (1e-5, 1e-5 * (16 / 24)),
            },
        ),
        ("llama", Wishes(residual=1.5), {"hidden_size": (16, 24), "rms_norm_eps": (1e-6, 1e-6 * (16 / 24))}),
        ("qwen2", Wishes(residual=26), {"hidden_size": (16, 26), "head_dim": (None, 4)}),
        (
            "vit",
            Wishes(depth=3, heads=6, mlp=32, residual=24),
            {"hidden_size": (16, 24), "num_attention_heads": (4, 6), "num_hidden_layers": (2, 3)},
        ),
    ],
)
def test_the_larger_checkpoint_loads_and_computes_the_same(
    kind: str, wishes: Wishes, fields: dict[str, tuple[Any, Any]], checkpoint: Make, tmp_path: Path
) -> None:
    folder = checkpoint(kind)

    written = upscale_folder(folder, tmp_path / "larger", wishes)

    before, after = outputs(folder, kind), outputs(tmp_path / "larger", kind)
    assert written.difference <= 1e-5
    assert torch.allclose(before, after, rtol=1e-5, atol=1e-5 * float(before.abs().max()))
    assert fields.items() <= written.fields.items()
    old, new = config(folder), config(tmp_path / "larger")
    assert {name: (old.get(name), new[name]) for name in fields} == fields
    assert old.get("attention_dropout") == new.get("attention_dropout")
    assert written.parameters[1] - written.parameters[0] == written.upscaled.new_elements > 0
    assert (tmp_path / "larger" / "tokenizer.json").read_text() == '{"any": "thing"}'
    assert {path.name for path in tmp_path.iterdir()} == {kind, "larger"}


def test_all_axes_of_a_gpt2_grow_in_one_go(checkpoint: Make, tmp_path: Path) -> None:
    folder = checkpoint("gpt2")

    written = upscale_folder(folder, tmp_path / "larger", Wishes(depth=3, heads=6, mlp=1.5, residual=24))

    assert written.upscaled.after == {"depth": 3, "residual": 24, "heads": 6, "mlp": 96}
    before, after = outputs(folder, "gpt2"), outputs(tmp_path / "larger", "gpt2")
    assert torch.allclose(before, after, rtol=1e-5, atol=1e-5 * float(before.abs().max()))


@pytest.mark.parametrize("kind", ["gpt2", "qwen2"])
def test_tied_embeddings_stay_tied(kind: str, checkpoint: Make, tmp_path: Path) -> None:
    from safetensors.torch import load_file

    upscale_folder(checkpoint(kind), tmp_path / "larger", Wishes(residual=24))

    assert "lm_head.weight" not in load_file(tmp_path / "larger" / "model.safetensors")
    with quiet_transformers():
        model = getattr(transformers, KINDS[kind][0]).from_pretrained(tmp_path / "larger")
    assert model.lm_head.weight is model.get_input_embeddings().weight
    assert model.lm_head.weight.shape == (50, 24)


def test_copies_of_all_channels_change_no_eps_and_all_of_them_are_new(checkpoint: Make, tmp_path: Path) -> None:
    folder = checkpoint("llama")

    written = upscale_folder(folder, tmp_path / "larger", Wishes(residual=2.0), "copy_width")

    assert written.fields == {"hidden_size": (16, 32)} and written.difference <= 1e-5
    assert torch.allclose(outputs(folder, "llama"), outputs(tmp_path / "larger", "llama"), rtol=1e-4, atol=1e-4)
    new = json.loads((tmp_path / "larger" / "new_parameters.json").read_text())["parameters"]
    assert new["model.embed_tokens.weight"] == {"1": [[16, 32]]} == new["model.layers.1.self_attn.q_proj.weight"]
    assert new["model.norm.weight"] == {"0": [[16, 32]]} == new["model.layers.0.mlp.down_proj.weight"]


def test_one_eps_for_norms_that_now_differ_is_refused_and_copies_need_none(checkpoint: Make, tmp_path: Path) -> None:
    folder = checkpoint("qwen3")
    with pytest.raises(InputError, match=r"eps .* that of 'model.layers.0.self_attn.q_norm.* how: copy_width"):
        upscale_folder(folder, tmp_path / "larger", Wishes(residual=24))
    assert [path.name for path in tmp_path.iterdir()] == ["qwen3"]
    assert upscale_folder(folder, tmp_path / "larger", Wishes(residual=2.0), "copy_width").difference <= 1e-5


def test_a_number_format_that_rounds_the_norms_is_told_and_can_be_left(checkpoint: Make, tmp_path: Path) -> None:
    folder = checkpoint("llama", torch.bfloat16)

    rounded = upscale_folder(folder, tmp_path / "first", Wishes(residual=24))
    exact = upscale_folder(folder, tmp_path / "second", Wishes(residual=24), float32=True)

    assert rounded.dtype == "bfloat16" and rounded.unrounded <= 1e-5 < 1e-3 < rounded.difference < 1e-2
    assert exact.dtype == config(tmp_path / "second")["dtype"] == "float32" and exact.difference <= 1e-5


def test_sizes_are_rounded_to_multiples_and_groups_of_heads_are_not(checkpoint: Make, tmp_path: Path) -> None:
    wishes = Wishes(heads=6, mlp=1.7, residual=1.3, round_to=8)
    written = upscale_folder(checkpoint("qwen2"), tmp_path / "larger", wishes)
    assert written.upscaled.after == {"depth": 2, "residual": 24, "heads": 6, "mlp": 40}
    assert written.difference <= 1e-5


def test_new_parameters_are_named_as_the_network_of_transformers_names_them(checkpoint: Make, tmp_path: Path) -> None:
    upscale_folder(checkpoint("llama"), tmp_path / "larger", Wishes(mlp=2.0))

    new = json.loads((tmp_path / "larger" / "new_parameters.json").read_text())["parameters"]
    with quiet_transformers():
        model = transformers.LlamaForCausalLM.from_pretrained(tmp_path / "larger")
    parameters = dict(model.named_parameters())
    assert new["model.layers.0.mlp.up_proj.weight"] == {"0": [[24, 48]]}
    assert new["model.layers.1.mlp.down_proj.weight"] == {"1": [[24, 48]]}
    assert len(new) == 6 and set(new) <= set(parameters)
    assert not parameters["model.layers.1.mlp.down_proj.weight"][:, 24:].any()


def test_new_blocks_are_named_by_their_new_numbers_and_lists_by_block_follow(checkpoint: Make, tmp_path: Path) -> None:
    kinds = {"layer_types": ["full_attention", "sliding_attention"], "use_sliding_window": True, "sliding_window": 4}
    folder = checkpoint("qwen2", max_window_layers=1, **kinds)

    written = upscale_folder(folder, tmp_path / "larger", Wishes(depth=4))

    assert config(tmp_path / "larger")["layer_types"] == [kind for kind in kinds["layer_types"] for _ in (0, 1)]
    assert written.difference <= 1e-5
    new = json.loads((tmp_path / "larger" / "new_parameters.json").read_text())["parameters"]
    assert set(new.values()) == {"all"} and {name.split(".")[2] for name in new} == {"1", "3"}


def test_stacked_blocks_are_written_too_and_said_to_change_the_outputs(checkpoint: Make, tmp_path: Path) -> None:
    how = preset_named("solar").how
    written = upscale_folder(checkpoint("llama"), tmp_path / "larger", Wishes(depth=3), how_deep=how)
    assert not written.upscaled.exact and written.difference > 1e-3
    assert config(tmp_path / "larger")["num_hidden_layers"] == 3


def test_a_checkpoint_keeps_its_number_format(checkpoint: Make, tmp_path: Path) -> None:
    from safetensors.torch import load_file

    folder = checkpoint("llama", torch.bfloat16)
    written = upscale_folder(folder, tmp_path / "larger", Wishes(mlp=2.0))

    old, new = (load_file(each / "model.safetensors") for each in (folder, tmp_path / "larger"))
    assert {each.dtype for each in new.values()} == {torch.bfloat16}
    name = "model.layers.0.mlp.up_proj.weight"
    assert torch.equal(new[name][:24], old[name])
    assert written.difference <= 1e-5


def test_shards_and_the_older_format_are_read(checkpoint: Make, tmp_path: Path) -> None:
    folder = checkpoint("llama", shards="8KB")
    assert len(list(folder.glob("model-*.safetensors"))) > 1
    upscale_folder(folder, tmp_path / "first", Wishes(mlp=2.0))

    older = tmp_path / "older"
    older.mkdir()
    with quiet_transformers():
        model = transformers.LlamaForCausalLM.from_pretrained(folder)
    torch.save(model.state_dict(), older / "pytorch_model.bin")
    (older / "config.json").write_bytes((folder / "config.json").read_bytes())
    upscale_folder(older, tmp_path / "second", Wishes(mlp=2.0))

    assert torch.equal(outputs(tmp_path / "first", "llama"), outputs(tmp_path / "second", "llama"))


@pytest.mark.parametrize(
    ("kind", "wishes", "message"),
    [
        ("gpt2", Wishes(heads=8), "heads 4 to 8: the configuration of a gpt2 cannot say this: .*c_attn"),
        ("bert", Wishes(heads=8), "heads 4 to 8: the configuration of a bert cannot say this: .*query"),
        ("llama", Wishes(heads=6), "heads 4 to 6: the configuration of a llama cannot say this: .*not a multiple"),
        ("llama", Wishes(heads=5), "heads: 5 cannot be reached: .* groups of 2 .*: choose 4 or 6"),
        ("bert", Wishes(depth=3), "no copy of a block can start as the identity, because .*use how: stack"),
        ("gpt2", Wishes(residual=22), "divisible by num_heads .*residual widths that can be reached: 20 or 24$"),
        ("gpt2", Wishes(residual=24, heads=5), "residual widths that can be reached: 20$"),
        ("gpt2", Wishes(residual=22, round_to=11), "residual widths that can be reached: 44$"),
        (
            "gpt2",
            Wishes(heads=8),
            "grow other axes, or choose other sizes. With residual 32 these sizes can be reached$",
        ),
        ("llama", Wishes(residual=26), "hidden size .26. is not a multiple .*: 24 or 28$"),
        ("bert", Wishes(residual=32), "residual: 'bert.embeddings.word_embeddings' cannot grow exactly: LayerNorm"),
        ("llama", Wishes(residual=8), "residual: there are 16 already"),
        ("llama", Wishes(mlp=4), "mlp: there are 24 already"),
    ],
)
def test_sizes_that_cannot_be_reached_leave_nothing_behind(
    kind: str, wishes: Wishes, message: str, checkpoint: Make, tmp_path: Path
) -> None:
    folder = checkpoint(kind)
    with pytest.raises(InputError, match=message):
        upscale_folder(folder, tmp_path / "larger", wishes)
    assert [path.name for path in tmp_path.iterdir()] == [kind]


def test_what_computes_something_else_is_not_kept(
    checkpoint: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = checkpoint("llama")
    monkeypatch.setattr("growsearch.upscaling.folder._save", damaging)

    with pytest.raises(GrowsearchError, match="what was written computes something else .* it was not kept") as caught:
        upscale_folder(folder, tmp_path / "larger", Wishes(mlp=2.0))

    assert not isinstance(caught.value, InputError)
    assert [path.name for path in tmp_path.iterdir()] == ["llama"]


def damaging(model: Any, config: Any, workshop: Path) -> None:
    with torch.no_grad():
        model.lm_head.weight[0] += 1.0
    model.config = config
    with quiet_transformers():
        model.save_pretrained(workshop)
