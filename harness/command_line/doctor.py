"""`callgate doctor`: what would run where, and whether the model is FunctionGemma's kind.

Everything is read from the model's files: nothing is loaded, so a doctor's visit takes seconds.
"""

from __future__ import annotations

import json
import platform
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Final

from harness import __version__
from harness.cases import DEVELOPER, Tool
from harness.checkpoints import TEMPLATES, Checkpoint
from harness.errors import BackendError, printable
from harness.functiongemma import CONTROL_TOKENS, SPECIAL_TOKENS, STOP_TOKENS, render_prompt
from harness.options import OPTIONS, Settings
from harness.weight_files import embedding_rows, weight_faults

ROWS: Final = 262_144
"""Rows of FunctionGemma's embedding; its tokenizer knows two entries more, the image tokens."""

_WIDTH: Final = 160


@dataclass(frozen=True, slots=True)
class Check:
    """One thing looked at: `good` None where it is for information."""

    name: str
    found: str
    good: bool | None = None
    advice: str = ""


def examine(checkpoint: Checkpoint) -> list[Check]:
    """Compare a checkpoint's template, tokens, stop ids and sizes with FunctionGemma's."""
    folder = checkpoint.folder
    config = _json(folder / "config.json")
    generation = _json(folder / "generation_config.json")
    settings = _json(folder / "tokenizer_config.json")
    added = _added_tokens(folder)
    return [
        Check("folder", str(folder)),
        *_adapter(checkpoint),
        _architecture(config),
        *_weights(checkpoint),
        _template(folder),
        _ids(added),
        _flags(added),
        _stops(added, generation),
        _sampling(generation),
        *_sizes(folder, config, added),
        *_leftovers(settings),
    ]


def _json(file: Path) -> dict[str, Any]:
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    return content if isinstance(content, dict) else {}


def _member(holder: Mapping[str, Any], key: str, kind: type) -> Any:
    """A member of the expected type; else an empty one of it."""
    value = holder.get(key)
    return value if isinstance(value, kind) else kind()


def _added_tokens(folder: Path) -> dict[str, tuple[int, bool]]:
    """Text → (id, special) of the tokens that the tokenizer keeps whole."""
    tokens = _member(_json(folder / "tokenizer.json"), "added_tokens", list)
    return {
        token["content"]: (token["id"], bool(token.get("special")))
        for token in tokens
        if isinstance(token, dict)
        and isinstance(token.get("content"), str)
        and isinstance(token.get("id"), int)
    }


def _adapter(checkpoint: Checkpoint) -> Iterator[Check]:
    """What the adapter is; a base of another name is told, as a copy of the base has one too."""
    if checkpoint.adapter is None:
        return
    config = _json(checkpoint.adapter / "adapter_config.json")
    rank = f", rank {config['r']}" if "r" in config else ""
    base = config.get("base_model_name_or_path")
    found = f"{config.get('peft_type', 'unknown')}{rank}, made for "
    names = (checkpoint.name, checkpoint.name.partition("@")[0], str(checkpoint.folder))
    advice = f"the model is {checkpoint.name}: see that it is the same" if base else ""
    yield Check(
        "adapter",
        found + str(base or "a model it does not name"),
        advice="" if base in names else advice,
    )


def _architecture(config: dict[str, Any]) -> Check:
    names = [str(name) for name in _member(config, "architectures", list)]
    names = names or [str(config.get("model_type", "unknown"))]
    layers, hidden = config.get("num_hidden_layers"), config.get("hidden_size")
    found = f"{', '.join(names)}, {layers} layers, hidden {hidden}"
    good = "Gemma3ForCausalLM" in names
    return Check("architecture", found, good, "" if good else "FunctionGemma: Gemma3ForCausalLM")


def _weights(checkpoint: Checkpoint) -> Iterator[Check]:
    """Whether the files of the weights, and of an adapter's, are all there, and whole."""
    folders = {"weights": checkpoint.folder, "adapter's weights": checkpoint.adapter}
    for name, folder in folders.items():
        if folder is None:
            continue
        faults = list(weight_faults(folder))
        advice = "they cannot be loaded: download or save them again" if faults else ""
        yield Check(name, "; ".join(faults) or "whole", good=not faults, advice=advice)


