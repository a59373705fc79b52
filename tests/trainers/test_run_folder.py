"""The run's folder: whole files, a state that names what belongs to it, disks that fail."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from harness.errors import UsageError
from trainers.run_folder import (
    DiskError,
    Progress,
    RunFolder,
    append_lines,
    held,
    keep_lines,
    make_folder,
    new_folder,
    read_progress,
    settle,
    write_atomically,
    write_progress,
)


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    """A run's folder, made."""
    made = new_folder(tmp_path / "run")
    make_folder(made, "settings: {}\n")
    made.state.mkdir()
    return made


def test_progress_comes_back_as_it_was(folder: RunFolder) -> None:
    """What is written is what a resumed run reads."""
    progress = Progress(
        rounds=({"round": 1, "best": True},), best="best-1", best_round=1,
        checkpoint="checkpoint-9", history_lines=11, seconds=2.5, ended="enough",
    )  # fmt: skip
    write_progress(folder, progress)
    assert read_progress(folder) == progress


def test_what_the_progress_does_not_name_goes(folder: RunFolder) -> None:
    """Older checkpoints, and half-written ones of a killed run, are removed."""
    for name in ("checkpoint-3", "checkpoint-6", "best-1", "best-2", ".best-3.part"):
        (folder.state / name).mkdir()
    write_progress(folder, Progress(checkpoint="checkpoint-6", best="best-1"))
    assert sorted(entry.name for entry in folder.state.iterdir()) == [
        *("best-1", "checkpoint-6", "progress.json"),
    ]


def test_no_progress_yet(folder: RunFolder) -> None:
    """A run that did not come to its training has none."""
    assert read_progress(folder) is None


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"schema": 2}', "nonsense", '{"schema": 1}'])
def test_a_state_that_cannot_be_gone_on_with(folder: RunFolder, content: str) -> None:
    """A broken or foreign progress file is a usage error that says what to do."""
    folder.progress.write_text(content, encoding="utf-8")
    with pytest.raises(UsageError, match="begin again in another folder"):
        read_progress(folder)


def test_a_folder_that_is_taken(tmp_path: Path) -> None:
    """A run never writes over what is there."""
    (tmp_path / "x").write_text("mine", encoding="utf-8")
    with pytest.raises(UsageError) as refused:
        new_folder(tmp_path)
    assert str(refused.value) == (
        f"--out {tmp_path}: is not empty: go on with the run in it with --resume, or name another "
        "folder"
    )
    for path in (tmp_path / "x", tmp_path / "x" / "deeper" / "run"):
        with pytest.raises(UsageError, match=f"--out {path}: Not a directory"):
            new_folder(path)


def test_a_folder_that_was_hardly_begun_is_free(tmp_path: Path) -> None:
    """A kill, or a full disk, before the settings were written leaves nothing to go on with."""
    folder = RunFolder(tmp_path / "run")
    with held(folder, begun=False):
        pass
    (folder.root / ".settings.yaml.part").touch()
    assert new_folder(folder.root) == folder
    folder.settings.touch()
    with pytest.raises(UsageError, match="is not empty"):
        new_folder(folder.root)


def test_a_folder_that_cannot_be_begun(tmp_path: Path) -> None:
    """Where the settings cannot be written nothing is kept, and nothing of the kind is said."""
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / ".settings.yaml.part").mkdir()
    with pytest.raises(DiskError) as refused:
        make_folder(RunFolder(tmp_path / "run"), "settings: {}\n")
    assert str(refused.value) == f"--out {tmp_path / 'run'}: Is a directory: nothing was begun"


def test_one_process_works_on_a_run(folder: RunFolder) -> None:
    """Another process is refused while one is at it, and let in when that one is killed."""
    code = (
        "import sys, time\n"
        "from pathlib import Path\n"
        "from trainers.run_folder import RunFolder, held\n"
        "with held(RunFolder(Path(sys.argv[1])), begun=True):\n"
        "    print('held', flush=True)\n"
        "    time.sleep(600)\n"
    )
    args = [sys.executable, "-c", code, str(folder.root)]
    with subprocess.Popen(args, stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == b"held\n"
        with pytest.raises(UsageError) as refused, held(folder, begun=True):
            pass
        other.kill()
    assert str(refused.value) == (
        f"--out {folder.root}: another callgate-tune is at work in this folder: wait for it, or "
        "name another one"
    )
    with held(folder, begun=True):
        pass


def test_a_run_that_was_begun_meanwhile_is_anothers(folder: RunFolder) -> None:
    """A run whose folder was empty when it was looked at, and is not when it is taken."""
    with pytest.raises(UsageError, match="another callgate-tune"), held(folder, begun=False):
        pass


def test_lines_after_the_checkpoint_are_redone(folder: RunFolder) -> None:
    """The history keeps the lines that belong to the checkpoint; those after it go."""
    append_lines(folder.history, [{"step": n} for n in range(5)])
    keep_lines(folder.history, 2)
    append_lines(folder.history, [{"step": 9}])
    assert folder.history.read_text() == '{"step":0}\n{"step":1}\n{"step":9}\n'


def test_a_folder_takes_its_name_whole(tmp_path: Path) -> None:
    """A complete folder replaces one of the same name."""
    for name in ("part", "model"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "weights").write_text(name, encoding="utf-8")
    settle(tmp_path / "part", tmp_path / "model")
    assert (tmp_path / "model" / "weights").read_text() == "part"
    assert [entry.name for entry in tmp_path.iterdir()] == ["model"]


def test_a_disk_that_fails_leaves_the_file_as_it_was(tmp_path: Path) -> None:
    """What cannot be written is told whole, and the file before it stays."""
    target = tmp_path / "no" / "progress.json"
    (tmp_path / "no").write_text("a file where a folder should be", encoding="utf-8")
    with pytest.raises(DiskError) as refused:
        write_atomically(target, "x")
    assert str(refused.value) == (
        f"{target} cannot be written: File exists. What the run had reached is kept; make room, "
        "and go on with --resume."
    )
    assert refused.value.exit_code == 3
