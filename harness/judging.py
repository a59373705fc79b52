"""One judgement: a case and its reply → a verdict.

The table of misses is walked from the top; the first that applies is the verdict's. pytest,
`callgate run` and the training loop all come here, and judge nothing themselves.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

from harness.arguments import argument_problems
from harness.assignment import cheapest
from harness.bfcl import rules as bfcl_rules
from harness.call_grammar import END, could_go_on
from harness.cases import (
    AnyCall,
    Call,
    Calls,
    Case,
    Expectation,
    ExpectedCall,
    Miss,
    NoCall,
    OneOf,
    Outcome,
    Reply,
    Request,
    Tool,
    Verdict,
)
from harness.errors import nearest
from harness.functiongemma import Defect, ParsedReply, parse_reply, unwrap_args_json
from harness.gold import broken_gold, gold_block, gold_blocks, gold_faults
from harness.json_values import NORMAL_FORM, escaped, look_alike
from harness.matchers import RegexTimeout, shown
from harness.retrieval.following import answer_request, found_by, not_found, wrong_answer
from harness.retrieval.found import Found
from harness.statistics import character_error_rate
from harness.values.schemas import MOST, UnusableSchema, tool_schema
from harness.wording import call_text, calls_text, cut, opening

_ORDER = {miss: place for place, miss in enumerate(Miss)}


@dataclass(frozen=True, slots=True)
class Finding:
    """What is wrong with a reply, and a sentence that says expected and got."""

    miss: Miss
    reason: str


@dataclass(frozen=True, slots=True)
class _Made:
    """What the reply made, read once: the calls, the defects, the text, why it ended.

    `found` is what its calls found, and `answer` the reply to that, where the case asks for them.
    """

    calls: tuple[Call, ...]
    defects: tuple[Defect, ...]
    text: str
    blocks: tuple[str, ...]
    cut_short: bool
    found: tuple[Found, ...]
    answer: Reply | None

    @property
    def clean(self) -> bool:
        return not self.defects


class _NoAnswerError(Exception):
    """The calls are right and found what they must; what is answered then nobody asked yet."""


def judge(case: Case, reply: Reply) -> Verdict:
    """Judge one reply. Never raises: what breaks on the way is an `error`, not the model's miss."""
    error = reply.error if reply.answer is None else reply.answer.error
    if error is not None:
        return Verdict(case, reply, Outcome.ERROR, reason=error)
    try:
        return _judge(case, reply)
    except _NoAnswerError:
        reason = "the model was not asked for its answer to what its calls found"
        return Verdict(case, reply, Outcome.ERROR, reason=reason)
    except (RegexTimeout, UnusableSchema) as error:
        return Verdict(case, reply, Outcome.ERROR, reason=str(error))
    except Exception as error:
        what = cut(f"{type(error).__name__}: {error}", 1000)
        reason = f"callgate itself broke while judging: {what}"
        return Verdict(case, reply, Outcome.ERROR, reason=reason)


def follow_up(case: Case, reply: Reply) -> Request | None:
    """The request for the answer to what the calls found; None where none is to be asked for.

    It is asked for where the case has a `then` and nothing before that is amiss. Never raises.
    """
    if case.then is None or reply.error is not None:
        return None
    try:
        made = _read(case, replace(reply, answer=None))
        if _wants_answer(case, made):
            return answer_request(case, made.text, made.calls, made.found)
    except Exception:
        return None  # not narrower: `judge` comes upon it again, and says what it is
    return None


def _wants_answer(case: Case, made: _Made) -> bool:
    try:
        _find(case, case.expect, made)
    except _NoAnswerError:
        return True
    return False


def skipped(case: Case) -> Verdict:
    """The verdict of a case that its spec says not to run."""
    return Verdict(case, Reply(""), Outcome.SKIP, reason=case.skip or "")


