"""The one loop: requests to a back end, replies to the judge, verdicts out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from harness.backends import Backend, takes_drafts
from harness.cases import Case, Reply, Request, Verdict
from harness.errors import BackendError
from harness.gold import gold_reply
from harness.judging import follow_up, judge, skipped
from harness.progress import Stream, watched
from harness.wording import cut


def replies(
    cases: Sequence[Case], backend: Backend, stream: Stream | None = None
) -> Iterator[tuple[Case, Reply]]:
    """Each case that is not skipped, with its reply, in the order in which they come.

    A reply whose calls found what the case's `then` asks an answer to comes after all others, with
    that answer. A back end that gives up or breaks makes every case it has not answered an error.
    Who watches `stream` (default: stderr) sees how far they are.
    """
    asked = [case for case in cases if case.skip is None]
    requests = requests_of(asked, drafts=takes_drafts(backend))
    waiting: list[tuple[Case, Reply, Request]] = []
    for index, reply in _asked(requests, backend, "replies", stream):
        case = asked[index]
        follow = follow_up(case, reply)
        if follow is None:
            yield case, reply
        else:
            waiting.append((case, reply, follow))
    follows = [follow for _, _, follow in waiting]
    for index, answer in _asked(follows, backend, "answers", stream):
        case, reply, _ = waiting[index]
        yield case, replace(reply, answer=answer)


def _asked(
    requests: Sequence[Request], backend: Backend, what: str, stream: Stream | None
) -> Iterator[tuple[int, Reply]]:
    """The index of every request with its reply, which may be an error."""
    if not requests:
        return
    waiting = set(range(len(requests)))
    reason = "the back end gave no reply"
    try:
        made = backend.replies(requests)
        for index, reply in watched(made, len(requests), what, stream):
            if index not in waiting:
                reason = f"the back end answered request {index} twice, or was never asked it"
                break
            waiting.remove(index)
            yield index, reply
    except BackendError as error:
        reason = str(error)
    except Exception as error:
        # Not narrower: a bug of the back end must cost neither the log nor the other verdicts.
        reason = f"the back end broke: {cut(f'{type(error).__name__}: {error}', 1000)}"
    for index in sorted(waiting):
        yield index, Reply("", error=reason)


def requests_of(cases: Sequence[Case], *, drafts: bool) -> list[Request]:
    """What a back end is asked; `drafts`: with the gold replies along."""
    if not drafts:
        return [case.request for case in cases]
    return [replace(case.request, draft=gold_reply(case)) for case in cases]


def judged(cases: Sequence[Case], answers: Iterable[tuple[Case, Reply]]) -> Iterator[Verdict]:
    """The verdict of every case: the skipped ones first, then as the replies come."""
    yield from (skipped(case) for case in cases if case.skip is not None)
    for case, reply in answers:
        yield judge(case, reply)


def verdicts(cases: Sequence[Case], backend: Backend) -> Iterator[Verdict]:
    """Ask and judge: the skipped cases first, then as the replies come."""
    return judged(cases, replies(cases, backend))
