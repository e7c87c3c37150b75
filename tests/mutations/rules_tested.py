"""Rule R42, broken: the check that every rule is tested."""

from __future__ import annotations

from tests.mutations.mutation import Mutation

NOTICED_BY = ("tests/test_mutations.py::test_r42_a_rule_that_lacks_either_is_found",)

MUTATIONS = [
    Mutation(
        ("R42",),
        "a rule without a mutation counts as tested",
        "tests/rules.py",
        "if rule not in tested or rule not in broken}",
        "if rule not in tested}",
        NOTICED_BY,
    ),
    Mutation(
        ("R42",),
        "a rule without a test counts as tested",
        "tests/rules.py",
        "if rule not in tested or rule not in broken}",
        "if rule not in broken}",
        NOTICED_BY,
    ),
    Mutation(
        ("R42",),
        "a test that mentions a rule in passing is named after it",
        "tests/rules.py",
        "if cited := _CITING.match(test):",
        'if cited := re.search(r"(r\\d+)", test):',
        NOTICED_BY,
    ),
]
