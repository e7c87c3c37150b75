"""Break the product on purpose, one safety rule at a time, and see which test notices.

First all named tests run on the product as it is, where they must pass. Then every mutation is judged alone. A rule
whose break nothing notices is not tested.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import time
from collections.abc import Iterable, Sequence
from multiprocessing.connection import wait

from tests import turns
from tests.mutations.bench import Bench, Task, preload
from tests.mutations.catalogue import everything, of_rules, quick
from tests.mutations.judging import Verdict
from tests.mutations.mutation import Mutation

# How much of what pytest wrote is shown of a run that cannot count.
_TAIL_LINES = 40


class Finding:
    """A mutation, or with None a part of the product as it is, and what became of it."""

    def __init__(self, task: Task, verdict: Verdict, output: str, seconds: float) -> None:
        self.task, self.verdict, self.output, self.seconds = task, verdict, output, seconds


def main(arguments: Sequence[str] | None = None) -> int:
    """The exit status: 0 when every break was noticed, 1 when one was not, 130 when it was broken off."""
    options = _options(arguments)
    mutations = of_rules(quick(everything()) if options.quick else everything(), options.rule)
    mutations = turns.of_this_commit(mutations)
    if options.list:
        for one in mutations:
            print(f"{'+'.join(one.rules):10} {one.what} ({one.file})")
        return 0
    if not mutations:
        print("No mutation is of such a rule.", file=sys.stderr)
        return 1
    preload()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    benches: list[Bench] = []
    try:
        for _ in range(max(1, options.jobs)):
            benches.append(Bench(benches))
        if not (options.after_tests or _passes(mutations, benches, quiet=options.quiet)):
            return 1
        return _check(mutations, benches, quiet=options.quiet)
    except KeyboardInterrupt:
        return 130
    finally:
        for one in benches:
            one.close()


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.mutations", description=__doc__)
    parser.add_argument("--rule", action="append", default=[], metavar="R9", help="only the mutations of this rule")
    parser.add_argument("--quick", action="store_true", help="leave out those that take long to judge")
    parser.add_argument("--after-tests", action="store_true", help="the product as it is has just passed all tests")
    parser.add_argument("--list", action="store_true", help="list the mutations and do nothing")
    parser.add_argument("--quiet", action="store_true", help="show only what was not noticed, and the count")
    cores = len(os.sched_getaffinity(0))
    parser.add_argument("-j", "--jobs", type=int, default=cores, metavar="N", help=f"at once; {cores} here")
    return parser.parse_args(arguments)


def _passes(mutations: Sequence[Mutation], benches: Sequence[Bench], *, quiet: bool) -> bool:
    """Whether all named tests pass on the product as it is."""
    began = time.monotonic()
    # Whole files, so that what a file's tests share is made once.
    files: dict[str, list[str]] = {}
    for test in dict.fromkeys(test for one in mutations for test in one.tests):
        files.setdefault(test.partition("::")[0], []).append(test)
    whole = [Task(number, None, tuple(tests)) for number, tests in enumerate(files.values())]
    # A busy machine may make a test miss its time; none does twice.
    again = [one.task for one in _failing(whole, benches)]
    bad = _failing(again, benches)
    for one in bad:
        print(f"\nOn the product as it is, {one.verdict.by} does not pass:\n{_tail(one.output)}", file=sys.stderr)
    if not bad and not quiet:
        passed_s = time.monotonic() - began
        print(f"{len(files)} files of tests pass on the product as it is ({passed_s:.0f} s).", flush=True)
    return not bad


def _check(mutations: Sequence[Mutation], benches: Sequence[Bench], *, quiet: bool) -> int:
    """Judge every mutation; the exit status."""
    began = time.monotonic()
    findings: list[Finding] = []
    for finding in _done([Task(number, one, one.tests) for number, one in enumerate(mutations)], benches):
        findings.append(finding)
        if not quiet:
            print(_row(finding), flush=True)
    return _conclude(findings, time.monotonic() - began)


def _failing(tasks: Sequence[Task], benches: Sequence[Bench]) -> list[Finding]:
    return [one for one in _done(tasks, benches) if one.verdict.word not in ("unnoticed", "skipped")]


def _conclude(findings: Sequence[Finding], seconds: float) -> int:
    """Say at the end what was not noticed."""
    failed = [one for one in findings if one.verdict.word in ("unnoticed", "unfair")]
    skipped = [one for one in findings if one.verdict.word == "skipped"]
    for one in failed:
        said = f"\n{_tail(one.output)}" if one.verdict.word == "unfair" else ""
        print(f"\n{_row(one)}{said}")
    noticed = len(findings) - len(failed) - len(skipped)
    print(f"\n{noticed} of {len(findings)} breaks noticed in {seconds:.0f} s.", end="")
    print(f" {len(skipped)} could not be judged here: their tests were skipped." if skipped else "")
    return 1 if failed else 0


def _done(tasks: Sequence[Task], benches: Sequence[Bench]) -> Iterable[Finding]:
    """Spread tasks over the benches; findings come as they are made."""
    waiting = list(reversed(tasks))
    began: dict[int, float] = {}
    while waiting or any(one.task for one in benches):
        for one in benches:
            if one.task is None and waiting:
                task = waiting.pop()
                began[task.number] = time.monotonic()
                one.give(task)
        busy = {bench.line: bench for bench in benches if bench.task}
        for line in wait(list(busy)):
            task, verdict, output = busy[line].take()
            yield Finding(task, verdict, output, time.monotonic() - began[task.number])


def _row(finding: Finding) -> str:
    one, verdict = finding.task.mutation, finding.verdict
    if one is None:
        raise AssertionError("bug: the product as it is has no row")
    by = verdict.by if verdict.word == "noticed" else f"{verdict.word.upper()} {verdict.by}"
    return f"{'+'.join(one.rules):10} {finding.seconds:5.1f} s  {one.what}\n{'':20}{by.strip()}"


def _tail(output: str) -> str:
    return "\n".join(output.splitlines()[-_TAIL_LINES:])
