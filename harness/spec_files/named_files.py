"""What a spec names by path besides its data set: lists of tools, folders of pages."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from harness.cases import Rules
from harness.errors import Problem, SpecError
from harness.json_values import shown as value_text
from harness.retrieval.folder import Folder, FolderRefused, read_folder
from harness.spec_files.nodes import Notes, Report
from harness.spec_files.strict_yaml import FileRefused, read_bytes, read_yaml_bytes
from harness.spec_files.tool_lists import Toolbox, read_tools
from harness.wording import shown_path


class NamedFiles:
    """The files and folders that a spec names, each read once.

    `contents` is what a digest of the spec covers of them, `problems` those inside of files.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.problems: list[Problem] = []
        self.contents: list[bytes] = []
        self._read: dict[Path, Toolbox] = {}
        self._folders: dict[Path, Folder] = {}

    def read(self, rules: Rules, name: str, report: Report) -> Toolbox:
        """The tools of the named file."""
        path = self.folder / name
        if path not in self._read:
            self._read[path] = self._toolbox(path, name, rules, report)
        return self._read[path]

    def pages(self, beside: Path, name: str, report: Report) -> Folder | None:
        """The pages of a folder, named relative to `beside`; None where it is refused."""
        path = beside / name
        try:
            if path not in self._folders:
                self._folders[path] = read_folder(path)
                self.contents.append(self._folders[path].digest.encode())
            return self._folders[path]
        except FolderRefused as error:
            report((), f"the folder {value_text(name)} {error.what}", error.hint)
            return None

    def _toolbox(self, path: Path, name: str, rules: Rules, report: Report) -> Toolbox:
        hint = "a path to a list of tools, relative to the spec file"
        try:
            content = read_bytes(path)
            document = read_yaml_bytes(content, shown_path(path))
        except SpecError as error:
            self.problems += error.problems
            return Toolbox(whole=False)
        except FileRefused as error:
            report((), f"the file {value_text(name)} {error.what}", error.hint or hint)
            return Toolbox(whole=False)
        self.contents.append(content)
        notes = Notes(document, self.problems)
        if isinstance(document.value, list):
            return read_tools(
                document.value,
                notes,
                (),
                rules=rules,
                read_file=partial(self.read, rules),
                read_pages=partial(self.pages, path.parent),
            )
        what = f"found {value_text(document.value)}, expected a list of tools"
        notes.report((), "tools")((), what)
        return Toolbox(whole=False)