def _judge(case: Case, reply: Reply) -> Verdict:
    made = _read(case, reply)
    finding = _find(case, case.expect, made)
    gold = gold_block(case)
    first_block = made.blocks[0] if made.blocks else ""
    return Verdict(
        case,
        reply,
        outcome=Outcome.FAIL if finding else Outcome.PASS,
        miss=finding.miss if finding else None,
        reason=finding.reason if finding else "",
        calls=made.calls,
        tool_match=_tool_match(case.expect, made),
        schema_valid=_schema_valid(case, made),
        gold=gold,
        cer=None if gold is None else character_error_rate(gold, first_block),
        note=_note(case, made),
        found=made.found,
    )


def _read(case: Case, reply: Reply) -> _Made:
    parsed: ParsedReply = parse_reply(reply.text)
    calls, defects = parsed.calls, parsed.defects
    if case.target == "args_json":
        calls, unwrapped = unwrap_args_json(calls, case.tools)
        defects += unwrapped
    found = () if defects else found_by(case, calls)
    cut_short = _cut_short(reply, parsed)
    return _Made(calls, defects, parsed.text, parsed.blocks, cut_short, found, reply.answer)


def _cut_short(reply: Reply, parsed: ParsedReply) -> bool:
    """Whether the token limit cut a call: the reply ends inside of its last block.

    One that had left the grammar before would not have become a call with more tokens either.
    """
    if reply.finish != "length" or not parsed.blocks or not parsed.defects:
        return False
    last, defect = parsed.blocks[-1], parsed.defects[-1]
    is_open = reply.text.endswith(last) and not last.endswith(END)
    return is_open and could_go_on(reply.text[defect.offset :])


def _find(case: Case, expect: Expectation, made: _Made) -> Finding | None:
    """The first miss of the table that applies, or None."""
    if isinstance(expect, OneOf):
        return _furthest([_find(case, option, made) for option in expect.options])
    if isinstance(expect, AnyCall) and made.calls and (made.clean or case.rules == "callgate"):
        return None
    if isinstance(expect, NoCall) and case.rules == "bfcl" and not made.clean:
        return _text(expect, made)
    if not made.clean:
        return _defect(expect, made)
    if isinstance(expect, NoCall):
        return _no_call(expect, made)
    if not made.calls:
        got = f"text: {opening(made.text)}" if made.text else "an empty reply"
        return Finding(Miss.NO_CALL, f"expected {_wanted(expect)}, got {got}")
    return None if isinstance(expect, AnyCall) else _calls(case, expect, made)


def _furthest(findings: Sequence[Finding | None]) -> Finding | None:
    """None if any alternative is met, else the finding furthest down the table."""
    missed = [finding for finding in findings if finding]
    if len(missed) < len(findings):
        return None
    return max(missed, key=lambda finding: _ORDER[finding.miss])


def _defect(expect: Calls | NoCall | AnyCall, made: _Made) -> Finding:
    wanted, first = f"expected {_wanted(expect)}, got a call that", made.defects[0]
    if made.cut_short:
        reason = f"{wanted} the token limit cut off (a larger max-new-tokens may let it end)"
        return Finding(Miss.TRUNCATED, reason)
    reason = f"{wanted} cannot be read: at character {first.offset}: {first.reason}"
    return Finding(Miss.MALFORMED_CALL, reason)


def _no_call(expect: NoCall, made: _Made) -> Finding | None:
    if made.calls:
        return Finding(Miss.UNEXPECTED_CALL, f"expected no call, got {calls_text(made.calls)}")
    return _text(expect, made)


def _text(expect: NoCall, made: _Made) -> Finding | None:
    problem = expect.says.problem(made.text) if expect.says else None
    return Finding(Miss.WRONG_TEXT, f"text: {problem}") if problem else None


def _calls(case: Case, expect: Calls, made: _Made) -> Finding | None:
    return (
        _tools(case, expect, made)
        or _arguments(case, expect, made)
        or _in_order(case, expect, made)
        or _retrieved(case, made)
        or _answered(case, made)
        or _exact(case, expect, made)
    )


