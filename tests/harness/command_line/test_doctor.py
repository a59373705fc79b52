"""The doctor: what of a checkpoint is FunctionGemma's, read from its files alone."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from harness.checkpoints import MINI, Checkpoint
from harness.command_line.doctor import Check, check_lines, examine, option_lines, version_line
from harness.options import OPTIONS, resolve

Edit = Callable[..., None]


def checks(folder: Path, adapter: Path | None = None) -> dict[str, Check]:
    """What the doctor finds, by name."""
    found = examine(Checkpoint("m", "m", folder, adapter))
    assert len({check.name for check in found}) == len(found)
    return {check.name: check for check in found}


def test_functiongemmas_kind_is_fine(tiny: Path) -> None:
    """A checkpoint with FunctionGemma's template and tokens passes every check."""
    found = checks(tiny)
    assert {name for name, check in found.items() if check.good} == {
        *("architecture", "weights", "chat template", "control tokens", "special flags"),
        "stop tokens",
    }
    assert not [check for check in found.values() if check.good is False]
    assert found["architecture"].found == "Gemma3ForCausalLM, 2 layers, hidden 32"
    assert found["chat template"].found == "renders FunctionGemma's bytes on all probes"
    assert found["control tokens"].found == "all 14 single, with FunctionGemma's ids"
    assert found["context"].found == "1024 tokens"
    assert found["stored as"].found == "float32"


def test_generation_that_samples(tiny: Path) -> None:
    """A sampling default, and stop ids that it lacks: both told, neither is a fault."""
    found = checks(tiny)
    sampling = "the checkpoint samples by default; callgate decodes greedily"
    assert found["generation"] == Check("generation", sampling)
    stops = "<end_of_turn> 106, <start_function_response> 50, <eos> 1"
    advice = (
        "generation_config.json lacks 50, 106: plain generate() would run past them; callgate "
        "stops there"
    )
    assert found["stop tokens"] == Check("stop tokens", stops, good=True, advice=advice)


def test_no_generation_config(tiny: Path) -> None:
    """Without a generation config the defaults are told."""
    (tiny / "generation_config.json").unlink()
    found = checks(tiny)
    assert found["generation"].found == "greedy"
    assert found["stop tokens"].advice.startswith("generation_config.json lacks 1, 50, 106")


def test_another_architecture(tiny: Path, edit: Edit) -> None:
    """A model of another family differs."""
    edit(tiny / "config.json", architectures=["LlamaForCausalLM"])
    wanted = Check(
        "architecture",
        "LlamaForCausalLM, 2 layers, hidden 32",
        good=False,
        advice="FunctionGemma: Gemma3ForCausalLM",
    )
    assert checks(tiny)["architecture"] == wanted


def test_another_template(tiny: Path) -> None:
    """A template that renders other bytes is shown where it first differs."""
    file = tiny / "chat_template.jinja"
    file.write_text(file.read_text().replace("<start_of_turn>developer", "<start_of_turn>system"))
    assert checks(tiny)["chat template"] == Check(
        "chat template",
        "renders 'system\\nYou are a model t' for 'developer\\nYou are a mode'",
        good=False,
        advice="prompts would differ from those FunctionGemma was trained on",
    )


def test_a_template_that_differs_after_a_call_only(tiny: Path) -> None:
    """The probes hold tool results too: a template that spoils those is found."""
    file = tiny / "chat_template.jinja"
    file.write_text(file.read_text().replace("<start_function_response>response:", "response:"))
    found = checks(tiny)["chat template"]
    assert found.good is False
    assert found.found.startswith("renders 'response:look_up")


@pytest.mark.parametrize(
    ("template", "found"),
    [
        (None, "none"),
        ("{% if %}", "fails: The chat template cannot render this conversation: Expected an "
         "expression, got 'end of statement block'"),
        ("{{ raise_exception('no tools here') }}",
         "fails: The chat template cannot render this conversation: no tools here"),
    ],
)  # fmt: skip
def test_no_template(tiny: Path, template: str | None, found: str) -> None:
    """A template that is missing, broken, or refuses tools differs."""
    (tiny / "chat_template.jinja").unlink()
    if template is not None:
        (tiny / "chat_template.jinja").write_text(template)
    check = checks(tiny)["chat template"]
    assert (check.good, check.found) == (False, found)


def test_a_template_in_the_tokenizers_configuration(tiny: Path, edit: Edit) -> None:
    """Older checkpoints keep the template in tokenizer_config.json."""
    file = tiny / "chat_template.jinja"
    edit(tiny / "tokenizer_config.json", chat_template=file.read_text())
    file.unlink()
    assert checks(tiny)["chat template"].good is True


