"""The documentation: every block in it runs, and every output in it is the true one.

`python tests/functional/test_docs.py --update [FILE…]` writes the true outputs into the
documents. How a block is run, by its language and the comment on the line above it:

    <!-- file: NAME -->         any language: the block is that file, from there on
    <!-- broken file: NAME -->  a spec file that `lint` refuses
    <!-- add to: NAME -->       the block is the file's further lines
    <!-- case in: NAME -->      YAML cases that would be sound as the cases of that spec
    <!-- keys in: NAME -->      YAML keys that would be sound at the top of that spec
    console                     each `$ command` is run, and all that it prints compared
    bash                        is run whole, and must exit with 0
    text                        a picture, nothing to run

Every document has a folder of its own with `specs/` and `docs/replies/`, in which its blocks
are run in their order.
"""

from __future__ import annotations

import csv
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
from dataclasses import dataclass
from pathlib import Path

import pytest

from harness.cases import Miss
from harness.loading import load_spec
from harness.spec_files.strict_yaml import read_yaml_file

ROOT = Path(__file__).parents[2]
DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
NAMES = [path.relative_to(ROOT).as_posix() for path in DOCUMENTS]
GATE, RUN_LOG = ROOT / "docs" / "gate.md", ROOT / "docs" / "run-log.md"

BLOCK = re.compile(
    r"^(?:<!-- (?P<note>[^\n]+) -->\n)?```(?P<language>\w*)\n(?P<text>.*?)^```$", re.M | re.S
)
SET_UP = re.compile(r".*(-m venv|\bpip install|bin/tox\b|^tox\b).*\n", re.M)
"""Lines that install: their syntax is checked, and the lines beside them are run."""
MASKS = [
    (re.compile(r"^=+ (\d.*) in [\d.]+s =+$", re.M), r"== \1 in TIME =="),
    (re.compile(r"\bin [\d.]+s$", re.M), "in TIME"),
    (re.compile(r'"seconds": [\d.]+'), '"seconds": TIME'),
]

Pages = pytest.mark.parametrize("page", DOCUMENTS, ids=NAMES)


@dataclass(frozen=True)
class Block:
    """A fenced block: its language, the comment above it, its text and where it starts."""

    language: str
    note: str
    text: str
    line: int


def blocks(page: str) -> list[Block]:
    """The fenced blocks of a document, in order."""
    return [
        Block(m["language"], m["note"] or "", m["text"], page.count("\n", 0, m.start("text")))
        for m in BLOCK.finditer(page)
    ]


def prepare(folder: Path) -> None:
    """What the documents' blocks find: the specs and the recorded replies."""
    shutil.copytree(ROOT / "specs", folder / "specs")
    shutil.copytree(ROOT / "docs" / "replies", folder / "docs" / "replies")


