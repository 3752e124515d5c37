"""Certificate policies. The policy graph must give the same results as the tree of RFC 5280, which this module implements, at a low cost."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from hypothesis import given, settings
from hypothesis import strategies as st

from imdskit.asn1.oids import ANY_POLICY
from imdskit.pki.path.policies import ANY, PolicyState
from imdskit.pki.x509.certificate import (
    AlgorithmIdentifier,
    Certificate,
    Name,
    PolicyConstraints,
    UnsupportedPublicKey,
)

NAMES = ("1.1", "1.2", "1.3")


def certificate(
    policies: Sequence[str] | None = None,
    mappings: Sequence[tuple[str, str]] = (),
    require: int | None = None,
    inhibit_mapping: int | None = None,
    inhibit_any: int | None = None,
    self_issued: bool = False,
) -> Certificate:
    return Certificate(
        der=b"",
        tbs=b"",
        serial=1,
        signature_algorithm=AlgorithmIdentifier("1.2", None, b""),
        signature=b"",
        issuer=Name(b"", (b"a",)),
        subject=Name(b"", (b"a",) if self_issued else (b"b",)),
        not_before=0,
        not_after=0,
        spki=b"",
        public_key=UnsupportedPublicKey("1.2", "none"),
        extensions=(),
        certificate_policies=None if policies is None else tuple(policies),
        policy_mappings=tuple(mappings) or None,
        policy_constraints=None if require is None and inhibit_mapping is None else PolicyConstraints(require, inhibit_mapping),
        inhibit_any_policy=inhibit_any,
    )


def graph_accepts(path: Sequence[Certificate], initial: frozenset[str], explicit: bool, inhibit_mapping: bool, inhibit_any: bool) -> bool:
    """Return True if the policy graph accepts ``path``, which begins with the authority below the anchor and ends with the signer."""
    state = PolicyState(len(path), initial, explicit, inhibit_mapping, inhibit_any)
    for one in path[:-1]:
        if state.process(one, last=False) is not None or state.map(one) is not None:
            return False
        state.descend(one)
        state.restrict(one)
    return state.process(path[-1], last=True) is None and state.wrap_up(path[-1]) is None


@dataclass(eq=False)
class Node:
    valid: str
    expected: set[str]
    children: list[Node] = field(default_factory=list)

    def at(self, depth: int) -> list[Node]:
        return [self] if depth == 0 else [node for child in self.children for node in child.at(depth - 1)]

    def prune(self, depth: int) -> None:
        """Remove the nodes without a descendant at ``depth``."""
        for child in self.children:
            child.prune(depth - 1)
        self.children = [child for child in self.children if child.at(depth - 1)]


def map_policy(root: Node, i: int, mapped: str, expected: set[str], allowed: bool) -> None:
    """Apply 6.1.4 (b) to one policy of the issuer's domain."""
    if allowed:
        nodes = [node for node in root.at(i) if node.valid == mapped]
        for node in nodes:
            node.expected = set(expected)
        for parent in () if nodes else root.at(i - 1):
            if any(child.valid == ANY_POLICY for child in parent.children):
                parent.children.append(Node(mapped, set(expected)))
    else:
        for parent in root.at(i - 1):
            parent.children = [child for child in parent.children if child.valid != mapped]


