"""`callgate doctor`: what would run where, and whether the model is FunctionGemma's kind.

Everything is read from the model's files: nothing is loaded, so a doctor's visit takes seconds.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from harness.cases import DEVELOPER, Tool
from harness.checkpoints import Checkpoint
from harness.errors import BackendError
from harness.functiongemma import CONTROL_TOKENS, SPECIAL_TOKENS, STOP_TOKENS, render_prompt
from harness.options import OPTIONS, Settings
from harness.placement import Placement

ROWS: Final = 262_144
"""Rows of FunctionGemma's embedding; its tokenizer knows two entries more, the image tokens."""


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
    added = _added_tokens(folder)
    return [
        Check("folder", str(folder)),
        _architecture(config),
        _template(folder),
        _ids(added),
        _flags(added),
        _stops(added, generation),
        _sampling(generation),
        *_sizes(folder, config, added),
    ]


def _json(file: Path) -> dict[str, Any]:
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def _added_tokens(folder: Path) -> dict[str, tuple[int, bool]]:
    """Text → (id, special) of the tokens that the tokenizer keeps whole."""
    tokens = _json(folder / "tokenizer.json").get("added_tokens", [])
    return {t["content"]: (t["id"], bool(t.get("special"))) for t in tokens if "content" in t}


def _architecture(config: dict[str, Any]) -> Check:
    names = config.get("architectures") or [config.get("model_type", "unknown")]
    layers, hidden = config.get("num_hidden_layers"), config.get("hidden_size")
    found = f"{', '.join(names)}, {layers} layers, hidden {hidden}"
    good = "Gemma3ForCausalLM" in names
    return Check("architecture", found, good, "" if good else "FunctionGemma: Gemma3ForCausalLM")


def chat_template(folder: Path) -> str | None:
    """The checkpoint's chat template, from its own file or from the tokenizer's configuration."""
    file = folder / "chat_template.jinja"
    if file.is_file():
        return file.read_text(encoding="utf-8")
    kept = _json(folder / "tokenizer_config.json").get("chat_template")
    return kept if isinstance(kept, str) else None


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
    own = chat_template(folder)
    if own is None:
        advice = "save FunctionGemma's chat_template.jinja beside the weights"
        return Check("chat template", "none", good=False, advice=advice)
    for messages in _PROBES:
        for tools in (_PROBE_TOOLS, _PROBE_TOOLS[1:], ()):
            try:
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
        return Check("control tokens", f"lacks {', '.join(missing)}", good=False)
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
    kept = set(written if isinstance(written, list) else [written])
    found = f"{', '.join(f'{t} {added[t][0]}' for t in STOP_TOKENS if t in added)}"
    good = len(wanted) == len(STOP_TOKENS)
    advice = ""
    if good and not wanted <= kept:
        ids = ", ".join(str(ident) for ident in sorted(wanted - kept))
        advice = f"generation_config.json lacks {ids}: plain generate() would run past them"
    return Check("stop tokens", found or "none", good, advice)


def _sampling(generation: dict[str, Any]) -> Check:
    if not generation.get("do_sample"):
        return Check("generation", "greedy")
    return Check("generation", "the checkpoint samples by default; callgate decodes greedily")


def _sizes(
    folder: Path, config: dict[str, Any], added: dict[str, tuple[int, bool]]
) -> Iterator[Check]:
    vocabulary = _json(folder / "tokenizer.json").get("model", {}).get("vocab", {})
    size = len(set(vocabulary) | set(added)) if isinstance(vocabulary, dict) else len(vocabulary)
    rows = _embedding_rows(folder) or config.get("vocab_size")
    note = ""
    if rows and size > rows:
        note = "normal for FunctionGemma (its two image tokens); never resize the embedding to it"
    yield Check("tokenizer", f"{size} entries, embedding of {rows} rows", None, note)
    yield Check("context", f"{config.get('max_position_embeddings')} tokens")


def _embedding_rows(folder: Path) -> int | None:
    """Rows of the embedding, from the header of the safetensors files."""
    for file in sorted(folder.glob("*.safetensors")):
        try:
            with file.open("rb") as content:
                (length,) = struct.unpack("<Q", content.read(8))
                header = json.loads(content.read(min(length, 1 << 24)))
        except (OSError, ValueError, struct.error):
            continue
        for name, tensor in header.items():
            if name.endswith("embed_tokens.weight"):
                return int(tensor["shape"][0])
    return None


def lines(settings: Settings, checks: list[Check], placement: Placement | None) -> list[str]:
    """The report: checks, device, then every option with where it came from."""
    from tabulate import tabulate

    marks = {True: "ok", False: "DIFFERS", None: ""}
    rows = [[check.name, marks[check.good], check.found] for check in checks]
    if placement:
        chosen = f"{placement.dtype} on {placement.device} ({placement.why})"
        rows.append(["would run", "", chosen])
    text = tabulate(rows, tablefmt="plain", disable_numparse=True).split("\n")
    text += ["", *(f"{check.name}: {check.advice}" for check in checks if check.advice)]
    options = [
        [o.name.replace("_", "-"), _shown(getattr(settings, o.name)), settings.origins[o.name]]
        for o in OPTIONS
    ]
    heads = ["option", "value", "from"]
    text += ["", *tabulate(options, heads, tablefmt="simple", disable_numparse=True).split("\n")]
    return [*text, f"files of its own: {settings.home}"]


def _shown(value: object) -> str:
    return "–" if value is None else str(value)
