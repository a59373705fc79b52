"""A folder → its pages: what is read, what is refused, and when the digest changes."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.retrieval import folder as folder_module
from harness.retrieval.folder import FolderRefused, read_folder


def written(root: Path, pages: dict[str, bytes]) -> Path:
    """A folder with these files."""
    for name, content in pages.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return root


def test_pages_are_markdown_and_text_also_below_and_sorted(tmp_path: Path) -> None:
    """Names are relative, with slashes; hidden files and other kinds are not read."""
    names = ["b.md", "a/x.TXT", "a/.hidden.md", ".git/c.md", "n.markdown", "p.pdf", "README"]
    read = read_folder(written(tmp_path, dict.fromkeys(names, b"x")))
    assert read.names == ("a/x.TXT", "b.md", "n.markdown")


def test_a_byte_order_mark_is_no_text(tmp_path: Path) -> None:
    """As editors on Windows write it."""
    read = read_folder(written(tmp_path, {"a.md": b"\xef\xbb\xbf# A"}))
    assert read.pages[0].text == "# A"


def test_the_digest_changes_with_a_name_and_with_a_text_and_with_nothing_else(
    tmp_path: Path,
) -> None:
    """A page that moves a character to its neighbour is another folder."""
    base = {"a.md": b"one", "b.md": b"two"}
    others = [{"a.md": b"one", "c.md": b"two"}, {"a.md": b"onet", "b.md": b"wo"}, {"a.md": b"one"}]
    digests = [
        read_folder(written(tmp_path / str(n), pages)).digest
        for n, pages in enumerate([base, dict(reversed(base.items())), *others])
    ]
    assert digests[0] == digests[1]
    assert len(set(digests)) == 4


@pytest.mark.parametrize(
    ("pages", "what"),
    [
        ({"a.md": b"caf\xe9"}, "holds 'a.md', which is not UTF-8 at byte 3"),
        ({"a.pdf": b"x"}, "holds no page"),
    ],
)
def test_what_cannot_be_searched_is_refused(
    tmp_path: Path, pages: dict[str, bytes], what: str
) -> None:
    """With the file that is the reason."""
    with pytest.raises(FolderRefused) as refused:
        read_folder(written(tmp_path, pages))
    assert refused.value.what == what
    assert refused.value.hint


def test_a_name_that_is_not_utf_8_is_refused(tmp_path: Path) -> None:
    """No log could hold it; the message shows it as far as it can be shown."""
    (Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9.md"))).write_text("x")
    with pytest.raises(FolderRefused, match="a name that is not UTF-8") as refused:
        read_folder(tmp_path)
    assert refused.value.hint == "rename the file"


def test_a_name_too_long_for_the_system_is_no_folder(tmp_path: Path) -> None:
    """The system's own words, and no traceback."""
    with pytest.raises(FolderRefused, match="cannot be read: File name too long"):
        read_folder(tmp_path / ("a" * 300))


def test_a_pipe_and_a_link_to_nowhere_do_not_hang(tmp_path: Path) -> None:
    """They are refused by name, and never opened."""
    os.mkfifo(tmp_path / "a.md")
    with pytest.raises(FolderRefused, match=r"holds 'a\.md', which is no regular file"):
        read_folder(tmp_path)
    (tmp_path / "a.md").unlink()
    (tmp_path / "b.md").symlink_to(tmp_path / "gone.md")
    with pytest.raises(FolderRefused, match=r"holds 'b\.md', which is no regular file"):
        read_folder(tmp_path)


def test_folders_that_are_links_are_not_followed(tmp_path: Path) -> None:
    """A loop of links ends, and nothing is found twice."""
    written(tmp_path, {"a/b.md": b"x"})
    (tmp_path / "a" / "again").symlink_to(tmp_path, target_is_directory=True)
    assert read_folder(tmp_path).names == ("a/b.md",)


def test_too_much_text_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By its size, and by the number of pages."""
    written(tmp_path, {"a.md": b"x" * 60, "b.md": b"x" * 60})
    monkeypatch.setattr(folder_module, "MAX_BYTES", 100)
    with pytest.raises(FolderRefused, match="holds more than"):
        read_folder(tmp_path)
    monkeypatch.undo()
    monkeypatch.setattr(folder_module, "MAX_PAGES", 1)
    with pytest.raises(FolderRefused, match="holds more than 1 pages"):
        read_folder(tmp_path)


@settings(max_examples=30)
@given(st.dictionaries(st.from_regex(r"[a-z]{1,8}\.md", fullmatch=True), st.text(max_size=50)))
def test_every_page_is_read_as_it_is(
    tmp_path_factory: pytest.TempPathFactory, pages: dict[str, str]
) -> None:
    """Any text that UTF-8 can hold comes back, line ends included."""
    root = written(
        tmp_path_factory.mktemp("pages"), {name: text.encode() for name, text in pages.items()}
    )
    if pages:
        read = {page.name: page.text for page in read_folder(root).pages}
        assert read == {name: text.removeprefix("\ufeff") for name, text in pages.items()}