def _wanted(expect: Calls | NoCall | AnyCall) -> str:
    if isinstance(expect, Calls):
        return cut(" and ".join(call.tool for call in expect.calls), 400)
    return "no call" if isinstance(expect, NoCall) else "a call"


def _tools(case: Case, expect: Calls, made: _Made) -> Finding | None:
    """The tools called against the expected ones, as multisets."""
    declared = {tool.name for tool in case.tools}
    unknown = [call.name for call in made.calls if call.name not in declared]
    if unknown:
        return Finding(Miss.UNKNOWN_TOOL, _undeclared(unknown[0], declared, _wanted(expect)))
    wanted = Counter(call.tool for call in expect.calls)
    got = Counter(call.name for call in made.calls)
    if got == wanted:
        return None
    names = cut(" and ".join(call.name for call in made.calls), 400)
    reason = f"expected {_wanted(expect)}, got {names}"
    if wanted < got:
        return Finding(Miss.EXTRA_CALL, reason)
    return Finding(Miss.MISSING_CALL if got < wanted else Miss.WRONG_TOOL, reason)


def _undeclared(name: str, declared: set[str], wanted: str) -> str:
    twin = next((other for other in sorted(declared) if look_alike(name[:80], other)), None)
    if twin is not None:
        hint = f"declared is {escaped(twin)}: {NORMAL_FORM}"
        return f"expected {wanted}, got '{escaped(name)}', which is not declared ({hint})"
    hint = nearest(name[:80], sorted(declared))
    reason = f"expected {wanted}, got {shown(name)}, which is not declared"
    return f"{reason} ({hint})" if hint else reason


def _arguments(case: Case, expect: Calls, made: _Made) -> Finding | None:
    if case.rules == "bfcl":
        return _bfcl_arguments(case, expect, made)
    tools = {tool.name: tool for tool in case.tools}
    for call in made.calls:
        problems = _invalid(case, expect, tools[call.name], call)
        if problems:
            return Finding(Miss.INVALID_ARGUMENTS, f"{call.name}: {'; '.join(problems)}")
    if case.compare == "tool":
        return None
    return _values(tools, expect.calls, made.calls)


def _invalid(case: Case, expect: Calls, tool: Tool, call: Call) -> list[str]:
    """What is wrong with a call by its tool's schema, less what is wrong with the gold likewise."""
    schema = tool_schema(tool)
    problems = schema.problems(call.arguments)
    if problems and (of_gold := gold_faults(expect, case.tools).get(tool.name)):
        every = schema.problems(call.arguments, MOST + len(of_gold))
        problems = [problem for problem in every if problem not in of_gold][:MOST]
    return problems


def _bfcl_arguments(case: Case, expect: Calls, made: _Made) -> Finding | None:
    wanted = expect.calls
    if case.compare == "tool":
        wanted = tuple(ExpectedCall(call.tool) for call in wanted)
    found = bfcl_rules.find_miss(wanted, made.calls, case.tools)
    if found is None:
        return None
    invalid = found.kind == "invalid_arguments"
    return Finding(Miss.INVALID_ARGUMENTS if invalid else Miss.WRONG_ARGUMENTS, found.reason)


def _values(
    tools: dict[str, Tool], expected: Sequence[ExpectedCall], calls: Sequence[Call]
) -> Finding | None:
    """The written values, under the assignment of calls to expectations with fewest problems."""
    for name in dict.fromkeys(call.tool for call in expected):
        wanted = [call for call in expected if call.tool == name]
        got = [call for call in calls if call.name == name]
        table = [[argument_problems(w, g, tools[name]) for g in got] for w in wanted]
        pairs = cheapest([[len(problems) for problems in row] for row in table])
        wrong = [problem for i, j in enumerate(pairs) for problem in table[i][j]]
        if wrong:
            return Finding(Miss.WRONG_ARGUMENTS, f"{name}: {cut('; '.join(wrong), 1000)}")
    return None