def test_templates_of_several_names(tiny: Path, edit: Edit) -> None:
    """A list of templates is read; the one for tools is the one that requests with tools get."""
    file = tiny / "chat_template.jinja"
    good = {"name": "default", "template": file.read_text()}
    more = tiny / "additional_chat_templates"
    more.mkdir()
    (more / "tool_use.jinja").write_text("{{ bos_token }}Tools!")
    assert checks(tiny)["chat template"].found.startswith("renders 'Tools!' for '<start_of_turn>")
    shutil.rmtree(more)
    file.unlink()
    edit(tiny / "tokenizer_config.json", chat_template=[good])
    assert checks(tiny)["chat template"].good is True
    edit(tiny / "tokenizer_config.json", chat_template=[good | {"name": "rag"}])
    assert checks(tiny)["chat template"].found == "fails: none is named 'default'"


def test_tokens_that_lack_moved_or_changed(tiny: Path) -> None:
    """A missing control token is a fault; another id or flag is told, with what it means."""
    file = tiny / "tokenizer.json"
    content = json.loads(file.read_text())
    tokens = {token["content"]: token for token in content["added_tokens"]}
    tokens["<escape>"]["content"] = "<esc>"
    tokens["<start_of_turn>"]["id"] = 107
    tokens["<start_function_call>"]["special"] = True
    file.write_text(json.dumps(content))
    found = checks(tiny)
    assert found["control tokens"].good is False
    assert found["control tokens"].found == "lacks <escape>"
    assert found["special flags"].good is None
    assert found["special flags"].found == "differ for <start_function_call>"
    tokens["<escape>"]["content"] = "<escape>"
    file.write_text(json.dumps(content))
    assert checks(tiny)["control tokens"] == Check(
        "control tokens",
        "<start_of_turn> is 107",
        advice="callgate finds tokens by their text, so this works",
    )


def test_sizes(tiny: Path, edit: Edit) -> None:
    """A tokenizer longer than the embedding is told with the tokens that have no row."""
    content = json.loads((tiny / "tokenizer.json").read_text())
    rows = json.loads((tiny / "config.json").read_text())["vocab_size"]
    found = f"{rows} entries, embedding of {rows} rows (FunctionGemma: 262146 and 262144)"
    assert checks(tiny)["vocabulary"] == Check("vocabulary", found)
    image = {"id": rows, "content": "<image_soft_token>", "special": True}
    edit(tiny / "tokenizer.json", added_tokens=[*content["added_tokens"], image])
    longer = checks(tiny)["vocabulary"]
    assert longer.found.startswith(f"{rows + 1} entries, embedding of {rows} rows")
    assert longer.advice == (
        "1 tokens have no row, prompts with them are errors: <image_soft_token>"
    )