def tree_accepts(path: Sequence[Certificate], initial: frozenset[str], explicit: bool, inhibit_mapping: bool, inhibit_any: bool) -> bool:
    """Return True if the policy tree accepts ``path``. The code follows RFC 5280 sections 6.1.2 to 6.1.5 step by step."""
    n = len(path)
    root: Node | None = Node(ANY_POLICY, {ANY_POLICY})
    explicit_policy, policy_mapping, inhibit = (0 if flag else n + 1 for flag in (explicit, inhibit_mapping, inhibit_any))
    for i, one in enumerate(path, 1):
        policies = None if one.certificate_policies is None else set(one.certificate_policies)
        if policies is None:
            root = None  # 6.1.3 (e)
        elif root is not None:
            above = root.at(i - 1)
            for policy in policies - ANY:  # (d)(1)
                parents = [node for node in above if policy in node.expected]
                for node in parents or [node for node in above if node.valid == ANY_POLICY]:
                    node.children.append(Node(policy, {policy}))
            if ANY_POLICY in policies and (inhibit > 0 or (i < n and one.self_issued)):  # (d)(2)
                for node in above:
                    present = {child.valid for child in node.children}
                    node.children += [Node(policy, {policy}) for policy in node.expected - present]
            root.prune(i)  # (d)(3)
            root = root if root.at(i) else None
        if explicit_policy == 0 and root is None:  # (f)
            return False
        if i == n:
            break
        mappings = one.policy_mappings or ()
        if any(ANY_POLICY in mapping for mapping in mappings):  # 6.1.4 (a)
            return False
        if root is not None:  # (b)
            for mapped in {issuer for issuer, _ in mappings}:
                map_policy(root, i, mapped, {subject for issuer, subject in mappings if issuer == mapped}, policy_mapping > 0)
            root.prune(i)
            root = root if root.at(i) else None
        if not one.self_issued:  # (h)
            explicit_policy, policy_mapping, inhibit = (max(value - 1, 0) for value in (explicit_policy, policy_mapping, inhibit))
        if one.policy_constraints is not None:  # (i)
            if one.policy_constraints.require_explicit is not None:
                explicit_policy = min(explicit_policy, one.policy_constraints.require_explicit)
            if one.policy_constraints.inhibit_mapping is not None:
                policy_mapping = min(policy_mapping, one.policy_constraints.inhibit_mapping)
        if one.inhibit_any_policy is not None:  # (j)
            inhibit = min(inhibit, one.inhibit_any_policy)
    explicit_policy = max(explicit_policy - 1, 0)  # 6.1.5 (a), (b)
    last = path[-1].policy_constraints
    if last is not None and last.require_explicit == 0:
        explicit_policy = 0
    if root is not None and ANY_POLICY not in initial:  # (g)(iii)
        for depth in range(n):
            for node in root.at(depth):
                if node.valid == ANY_POLICY:
                    kept = [child for child in node.children if child.valid == ANY_POLICY or child.valid in initial]
                    if depth == n - 1 and any(child.valid == ANY_POLICY for child in kept):
                        present = {child.valid for child in kept}
                        kept = [child for child in kept if child.valid != ANY_POLICY]
                        kept += [Node(policy, {policy}) for policy in initial - present]
                    node.children = kept
        root.prune(n)
        root = root if root.at(n) else None
    return explicit_policy > 0 or root is not None


POLICY = st.sampled_from((*NAMES, ANY_POLICY))
CERTIFICATES = st.builds(
    certificate,
    policies=st.none() | st.lists(POLICY, min_size=1, max_size=4, unique=True),
    mappings=st.lists(st.tuples(st.sampled_from(NAMES), st.sampled_from(NAMES)), max_size=3),
    require=st.none() | st.integers(0, 3),
    inhibit_mapping=st.none() | st.integers(0, 3),
    inhibit_any=st.none() | st.integers(0, 3),
    self_issued=st.booleans(),
)


@settings(max_examples=1000, deadline=None)
@given(
    path=st.lists(CERTIFICATES, min_size=1, max_size=5),
    initial=st.just(ANY) | st.frozensets(st.sampled_from(NAMES), min_size=1, max_size=2),
    explicit=st.booleans(),
    inhibit_mapping=st.booleans(),
    inhibit_any=st.booleans(),
)
def test_graph_gives_the_same_result_as_the_tree_of_the_rfc(
    path: list[Certificate], initial: frozenset[str], explicit: bool, inhibit_mapping: bool, inhibit_any: bool
) -> None:
    flags = (initial, explicit, inhibit_mapping, inhibit_any)
    assert graph_accepts(path, *flags) == tree_accepts(path, *flags)


def test_no_policy_is_needed_unless_required() -> None:
    assert graph_accepts([certificate(), certificate()], frozenset({"1.1"}), False, False, False)


def test_required_policy_must_be_in_every_certificate() -> None:
    for path, good in (
        ([certificate(["1.1"]), certificate(["1.1", "1.2"])], True),
        ([certificate(["1.1"]), certificate(["1.2"])], False),
        ([certificate([ANY_POLICY]), certificate(["1.2"])], True),
        ([certificate(["1.1"]), certificate([ANY_POLICY])], True),
        ([certificate(["1.1"], require=0), certificate()], False),
    ):
        assert graph_accepts(path, ANY, True, False, False) == good


def test_mapped_policy_is_expected_under_its_new_name() -> None:
    path = [certificate(["1.1"], [("1.1", "1.2")]), certificate(["1.2"])]
    assert graph_accepts(path, frozenset({"1.1"}), True, False, False)
    assert not graph_accepts(path, frozenset({"1.2"}), True, False, False)
    assert not graph_accepts(path, frozenset({"1.1"}), True, True, False)


def test_any_policy_must_not_be_mapped() -> None:
    assert not graph_accepts([certificate(["1.1"], [("1.1", ANY_POLICY)]), certificate(["1.1"])], ANY, False, False, False)


def test_cost_does_not_grow_with_the_number_of_paths_in_the_policy_tree() -> None:
    """CVE-2023-0464: mapping every policy to every other one doubles the tree at each depth."""
    names = [f"1.{i}" for i in range(30)]
    mesh = certificate(names, [(one, other) for one in names for other in names])
    started = time.process_time()
    assert graph_accepts([mesh] * 60 + [certificate(["1.29"])], frozenset({"1.0"}), True, False, False)
    assert time.process_time() - started < 1.0