def _in_order(case: Case, expect: Calls, made: _Made) -> Finding | None:
    if not expect.ordered:
        return None
    for place, (wanted, got) in enumerate(zip(expect.calls, made.calls, strict=True), start=1):
        if wanted.tool != got.name:
            reason = f"call {place}: expected {wanted.tool}, got {call_text(got)}"
            return Finding(Miss.WRONG_ORDER, reason)
        alone = replace(made, calls=(got,))
        unlike = _arguments(case, Calls((wanted,)), alone)
        if unlike:
            return Finding(Miss.WRONG_ORDER, f"call {place}: {unlike.reason}")
    return None


def _retrieved(case: Case, made: _Made) -> Finding | None:
    reason = not_found(case.finds, made.found) if case.finds else None
    return Finding(Miss.NOT_FOUND, reason) if reason else None


def _answered(case: Case, made: _Made) -> Finding | None:
    if case.then is None:
        return None
    if made.answer is None:
        raise _NoAnswerError
    reason = wrong_answer(case.then, made.answer)
    return Finding(Miss.WRONG_ANSWER, reason) if reason else None


def _exact(case: Case, expect: Calls, made: _Made) -> Finding | None:
    """The blocks byte for byte against the gold blocks, in any order unless the order is strict."""
    if case.compare != "exact":
        return None
    gold, got = gold_blocks(case, expect), list(made.blocks)
    if gold is None:
        reason = f"{_wanted(expect)}: this alternative leaves values open, so no bytes are right"
        return Finding(Miss.NOT_EXACT, reason)
    unlike = _unlike(gold, got, expect.ordered)
    if unlike is None:
        return None
    place = next((n for n, (a, b) in enumerate(zip(*unlike, strict=False)) if a != b), None)
    place = min(map(len, unlike)) if place is None else place
    wanted, found = (shown(block[max(0, place - 20) : place + 40]) for block in unlike)
    return Finding(Miss.NOT_EXACT, f"at character {place}: expected {wanted}, got {found}")


def _unlike(gold: list[str], got: list[str], ordered: bool) -> tuple[str, str] | None:
    """A gold block that was not met, and a block that is in its place; None where all are met."""
    if ordered:
        return next(
            ((one, other) for one, other in zip(gold, got, strict=True) if one != other), None
        )
    missing, spare = Counter(gold) - Counter(got), Counter(got) - Counter(gold)
    return next(zip(missing, spare, strict=False), None)


def _tool_match(expect: Expectation, made: _Made) -> bool:
    if isinstance(expect, OneOf):
        return any(_tool_match(option, made) for option in expect.options)
    if isinstance(expect, NoCall):
        return made.clean and not made.calls
    first = made.calls[0].name if made.calls else None
    return bool(first) if isinstance(expect, AnyCall) else first == expect.calls[0].tool


def _schema_valid(case: Case, made: _Made) -> bool | None:
    """Whether every call made parses, is of a declared tool, and has valid arguments."""
    if not made.calls and made.clean:
        return None
    tools = {tool.name: tool for tool in case.tools}
    if not made.clean or any(call.name not in tools for call in made.calls):
        return False
    if case.rules == "bfcl":
        any_values = [ExpectedCall(call.name) for call in made.calls]
        return bfcl_rules.find_miss(any_values, made.calls, case.tools) is None
    return not any(tool_schema(tools[c.name]).problems(c.arguments) for c in made.calls)


def _note(case: Case, made: _Made) -> str | None:
    """Where BFCL's own rules decide against good sense; where a row's gold breaks its schema."""
    if case.rules != "bfcl":
        return broken_gold(case)
    if isinstance(case.expect, NoCall) and not made.clean:
        return "BFCL counts a call that does not parse as no call"
    if isinstance(case.expect, Calls) and made.clean:
        return bfcl_rules.quirk(case.expect.calls, made.calls, case.tools)
    return None