def chat_templates(folder: Path) -> dict[str, str]:
    """The chat templates by name, from files of their own or the tokenizer's configuration.

    As transformers has them: a lone one is `default`, and `tool_use` is preferred for tools.
    """
    files = {"default": folder / "chat_template.jinja"}
    files |= {file.stem: file for file in sorted(folder.glob(f"{TEMPLATES}/*.jinja"))}
    texts = {}
    for name, file in files.items():
        with suppress(OSError, UnicodeDecodeError):
            texts[name] = file.read_text(encoding="utf-8")
    kept = _json(folder / "tokenizer_config.json").get("chat_template")
    listed = kept if isinstance(kept, list) else [{"name": "default", "template": kept}]
    return texts or {
        one["name"]: one["template"]
        for one in listed
        if isinstance(one, dict)
        and isinstance(one.get("name"), str)
        and isinstance(one.get("template"), str)
    }


_PROBE_TOOLS: Final = (
    Tool(
        "look_up",
        "Looks up a word.",
        {
            "type": "object",
            "properties": {
                "word": {"type": "string", "description": "the word"},
                "Language": {"type": "string", "enum": ["de", "en"]},
                "most": {"type": "integer", "description": "how many at most"},
                "where": {"type": "object", "properties": {"shelf": {"type": "number"}}},
                "tags": {"type": "array", "items": {"type": "string"}},
            },
            "required": ["word"],
        },
    ),
    Tool("stop", "Stops."),
)
_CALL: Final = {"function": {"name": "look_up", "arguments": {"word": "x", "most": None, "A": 1.5}}}
_RESULT: Final = {"role": "tool", "name": "look_up", "content": {"found": ["a", 2, True]}}
_PROBES: Final[tuple[tuple[dict[str, Any], ...], ...]] = (
    ({"role": "developer", "content": DEVELOPER}, {"role": "user", "content": " Define 'gate'. "}),
    (
        {"role": "developer", "content": DEVELOPER},
        {"role": "user", "content": "Define it."},
        {"role": "assistant", "tool_calls": [_CALL, _CALL]},
        _RESULT,
    ),
)


def _template(folder: Path) -> Check:
    """Render probes with the checkpoint's template and with the one that callgate knows."""
    templates = chat_templates(folder)
    if not templates:
        advice = "save FunctionGemma's chat_template.jinja beside the weights"
        return Check("chat template", "none", good=False, advice=advice)
    for messages in _PROBES:
        for tools in (_PROBE_TOOLS, _PROBE_TOOLS[1:], ()):
            own = templates.get("tool_use") if tools else None
            own = own if own is not None else templates.get("default")
            try:
                if own is None:
                    raise BackendError("none is named 'default'")
                got = render_prompt(messages, tools, own)
            except BackendError as error:
                return Check("chat template", f"fails: {error}", good=False)
            wanted = render_prompt(messages, tools)
            if got != wanted:
                at = next(
                    (i for i, (a, b) in enumerate(zip(got, wanted, strict=False)) if a != b),
                    min(len(got), len(wanted)),
                )
                found = f"renders {got[at : at + 24]!r} for {wanted[at : at + 24]!r}"
                advice = "prompts would differ from those FunctionGemma was trained on"
                return Check("chat template", found, good=False, advice=advice)
    return Check("chat template", "renders FunctionGemma's bytes on all probes", good=True)


def _ids(added: dict[str, tuple[int, bool]]) -> Check:
    text = {token: ident for token, ident in CONTROL_TOKENS.items() if ident < ROWS}
    missing = [token for token in text if token not in added]
    moved = [
        f"{t} is {added[t][0]}" for t, ident in text.items() if t in added and added[t][0] != ident
    ]
    if missing:
        advice = "a model without them cannot have learned FunctionGemma's format"
        found = f"lacks {', '.join(missing)}"
        return Check("control tokens", found, good=False, advice=advice)
    if moved:
        advice = "callgate finds tokens by their text, so this works"
        return Check("control tokens", "; ".join(moved), None, advice)
    return Check("control tokens", f"all {len(text)} single, with FunctionGemma's ids", good=True)


def _flags(added: dict[str, tuple[int, bool]]) -> Check:
    wrong = [
        token
        for token, (_, special) in added.items()
        if token in CONTROL_TOKENS and special != (token in SPECIAL_TOKENS)
    ]
    if not wrong:
        return Check("special flags", "FunctionGemma's", good=True)
    advice = "skip_special_tokens would keep or drop other tokens than FunctionGemma's"
    return Check("special flags", f"differ for {', '.join(wrong)}", None, advice)


