"""Which files are spec files: nothing that is meant is passed over in silence."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from harness.errors import UsageError
from harness.loading import find_near_misses, find_spec_files


def files(folder: Path, *names: str) -> None:
    """Empty files below a folder."""
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()


def refusal(*paths: object) -> str:
    """The sentence that refuses some paths."""
    with pytest.raises(UsageError) as caught:
        find_spec_files([str(path) for path in paths])
    return str(caught.value)


def test_a_file_of_two_names_is_found_once(tmp_path: Path) -> None:
    """By links to it, to its folder, or in a circle, and by paths given twice; the first counts."""
    files(tmp_path, "specs/b.spec.yaml")
    (tmp_path / "specs/c.spec.yaml").symlink_to("b.spec.yaml")
    (tmp_path / "specs/again").symlink_to(".")
    (tmp_path / "link").symlink_to("specs")
    link, folder = str(tmp_path / "link"), str(tmp_path / "specs")
    assert find_spec_files([folder, link, f"{link}/c.spec.yaml"]) == [
        tmp_path / "specs/b.spec.yaml"
    ]
    assert find_spec_files([f"{link}/c.spec.yaml", folder]) == [tmp_path / "link/c.spec.yaml"]


def test_linked_folders_are_searched(tmp_path: Path) -> None:
    """As pytest does."""
    files(tmp_path, "shared/a.spec.yaml", "specs/b.spec.yaml")
    (tmp_path / "specs/shared").symlink_to("../shared")
    found = find_spec_files([str(tmp_path / "specs")])
    assert found == [tmp_path / "specs" / name for name in ("b.spec.yaml", "shared/a.spec.yaml")]


def test_a_link_that_leads_nowhere_is_an_error(tmp_path: Path) -> None:
    """Given, or found below a folder: there is a spec that is not judged."""
    files(tmp_path, "a.spec.yaml")
    link = tmp_path / "b.spec.yaml"
    link.symlink_to("gone")
    assert refusal(tmp_path) == refusal(link) == f"{link} is a link that leads nowhere."
    link.unlink()
    link.symlink_to(link)
    assert refusal(tmp_path) == f"'{link}' cannot be read: Too many levels of symbolic links."


def test_paths_that_are_none(tmp_path: Path) -> None:
    """The empty text, endless names and what the system cannot spell are sentences."""
    assert refusal("") == "'' is no path: name a spec file or a folder."
    long = "x" * 300
    assert refusal(long) == f"{long!r} cannot be read: File name too long."
    assert len(refusal("y" * 5000)) < 500
    assert refusal("a\0b") == r"'a\x00b' cannot be read: embedded null byte."
    files(tmp_path, "a.spec.yaml")
    assert refusal(tmp_path / "a.spec.yaml/b").startswith("There is no file or folder '")


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_a_folder_that_may_not_be_read_is_an_error(tmp_path: Path) -> None:
    """Nobody knows what is in it."""
    files(tmp_path, "a.spec.yaml", "sealed/b.spec.yaml")
    sealed = tmp_path / "sealed"
    for mode in (0, 0o400):
        sealed.chmod(mode)
        try:
            said = refusal(tmp_path)
        finally:
            sealed.chmod(0o700)
        assert said in (
            f"'{sealed}' cannot be read: Permission denied.",
            f"'{sealed}/b.spec.yaml' cannot be read: Permission denied.",
        )


def test_names_that_are_nearly_those_of_specs(tmp_path: Path) -> None:
    """Another ending or case is not read, and can be named; what is given is."""
    files(tmp_path, "a.spec.yaml", "b.spec.yml", "sub/C.Spec.Yaml", "d.yaml", ".git/e.spec.yml")
    near = [tmp_path / "b.spec.yml", tmp_path / "sub/C.Spec.Yaml"]
    assert find_near_misses([str(tmp_path), str(tmp_path / "b.spec.yml"), "nowhere"]) == near
    assert find_spec_files([str(tmp_path)]) == [tmp_path / "a.spec.yaml"]
    assert find_spec_files([str(near[0])]) == [near[0]]