def test_an_embedding_resized_to_the_tokenizer(tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows for FunctionGemma's two image tokens, which have none there, are a fault."""
    rows = json.loads((tiny / "config.json").read_text())["vocab_size"]
    monkeypatch.setattr("harness.command_line.doctor.ROWS", rows - 2)
    found = checks(tiny)["vocabulary"]
    assert found.good is False
    assert found.advice == "the embedding was resized: its rows past FunctionGemma's are noise"


def test_weights_that_are_cut_off(tiny: Path) -> None:
    """Files that end before their tensors do, or that an index names and nobody has."""
    file = tiny / "model.safetensors"
    size = file.stat().st_size
    file.write_bytes(file.read_bytes()[:-7])
    cut = f"model.safetensors has {size - 7} bytes of {size}"
    advice = "they cannot be loaded: download or save them again"
    assert checks(tiny)["weights"] == Check("weights", cut, good=False, advice=advice)
    shards = {"a": "model-1.safetensors", "b": "model.safetensors", "c": 7, "d": "../x", "e": "\0"}
    (tiny / "model.safetensors.index.json").write_text(json.dumps({"weight_map": shards}))
    lost = f"\0: embedded null byte; model-1.safetensors: No such file or directory; {cut}"
    assert checks(tiny)["weights"].found == lost
    (tiny / "model.safetensors.index.json").write_text('{"weight_map": [7]}')
    file.write_bytes(b"")
    (tiny / "more.safetensors").mkdir()
    none = "has no header of a safetensors file"
    assert checks(tiny)["weights"].found == f"model.safetensors {none}; more.safetensors {none}"


def test_leftovers(tiny: Path, edit: Edit) -> None:
    """`add_bos_token` and a left-over processor are told, with what callgate does about them."""
    edit(tiny / "tokenizer_config.json", add_bos_token=True, processor_class="Gemma3Processor")
    found = checks(tiny)
    assert found["<bos>"].found == (
        "the template writes one, the tokenizer would add one more; callgate keeps one"
    )
    assert found["processor"].found == (
        "a left-over 'Gemma3Processor'; callgate never loads a processor"
    )
    edit(tiny / "tokenizer_config.json", add_bos_token=False, processor_class=None)
    assert not {"<bos>", "processor"} & set(checks(tiny))


def test_an_adapter(tiny: Path, tmp_path: Path) -> None:
    """An adapter is told with its kind, rank and base, and a base of another name is noted."""
    adapter = tmp_path / "adapter"
    adapter.mkdir()
    config = {
        "peft_type": "LORA",
        "r": 8,
        "base_model_name_or_path": "google/functiongemma-270m-it",
    }
    (adapter / "adapter_config.json").write_text(json.dumps(config))
    wanted = "LORA, rank 8, made for google/functiongemma-270m-it"
    advice = "the model is m: see that it is the same"
    assert checks(tiny, adapter)["adapter"] == Check("adapter", wanted, advice=advice)
    for name in ("google/functiongemma-270m-it", "google/functiongemma-270m-it@v2"):
        same = {check.name: check for check in examine(Checkpoint(name, name, tiny, adapter))}
        assert same["adapter"] == Check("adapter", wanted)


def test_the_weights_of_an_adapter(tiny: Path, tmp_path: Path) -> None:
    """An adapter whose weights are cut off is found, as a model's are."""
    adapter = tmp_path / "adapter"
    adapter.mkdir()
    (adapter / "adapter_config.json").write_text("{}")
    whole = (tiny / "model.safetensors").read_bytes()
    (adapter / "adapter_model.safetensors").write_bytes(whole)
    assert checks(tiny, adapter)["adapter's weights"] == Check(
        "adapter's weights", "whole", good=True
    )
    (adapter / "adapter_model.safetensors").write_bytes(whole[:-9])
    found = checks(tiny, adapter)
    assert found["weights"].good
    assert found["adapter's weights"].good is False
    assert "adapter_model.safetensors" in found["adapter's weights"].found


HOSTILE = (
    *("", "{", "[]", "7", '"x"', "[" * 100_000, "\x00\x1b[2J"),
    '{"added_tokens": 3, "model": []}',
    '{"added_tokens": [3, {"content": 7}, {"content": "<eos>"}], "model": {"vocab": 3}}',
    '{"architectures": 5, "eos_token_id": {"a": 1}, "do_sample": []}',
)


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_files_break_nothing(tiny: Path, text: str) -> None:
    """Whatever the files hold, there is a report, and nothing in it drives a terminal."""
    for file in tiny.iterdir():
        file.write_text(text)
    found = examine(Checkpoint("m", "m", tiny))
    assert any(check.good is False for check in found)
    assert all(line.isprintable() for line in check_lines(found))


FAR = (
    b"\x47" + b"\0" * 7 + b'{"embed_tokens.weight": {"shape": [1e999], "data_offsets": [0, 1e999]}}'
)
"""A header of 71 bytes whose numbers are none."""


def test_hostile_weights_break_nothing(tiny: Path) -> None:
    """A header of the weights that lies about its length or content is passed over."""
    rows = json.loads((tiny / "config.json").read_text())["vocab_size"]
    for header in (b"", b"\xff" * 8, b"\x02" + b"\0" * 7 + b"[]", b"\xff" * 7 + b"\0{", FAR):
        (tiny / "model.safetensors").write_bytes(header)
        found = checks(tiny)
        assert f"embedding of {rows} rows" in found["vocabulary"].found
        assert found["weights"].good is False


def test_mini_is_functiongemmas_kind(tmp_path: Path) -> None:
    """What the project carries has FunctionGemma's template, tokens and flags."""
    folder = Path(shutil.copytree(MINI, tmp_path / "mini"))
    found = checks(folder)
    names = ("chat template", "control tokens", "special flags", "stop tokens")
    assert [found[name].good for name in names] == [True] * 4


def test_the_report(tiny: Path) -> None:
    """A row for each check, marked; below, the advice; control characters escaped."""
    lines = check_lines(
        [
            Check("folder", "/models/\x1b[2Jm"),
            Check("architecture", "Llama", good=False, advice="FunctionGemma: Gemma3"),
            Check("chat template", "fine", good=True),
        ]
    )
    assert lines == [
        "folder                  /models/\\x1b[2Jm",
        "architecture   DIFFERS  Llama",
        "chat template  ok       fine",
        "architecture: FunctionGemma: Gemma3",
    ]


def test_where_every_option_came_from(tmp_path: Path) -> None:
    """Each option is listed once with its value and its origin."""
    (tmp_path / "pyproject.toml").write_text('[tool.callgate]\nmodel = "mini"\nsplit = "dev"\n')
    environ = {"CALLGATE_SPLIT": "train"}
    lines = option_lines(resolve({"device": "cpu"}, environ=environ, start=tmp_path))
    words = [line.split() for line in lines[2:]]
    assert [row[0] for row in words] == [option.name.replace("_", "-") for option in OPTIONS]
    origins = {row[0]: (row[1], row[2]) for row in words}
    assert origins["model"] == ("mini", "pyproject.toml")
    assert origins["split"] == ("train", "CALLGATE_SPLIT")
    assert origins["device"] == ("cpu", "--device")
    assert origins["adapter"] == ("–", "default")


def test_versions() -> None:
    """What a verdict depends on is named with its version."""
    names = [part.split()[0] for part in version_line().split(", ")]
    assert names[:2] == ["callgate", "python"]
    assert len(names) == 6