def _stops(added: dict[str, tuple[int, bool]], generation: dict[str, Any]) -> Check:
    wanted = {added[token][0] for token in STOP_TOKENS if token in added}
    written = generation.get("eos_token_id")
    kept = written if isinstance(written, list) else [written]
    found = f"{', '.join(f'{t} {added[t][0]}' for t in STOP_TOKENS if t in added)}"
    good = len(wanted) == len(STOP_TOKENS)
    advice = ""
    lost = sorted(ident for ident in wanted if ident not in kept)
    if good and lost:
        ids = ", ".join(map(str, lost))
        advice = (
            f"generation_config.json lacks {ids}: plain generate() would run past them; "
            "callgate stops there"
        )
    return Check("stop tokens", found or "none", good, advice)


def _sampling(generation: dict[str, Any]) -> Check:
    if not generation.get("do_sample"):
        return Check("generation", "greedy")
    return Check("generation", "the checkpoint samples by default; callgate decodes greedily")


def _sizes(
    folder: Path, config: dict[str, Any], added: dict[str, tuple[int, bool]]
) -> Iterator[Check]:
    model = _member(_json(folder / "tokenizer.json"), "model", dict)
    vocabulary = model.get("vocab", {})
    known = set(vocabulary) if isinstance(vocabulary, dict) else set()
    size = len(known | set(added)) if known else len(_member(model, "vocab", list))
    rows = embedding_rows(folder) or config.get("vocab_size")
    if (size, rows) == (ROWS + 2, ROWS):
        found = "FunctionGemma's: two entries more than rows, its image tokens"
        note = "never resize the embedding to the tokenizer's length"
    else:
        found = f"FunctionGemma: {ROWS + 2} and {ROWS}"
        outside = [t for t, (ident, _) in added.items() if isinstance(rows, int) and ident >= rows]
        some = ", ".join(outside[:4])
        note = f"{len(outside)} tokens have no row, prompts with them are errors: {some}"
        note = note if outside else ""
    good = None
    if size == ROWS + 2 and isinstance(rows, int) and rows > ROWS:
        good = False
        note = "the embedding was resized: its rows past FunctionGemma's are noise"
    yield Check("vocabulary", f"{size} entries, embedding of {rows} rows ({found})", good, note)
    yield Check("context", f"{config.get('max_position_embeddings')} tokens")
    yield Check("stored as", str(config.get("dtype") or config.get("torch_dtype") or "unknown"))


def _leftovers(settings: dict[str, Any]) -> Iterator[Check]:
    """Settings of the tokenizer that trip others up, and what callgate does about them."""
    if settings.get("add_bos_token"):
        found = "the template writes one, the tokenizer would add one more; callgate keeps one"
        yield Check("<bos>", found)
    if "processor_class" in settings:
        found = f"a left-over {settings['processor_class']!r}; callgate never loads a processor"
        yield Check("processor", found)


def check_lines(checks: Sequence[Check]) -> list[str]:
    """The checks as a table, then what to do about them."""
    from tabulate import tabulate

    marks = {True: "ok", False: "DIFFERS", None: ""}
    rows = [[check.name, marks[check.good], _shown(check.found)] for check in checks]
    text = tabulate(rows, tablefmt="plain", disable_numparse=True).split("\n")
    return [*text, *(f"{check.name}: {_shown(check.advice)}" for check in checks if check.advice)]


def option_lines(settings: Settings) -> list[str]:
    """Every option with its value and where it came from."""
    from tabulate import tabulate

    options = [
        [o.name.replace("_", "-"), _shown(getattr(settings, o.name)), settings.origins[o.name]]
        for o in OPTIONS
    ]
    heads = ["option", "value", "from"]
    return tabulate(options, heads, tablefmt="simple", disable_numparse=True).split("\n")


def version_line() -> str:
    """The versions of what a verdict depends on."""
    found = [f"callgate {__version__}", f"python {platform.python_version()}"]
    for name in ("torch", "transformers", "peft", "pytest"):
        try:
            found.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            found.append(f"no {name}")
    return ", ".join(found)


def _shown(value: object) -> str:
    if value is None:
        return "–"
    text = printable(str(value))
    return text if len(text) <= _WIDTH else f"{text[: _WIDTH - 1]}…"
