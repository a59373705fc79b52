"""Publishing: the model, its tokenizer and a card with the before and after, to the Hub."""

from __future__ import annotations

from pathlib import Path

from harness import __version__
from harness.cases import DEVELOPER
from harness.errors import CallgateError, UsageError, first_line
from harness.summary import interval_text
from harness.wording import shown_path
from trainers.data import Order
from trainers.judge import Standing
from trainers.loop import Outcome
from trainers.telling import Teller


class UploadError(CallgateError):
    """The Hub did not take the model."""

    exit_code = 3


def publish(
    order: Order, outcome: Outcome, repository: str, teller: Teller, private: bool = False
) -> None:
    """Upload the run's model with its card, where it was trained and its gates are met.

    Else it is said that it was not.

    Raises:
        UploadError: the Hub did not take it.
    """
    folder = order.folder.model
    if outcome.exit_code != 0:
        teller.say(
            f"not uploaded: the gates are not met (by hand: hf upload {repository} "
            f"{shown_path(folder)})"
        )
        return
    if not outcome.trained:
        teller.say("not uploaded: nothing was trained, so the model is the base as it was")
        return
    address = upload(folder, card(order, outcome), repository, private)
    teller.say(f"uploaded: {address}")


def upload(folder: Path, readme: str, repository: str, private: bool = False) -> str:
    """Upload a model folder and its card in one commit; the address of the repository.

    Args:
        folder: the model's files.
        readme: the card.
        repository: `NAME` or `OWNER/NAME`; made where it is not there yet.
        private: a repository that is made is private; else it is what the Hub makes by default.

    Raises:
        UploadError: the Hub did not take it, and why.
        UsageError: the name is no repository's.
    """
    from huggingface_hub import CommitOperationAdd, HfApi
    from huggingface_hub.errors import HFValidationError

    files = sorted(file for file in folder.rglob("*") if file.is_file())
    names = {file.relative_to(folder).as_posix(): file for file in files}
    api = HfApi()
    try:
        operations = [
            CommitOperationAdd(name, str(file))
            for name, file in names.items()
            if name != "README.md"
        ]
        operations.append(CommitOperationAdd("README.md", readme.encode()))
        address = str(api.create_repo(repository, private=private or None, exist_ok=True))
        api.create_commit(repository, operations, commit_message="Upload from callgate-tune")
    except HFValidationError as error:
        raise UsageError(f"--push-to-hub: {error}") from None
    except Exception as error:
        # Not narrower: what fails on the way to the Hub fails in the manner of every layer.
        reason = first_line(error)
        raise UploadError(
            f"not uploaded to {repository}: {reason}\nThe model is in {shown_path(folder)}; once "
            f"logged in (hf auth login): hf upload {repository} {shown_path(folder)}"
        ) from None
    return address


def card(order: Order, outcome: Outcome) -> str:
    """The model card: where it comes from, what it was tuned for, and the proof."""
    base = order.gate.model or ""
    is_hub_id = base.count("/") == 1 and not Path(base).exists()
    lines = ["---", "library_name: transformers", "pipeline_tag: text-generation"]
    lines += [f"base_model: {base.partition('@')[0]}"] if is_hub_id else []
    lines += ["tags: [function-calling, functiongemma, callgate]", "---", ""]
    lines += [f"# {', '.join(spec.name for spec in order.specs)}", ""]
    for spec in order.specs:
        lines += [spec.description or spec.name, ""]
        lines += [f"- `{name}`: {sentence}" for name, sentence in spec.clauses.items()]
        lines += [""] if spec.clauses else []
    source = base if is_hub_id or base == "mini" else "a local checkpoint"
    lines += [
        f"Tuned from {source} with callgate {__version__}. The cases below were not trained on; "
        "intervals are Wilson's, at 95 %.",
        "",
        *_table(outcome),
        "",
        "Test cases say what the model can do; dev cases chose its round, so they flatter it. "
        f'The developer turn that callgate adds by default is "{DEVELOPER}".',
        "",
    ]
    return "\n".join(lines)


def _table(outcome: Outcome) -> list[str]:
    from tabulate import tabulate

    rows = [
        (spec, split, before, after)
        for split, was, now in (
            ("test", outcome.before, outcome.after),
            ("dev", outcome.dev_before, outcome.dev_after),
        )
        for spec, before, after in _pairs(was, now)
    ]
    return tabulate(rows, ["spec", "split", "before", "after"], tablefmt="github").split("\n")


def _pairs(before: Standing, after: Standing) -> list[tuple[str, str, str]]:
    was = {decision.spec: decision for decision in before.decisions}
    pairs = []
    for now in after.decisions:
        cells = []
        for decision in (was.get(now.spec), now):
            if decision is None:
                cells.append("–")
                continue
            tally = decision.tally
            cells.append(f"{tally.passed} of {tally.judged} ({interval_text(decision.interval)})")
        pairs.append((now.spec, cells[0], cells[1]))
    return pairs
