"""Certificate policies (RFC 5280 sections 6.1.3 (d) to (f), 6.1.4 (a), (b), (h) to (j) and 6.1.5), as far as they can forbid a path.

The tree of RFC 5280 can grow exponentially; this is the graph of RFC 9618, one node for each policy and depth. For each node is kept from which policies
of the anchor's domain it descends, which is all that the final intersection needs.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from imdskit.asn1.oids import ANY_POLICY
from imdskit.backends.python.certificate import Certificate

ANY = frozenset({ANY_POLICY})


@dataclass(slots=True)
class Node:
    """A policy at one depth: the policies that are expected below it, and the policies of the anchor's domain above it."""

    expected: frozenset[str]
    roots: frozenset[str]


@dataclass(slots=True)
class PolicyState:
    """The policy variables of RFC 5280 section 6.1.2, for a path of ``length`` certificates without the anchor.

    Args of the caller (section 6.1.1): ``initial`` is the user-initial-policy-set; ``explicit``, ``inhibit_mapping`` and ``inhibit_any`` are the three flags.
    """

    length: int
    initial: frozenset[str] = ANY
    explicit: bool = False
    inhibit_mapping: bool = False
    inhibit_any: bool = False
    explicit_policy: int = field(init=False)
    policy_mapping: int = field(init=False)
    inhibit_any_policy: int = field(init=False)
    graph: dict[str, Node] = field(init=False)

    def __post_init__(self) -> None:
        after = self.length + 1
        self.explicit_policy = 0 if self.explicit else after
        self.policy_mapping = 0 if self.inhibit_mapping else after
        self.inhibit_any_policy = 0 if self.inhibit_any else after
        self.graph = {ANY_POLICY: Node(ANY, ANY)}

    def process(self, certificate: Certificate, *, last: bool) -> str | None:
        """Section 6.1.3 (d) to (f). What is wrong, or None."""
        if certificate.certificate_policies is None:
            self.graph = {}
        elif self.graph:
            self.graph = self._next_depth(certificate, last=last)
        return None if self.explicit_policy > 0 or self.graph else "an explicit policy is required, and none is left"

    def _next_depth(self, certificate: Certificate, *, last: bool) -> dict[str, Node]:
        above = self.graph
        policies = {information.policy for information in certificate.certificate_policies or ()}
        level: dict[str, Node] = {}
        for policy in policies - ANY:  # (d)(1)
            roots: frozenset[str] = frozenset().union(
                *(node.roots for name, node in above.items() if policy in node.expected and name != ANY_POLICY)
            )
            if not roots and ANY_POLICY in above:
                roots = frozenset({policy})
            if roots:
                level[policy] = Node(frozenset({policy}), roots)
        if ANY_POLICY in policies and (self.inhibit_any_policy > 0 or (not last and certificate.self_issued)):  # (d)(2)
            for node in above.values():
                for policy in node.expected - level.keys():
                    level[policy] = Node(
                        frozenset({policy}), frozenset().union(*(other.roots for other in above.values() if policy in other.expected))
                    )
        return level

    def prepare(self, certificate: Certificate) -> str | None:
        """Section 6.1.4 (a), (b), (h) to (j), for every certificate but the last. What is wrong, or None."""
        if certificate.policy_mappings:
            if any(ANY_POLICY in mapping for mapping in certificate.policy_mappings):
                return "anyPolicy is mapped"
            self._map(certificate.policy_mappings)
        if not certificate.self_issued:
            self.explicit_policy = max(self.explicit_policy - 1, 0)
            self.policy_mapping = max(self.policy_mapping - 1, 0)
            self.inhibit_any_policy = max(self.inhibit_any_policy - 1, 0)
        if certificate.policy_constraints is not None:
            if certificate.policy_constraints.require_explicit is not None:
                self.explicit_policy = min(self.explicit_policy, certificate.policy_constraints.require_explicit)
            if certificate.policy_constraints.inhibit_mapping is not None:
                self.policy_mapping = min(self.policy_mapping, certificate.policy_constraints.inhibit_mapping)
        if certificate.inhibit_any_policy is not None:
            self.inhibit_any_policy = min(self.inhibit_any_policy, certificate.inhibit_any_policy)
        return None

    def _map(self, mappings: tuple[tuple[str, str], ...]) -> None:
        below: dict[str, set[str]] = {}
        for issuer_policy, subject_policy in mappings:
            below.setdefault(issuer_policy, set()).add(subject_policy)
        for policy, expected in below.items():
            if self.policy_mapping == 0:
                self.graph.pop(policy, None)
            elif policy in self.graph:
                self.graph[policy].expected = frozenset(expected)
            elif ANY_POLICY in self.graph:
                self.graph[policy] = Node(frozenset(expected), frozenset({policy}))

    def wrap_up(self, certificate: Certificate) -> str | None:
        """Section 6.1.5 (a), (b) and (g), for the last certificate. What is wrong, or None."""
        self.explicit_policy = max(self.explicit_policy - 1, 0)
        constraints = certificate.policy_constraints
        if constraints is not None and constraints.require_explicit == 0:
            self.explicit_policy = 0
        if self.explicit_policy > 0:
            return None
        if ANY_POLICY in self.initial:
            acceptable = bool(self.graph)
        else:
            acceptable = any(policy == ANY_POLICY or node.roots & self.initial for policy, node in self.graph.items())
        return None if acceptable else "an explicit policy is required, and the path has none that is accepted"
