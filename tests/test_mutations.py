"""Rule R42: every safety rule has a test that breaks it. The breaking itself is done by ``python -m tests.mutations``;
here is checked that its list still fits the product, and leaves out no rule."""

from __future__ import annotations

import ast
import re
from collections import Counter

import pytest

from tests import rules
from tests.mutations.catalogue import TOP, DoesNotApply, broken, everything, of_rules, quick
from tests.mutations.judging import Witness
from tests.mutations.mutation import Mutation

MUTATIONS = everything()


def test_every_mutation_applies_and_leaves_python_behind() -> None:
    for one in MUTATIONS:
        compile(broken(one, (TOP / one.file).read_text(encoding="utf-8")), one.file, "exec")


def test_the_tests_that_must_notice_a_mutation_exist() -> None:
    lacking = [(one.what, test) for one in MUTATIONS for test in one.tests if not _exists(test)]
    assert lacking == []
    assert [one.what for one in MUTATIONS if not one.tests] == []


def test_every_mutation_is_about_rules_that_there_are() -> None:
    assert {rule for one in MUTATIONS for rule in one.rules} <= rules.rules().keys()
    assert [one.what for one in MUTATIONS if not one.rules] == []


def test_no_two_mutations_are_the_same() -> None:
    said = Counter((one.file, one.old, one.new) for one in MUTATIONS)
    assert [key for key, count in said.items() if count > 1] == []
    names = Counter((one.rules, one.what) for one in MUTATIONS)
    assert [key for key, count in names.items() if count > 1] == []


def test_r42_every_rule_has_a_test_and_a_mutation() -> None:
    assert rules.untested(rules.rules(), rules.test_names(), MUTATIONS) == set()


def test_r42_every_rule_is_broken_in_the_quick_run_too() -> None:
    """The one that ``make test`` makes."""
    assert rules.untested(rules.rules(), rules.test_names(), quick(MUTATIONS)) == set()


def test_r42_a_rule_that_lacks_either_is_found() -> None:
    mutation = MUTATIONS[0]._replace(rules=("R1", "R3"))
    names = {"tests/test_a.py": ["test_r1_is_tested", "test_r2_too", "test_r3", "test_of_r3_in_passing"]}
    assert rules.untested(["R1", "R2", "R3", "R4"], names, [mutation]) == {"R2", "R3", "R4"}


def test_the_rules_are_numbered_without_holes_and_have_titles() -> None:
    found = rules.rules()
    assert list(found) == [f"R{number}" for number in range(1, 43)]
    assert len(set(found.values())) == len(found)


def test_the_document_names_modules_and_tests_as_they_are() -> None:
    text = rules.DOCUMENT.read_text(encoding="utf-8")
    assert rules.document(text, rules.test_names(), MUTATIONS).rstrip() == text.rstrip(), "run: python -m tests.rules"


def test_the_document_says_of_each_rule_what_it_means() -> None:
    text = rules.DOCUMENT.read_text(encoding="utf-8")
    sections = re.split(r'^### <a id="r\d+"></a>.*$', text, flags=re.MULTILINE)[1:]
    for section in sections:
        prose = section.partition(rules.HELD_BY)[0]
        assert 1 <= len(re.findall(r"[.](?:\s|$)", prose)) <= 4, prose


def test_what_does_not_apply_any_more_is_refused() -> None:
    mutation = Mutation(("R1",), "x", "x.py", "old", "new", ("t",))
    assert broken(mutation, "an old thing") == "an new thing"
    for text in ("nothing", "old and old"):
        with pytest.raises(DoesNotApply):
            broken(mutation, text)
    with pytest.raises(DoesNotApply):
        broken(mutation._replace(new="old"), "an old thing")


def test_mutations_are_chosen_by_rule() -> None:
    assert of_rules(MUTATIONS, []) == MUTATIONS
    chosen = of_rules(MUTATIONS, ["r3"])
    assert chosen
    assert all("R3" in one.rules for one in chosen)


class TestVerdicts:
    """What counts as noticed, on reports as pytest makes them."""

    def report(self, when: str, outcome: str, longrepr: object = None) -> pytest.TestReport:
        return pytest.TestReport("t.py::t", ("t.py", 1, "t"), {}, outcome, longrepr, when)  # type: ignore[arg-type]

    def crash(self, path: str, message: str) -> object:
        class Crash:
            reprcrash = type("ReprCrash", (), {"path": path, "message": message})

        return Crash()

    def word(self, *reports: pytest.TestReport, code: int = 1) -> str:
        witness = Witness()
        for one in reports:
            witness.pytest_runtest_logreport(one)
        return witness.verdict(code).word

    def test_a_test_that_fails_has_noticed(self) -> None:
        assert self.word(self.report("call", "failed", self.crash("/x/tests/t.py", "AssertionError: a"))) == "noticed"

    def test_a_test_that_passes_has_not(self) -> None:
        assert self.word(self.report("call", "passed"), code=0) == "unnoticed"

    def test_a_fixture_that_falls_over_proves_nothing(self) -> None:
        assert self.word(self.report("setup", "failed", self.crash("/x/tests/t.py", "AssertionError"))) == "unfair"

    def test_product_code_that_stumbles_proves_nothing(self) -> None:
        stumbled = self.crash("/x/agent/volume.py", "NameError: name 'x' is not defined")
        assert self.word(self.report("call", "failed", stumbled)) == "unfair"
        meant = self.crash("/x/agent/volume.py", "OSError: [Errno 5]")
        assert self.word(self.report("call", "failed", meant)) == "noticed"

    def test_a_run_that_broke_off_proves_nothing(self) -> None:
        failed = self.report("call", "failed", self.crash("/x/tests/t.py", "AssertionError"))
        assert self.word(failed, code=3) == "unfair"

    def test_a_test_that_was_skipped_has_not_looked(self) -> None:
        assert self.word(self.report("setup", "skipped"), code=0) == "skipped"


def _exists(test: str) -> bool:
    """Whether an argument of pytest names a file, or a class or function in it."""
    file, _, inside = test.partition("::")
    path = TOP / file
    if not path.is_file():
        return False
    node: ast.AST | None = ast.parse(path.read_text(encoding="utf-8"))
    for name in inside.partition("[")[0].split("::") if inside else ():
        node = next((one for one in getattr(node, "body", ()) if getattr(one, "name", None) == name), None)
    return node is not None