def shell(command: str, folder: Path) -> tuple[int, str]:
    """Run a command as a reader would; gives its exit code and all that it printed."""
    tools = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environ = {"PATH": tools, "HOME": str(folder), "COLUMNS": "80", "LANG": "C.UTF-8"}
    done = subprocess.run(
        ["bash", "-c", command], cwd=folder, env=environ, text=True, timeout=300, check=False,
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip
    return done.returncode, done.stdout


def true_text(block: Block, folder: Path) -> str:
    """Run a block; gives its text with the true outputs. AssertionError says what is wrong."""
    action, _, name = block.note.partition(": ")
    if action in ("file", "broken file", "add to"):
        write(block.text, folder / name, adding=action == "add to")
        check_file(folder / name, broken=action == "broken file")
    elif action in ("case in", "keys in"):
        check_fragment(block.text, folder / name, action)
    elif block.language == "console":
        return console(block.text, folder)
    elif block.language == "bash":
        run_bash(block.text, folder)
    else:
        assert block.language == "text", f"nobody can run {block.language!r}, {block.note!r}"
    return block.text


def write(text: str, path: Path, *, adding: bool) -> None:
    """Write a file anew, or add to one."""
    assert path.exists() or not adding, f"{path.name} is not there to be added to"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text((path.read_text(encoding="utf-8") if adding else "") + text, encoding="utf-8")


def check_file(path: Path, *, broken: bool) -> None:
    """A file in a document is sound for what its name says it is."""
    if path.name.endswith(".spec.yaml"):
        problems = load_spec(path, path.name).problems
        assert bool(problems) == broken, "\n".join(map(str, problems)) or "nothing is broken"
    elif path.suffix == ".yaml":
        read_yaml_file(path, path.name)
    elif path.suffix == ".toml":
        tomllib.loads(path.read_text(encoding="utf-8"))
    elif path.suffix == ".csv":
        rows = list(csv.reader(path.read_text(encoding="utf-8").splitlines()))
        assert len({len(row) for row in rows}) == 1, "rows of different lengths"
    elif path.suffix != ".md":  # a page is prose: the spec that searches it is what is checked
        assert path.suffix == ".jsonl", f"nobody can check {path.name}"
        for line in path.read_text(encoding="utf-8").splitlines():
            json.loads(line)


def check_fragment(text: str, spec: Path, action: str) -> None:
    """Cases or keys are sound in the spec that their note names, its own cases aside."""
    before, start, cases = spec.read_text(encoding="utf-8").partition("\ncases:\n")
    whole = before + start + text if action == "case in" else text + before + start + cases
    scratch = spec.with_name("fragment.spec.yaml")
    scratch.write_text(whole, encoding="utf-8")
    check_file(scratch, broken=False)
    scratch.unlink()


def console(text: str, folder: Path) -> str:
    """The commands of a console block, each with its true output."""
    written, code = "", 0
    for command in re.findall(r"^\$ ((?:.*\\\n)*.*)\n", text, re.M):
        code, output = shell(f"(exit {code}); {command}", folder)
        written += f"$ {command}\n{output}"
    assert written, "no line starts with '$ '"
    return written


def run_bash(text: str, folder: Path) -> None:
    """Run a block to its end; one that installs is parsed, and run without what installs."""
    subprocess.run(["bash", "-n", "-c", text], check=True)
    if SET_UP.search(text):
        text = SET_UP.sub("", text).replace(".venv/bin/", "")
    code, output = shell(f"set -e\n{text}", folder)
    assert code == 0, f"exit {code}:\n{output}"


def masked(text: str) -> str:
    """The text without what differs between two true outputs."""
    for pattern, instead in MASKS:
        text = pattern.sub(instead, text)
    return text


@pytest.mark.slow
@Pages
def test_every_block_runs_and_shows_its_true_output(page: Path, tmp_path: Path) -> None:
    """What a reader types does what the document says, output included."""
    prepare(tmp_path)
    text = page.read_text(encoding="utf-8")
    wrong = []
    for block in blocks(text):
        try:
            assert masked(block.text) == masked(true_text(block, tmp_path))
        except AssertionError as error:
            wrong.append(f"{page.name}:{block.line}: {error}")
    assert not wrong, "\n".join(wrong)
    assert "```" not in BLOCK.sub("", text), f"{page.name}: a block that this test cannot read"


@pytest.mark.parametrize(
    ("language", "note", "text"),
    [
        ("", "", "whatever\n"),
        ("yaml", "", "cases: []\n"),
        ("yaml", "file: a.spec.yaml", "cases: []\n"),
        ("yaml", "broken file: a.spec.yaml", "cases: [{prompt: Hello!, expect: no_call}]\n"),
        ("yaml", "add to: a.spec.yaml", "  - {prompt: Hello!, expect: no_call}\n"),
        ("bash", "", "exit 1\n"),
        ("console", "", "no command\n"),
    ],
)
def test_a_block_that_cannot_run_is_a_failure(
    language: str, note: str, text: str, tmp_path: Path
) -> None:
    """Nothing is passed over: what nobody can run, or comes out otherwise, is an error."""
    with pytest.raises(AssertionError):
        true_text(Block(language, note, text, 1), tmp_path)


def test_the_misses_are_listed_in_their_order() -> None:
    """The table of misses names each of them, in the order in which they are looked for."""
    page = GATE.read_text(encoding="utf-8")
    section = page.partition("## Misses\n")[2].partition("\n## ")[0]
    assert re.findall(r"^\| `(\w+)` \|", section, re.M) == [miss.value for miss in Miss]


def test_every_key_of_the_run_log_is_documented(tmp_path: Path) -> None:
    """Header, verdict and footer hold no key that docs/run-log.md does not name."""
    prepare(tmp_path)
    replies = "replay:docs/replies/everyday-traps.jsonl"
    command = f"callgate run specs/everyday_traps.spec.yaml --model {replies} --run-log run.jsonl"
    assert shell(command, tmp_path)[0] == 0
    lines = (tmp_path / "run.jsonl").read_text(encoding="utf-8").splitlines()
    written = {key for line in lines for key in json.loads(line)}
    named = set(re.findall(r"`(\w+)`", RUN_LOG.read_text(encoding="utf-8")))
    assert written - named == set()


@Pages
def test_every_relative_link_leads_somewhere(page: Path) -> None:
    """Files that a document links to are there, and so are the headings in them."""
    text = BLOCK.sub("", page.read_text(encoding="utf-8"))
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if re.match(r"https?://", target):
            continue
        name, _, anchor = target.partition("#")
        path = page.parent / name if name else page
        assert path.exists(), f"{page.name} links to {target}"
        assert not anchor or anchor in anchors(path), f"{page.name} links to {target}"


@Pages
def test_every_path_named_is_there(page: Path) -> None:
    """A path of this repository in a document is one that exists."""
    text = BLOCK.sub("", page.read_text(encoding="utf-8"))
    rooms = "harness|trainers|reports|tests|benchmarks"
    named = re.findall(rf"`((?:{rooms})/[\w./-]*)`", text)
    assert [path for path in named if not (ROOT / path).exists()] == []


def anchors(page: Path) -> set[str]:
    """The headings of a document, as links name them."""
    heads = re.findall(r"^#+ (.+)$", BLOCK.sub("", page.read_text(encoding="utf-8")), re.M)
    return {re.sub(r"[^\w\- ]", "", head.lower()).strip().replace(" ", "-") for head in heads}


@Pages
def test_every_tox_environment_named_is_there(page: Path) -> None:
    """`tox -e NAME` in a document names an environment of tox.ini."""
    known = re.findall(r"^\[testenv:(\w+)\]", (ROOT / "tox.ini").read_text(encoding="utf-8"), re.M)
    assert set(re.findall(r"tox -e (\w+)", page.read_text(encoding="utf-8"))) <= set(known)


def updated(page: str) -> str:
    """The document with true outputs; blocks that cannot run stay, and are named."""
    with tempfile.TemporaryDirectory() as name:
        prepare(Path(name))
        for block in blocks(page):
            try:
                text = true_text(block, Path(name))
            except AssertionError as error:
                sys.stderr.write(f"line {block.line}: {error}\n")
                continue
            if masked(text) != masked(block.text):
                page = page.replace(f"```console\n{block.text}```", f"```console\n{text}```")
    return page


if __name__ == "__main__":
    assert sys.argv[1:2] == ["--update"], __doc__
    for path in map(Path, sys.argv[2:] or DOCUMENTS):
        sys.stderr.write(f"{path}\n")
        path.write_text(updated(path.read_text(encoding="utf-8")), encoding="utf-8")
