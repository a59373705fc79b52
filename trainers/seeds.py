"""One run, or the same with several seeds: how far a result is the seed's."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from harness.errors import CallgateError
from harness.summary import percent
from reports.documents import documents_told
from trainers.data import Order
from trainers.loop import Outcome, tune
from trainers.run_folder import RunFolder, write_atomically
from trainers.telling import Teller


def tune_seeds(order: Order, repository: str | None, private: bool = False) -> int:
    """Tune with each seed; the first one's run decides the exit code, and is what is published.

    The runs of the further seeds lie in `seeds/SEED/` of the run's folder; one that breaks is
    told, and takes nothing from the others.
    """
    first = order.tuning.seed
    outcomes: list[tuple[int, Outcome]] = []
    broken: list[str] = []
    for seed in range(first, first + order.tuning.seeds):
        several = order.tuning.seeds > 1
        folder = (
            order.folder if seed == first else RunFolder(order.folder.root / "seeds" / f"{seed}")
        )
        mine = replace(order, tuning=replace(order.tuning, seed=seed), folder=folder)
        teller = Teller(f"seed {seed}: " if several else "")
        try:
            outcomes.append((seed, tune(mine, teller)))
        except BrokenPipeError:
            raise
        except Exception as error:
            # Not narrower: whatever breaks a further seed, the first one's result stands.
            if seed == first:
                raise
            what = str(error) if isinstance(error, CallgateError) else repr(error)
            broken.append(f"seed {seed}: broke: {what}")
            teller.say(f"broke: {what}")
    if order.tuning.seeds > 1:
        lines = spread(outcomes, broken)
        write_atomically(order.folder.root / "seeds.txt", "\n".join(lines) + "\n")
        Teller().say("", *lines)
        Teller().say(*documents_told(order.folder.root))  # once more: now they show every seed
    outcome = outcomes[0][1]
    if repository is not None:
        from trainers.publish import publish

        publish(order, outcome, repository, Teller(), private)
    return outcome.exit_code


def spread(outcomes: Sequence[tuple[int, Outcome]], broken: Sequence[str] = ()) -> list[str]:
    """A line for each seed, and how far those that did not break lie apart."""
    lines = []
    for seed, outcome in outcomes:
        before, after = outcome.before, outcome.after
        word = "met" if outcome.exit_code == 0 else "NOT MET"
        counts = f"{before.passed} → {after.passed} of {after.judged}"
        lines.append(f"seed {seed}: test {counts}: {word}")
    passed = [outcome.after.passed for _, outcome in outcomes]
    judged = outcomes[0][1].after.judged
    met = sum(outcome.exit_code == 0 for _, outcome in outcomes)
    mean = sum(passed) / len(passed)
    rate = percent(sum(passed), judged * len(passed))
    lines += broken
    lines.append(
        f"{len(outcomes)} seeds: {min(passed)} to {max(passed)} of {judged} passed, "
        f"{mean:.1f} on average ({rate}); {met} of {len(outcomes)} met"
    )
    lines.append("The first seed's run decides, whatever the others came to.")
    return lines
