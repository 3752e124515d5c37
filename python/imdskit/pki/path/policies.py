"""Processing of certificate policies (RFC 5280 sections 6.1.2 to 6.1.5), as far as they can make a
path invalid.

The policy tree of RFC 5280 can grow exponentially (CVE-2023-0464). This module therefore uses the
policy graph of RFC 9618, which has only one node for each policy and depth. Only the nodes at the
current depth are stored. They are enough, because the result depends on two facts only: whether a
node is left at the end, and whether such a node descends from a policy that the caller accepts.

Comments such as "(d)(1)" are the names of steps in RFC 5280 sections 6.1.3 to 6.1.5.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from imdskit.asn1.oids import ANY_POLICY
from imdskit.pki.x509.certificate import Certificate

ANY = frozenset({ANY_POLICY})


@dataclass(slots=True)
class Node:
    """Policy at the current depth of the graph.

    Attributes:
        expected: the expected_policy_set: the policies that the next certificate on the path may
            assert.
        accepted: True if the node descends from a policy in the user-initial-policy-set, or from
            anyPolicy only.
    """

    expected: frozenset[str]
    accepted: bool


@dataclass(slots=True)
class PolicyState:
    """The policy variables of section 6.1.2.

    The caller calls the methods for each certificate, from the anchor to the signer. If a method
    finds that the path is invalid, it returns a text that says why. Otherwise it returns None.

    Args:
        length: number of certificates on the path, not counting the anchor.
        initial: the user-initial-policy-set (section 6.1.1).
        explicit: the flag initial-explicit-policy (section 6.1.1).
        inhibit_mapping: the flag initial-policy-mapping-inhibit (section 6.1.1).
        inhibit_any: the flag initial-any-policy-inhibit (section 6.1.1).
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
        # 6.1.2 (a), (d), (e) and (f)
        never = self.length + 1
        self.explicit_policy = 0 if self.explicit else never
        self.policy_mapping = 0 if self.inhibit_mapping else never
        self.inhibit_any_policy = 0 if self.inhibit_any else never
        self.graph = {ANY_POLICY: Node(ANY, True)}

    def process(self, certificate: Certificate, *, last: bool) -> str | None:
        """Apply 6.1.3 (d) to (f) to a certificate. ``last`` is True for the signer's
        certificate."""
        if certificate.certificate_policies is None:
            self.graph = {}  # (e)
        elif self.graph:
            self.graph = self._next_depth(certificate, last=last)  # (d)
        return None if self.explicit_policy > 0 or self.graph else "an explicit policy is required, but the path has no valid policy"  # (f)

    def _next_depth(self, certificate: Certificate, *, last: bool) -> dict[str, Node]:
        policies = set(certificate.certificate_policies or ())
        wildcard = self.graph.get(ANY_POLICY)
        # The keys are the policies that this certificate may assert. The value is True if at least
        # one parent node of the policy is accepted.
        above: dict[str, bool] = {}
        for node in self.graph.values():
            for policy in node.expected:
                above[policy] = above.get(policy, False) or node.accepted
        level: dict[str, Node] = {}
        for policy in policies - ANY:
            if policy in above:  # (d)(1)(i)
                level[policy] = Node(frozenset({policy}), above[policy])
            elif wildcard is not None:  # (d)(1)(ii)
                level[policy] = Node(frozenset({policy}), self._is_initial(policy))
        if ANY_POLICY in policies and (self.inhibit_any_policy > 0 or (not last and certificate.self_issued)):  # (d)(2)
            for policy, accepted in above.items():
                if policy not in level:
                    level[policy] = Node(frozenset({policy}), accepted)
        return level

    def _is_initial(self, policy: str) -> bool:
        return policy in self.initial or ANY_POLICY in self.initial

    def map(self, certificate: Certificate) -> str | None:
        """Apply 6.1.4 (a) and (b) to any certificate except the signer's."""
        mappings = certificate.policy_mappings or ()
        if any(ANY_POLICY in mapping for mapping in mappings):
            return "anyPolicy is mapped"  # (a)
        below: dict[str, set[str]] = {}
        for issuer_domain_policy, subject_domain_policy in mappings:
            below.setdefault(issuer_domain_policy, set()).add(subject_domain_policy)
        for policy, expected in below.items():
            if self.policy_mapping == 0:
                self.graph.pop(policy, None)  # (b)(2)
            elif policy in self.graph:
                self.graph[policy].expected = frozenset(expected)  # (b)(1)
            elif ANY_POLICY in self.graph:
                self.graph[policy] = Node(frozenset(expected), self._is_initial(policy))
        return None

    def descend(self, certificate: Certificate) -> None:
        """Apply 6.1.4 (h) to an intermediate."""
        if not certificate.self_issued:
            self.explicit_policy = max(self.explicit_policy - 1, 0)
            self.policy_mapping = max(self.policy_mapping - 1, 0)
            self.inhibit_any_policy = max(self.inhibit_any_policy - 1, 0)

    def restrict(self, certificate: Certificate) -> None:
        """Apply 6.1.4 (i) and (j) to an intermediate, or RFC 5937 section 3.2 to an anchor."""
        constraints = certificate.policy_constraints
        if constraints is not None and constraints.require_explicit is not None:
            self.explicit_policy = min(self.explicit_policy, constraints.require_explicit)
        if constraints is not None and constraints.inhibit_mapping is not None:
            self.policy_mapping = min(self.policy_mapping, constraints.inhibit_mapping)
        if certificate.inhibit_any_policy is not None:
            self.inhibit_any_policy = min(self.inhibit_any_policy, certificate.inhibit_any_policy)

    def wrap_up(self, certificate: Certificate) -> str | None:
        """Apply 6.1.5 (a), (b) and (g) to the last certificate, which is the signer's."""
        self.explicit_policy = max(self.explicit_policy - 1, 0)
        constraints = certificate.policy_constraints
        if constraints is not None and constraints.require_explicit == 0:
            self.explicit_policy = 0
        if self.explicit_policy > 0 or any(node.accepted for node in self.graph.values()):
            return None
        return "an explicit policy is required, but the path has no policy that the caller accepts"
