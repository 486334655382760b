"""Two tree searches in plain Python, as one would write them: what the compiled ones are beside.

Nodes are objects in lists; nothing is cached that the published descriptions do not cache.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from dataclasses import dataclass, field

# Prior of an arm's mean and variance (AB-MCTS-A).
KAPPA, NU, TAU_SQUARED = 1.0, 1.0, 0.1


@dataclass
class Node:
    """A candidate; `score` is None if it failed."""

    parent: Node | None
    score: float | None = None
    repairs: int = 0
    children: list[Node] = field(default_factory=list)
    below: list[float] = field(default_factory=lambda: [0, 0.0, 0.0])
    """Number, sum and sum of squares of the scores of all descendants."""


class Aide:
    """AIDE's rule, with its journal scanned at every step."""

    def __init__(self, rng: random.Random, drafts=5, debug_probability=0.5, max_debug_depth=3):
        self.rng, self.drafts = rng, drafts
        self.debug_probability, self.max_debug_depth = debug_probability, max_debug_depth
        self.nodes: list[Node] = []

    def ask(self) -> Node | None:
        """The node to expand; None for a draft."""
        if sum(node.parent is None for node in self.nodes) < self.drafts:
            return None
        broken = [
            node
            for node in self.nodes
            if node.score is None and not node.children and node.repairs <= self.max_debug_depth
        ]
        if broken and self.rng.random() < self.debug_probability:
            return self.rng.choice(broken)
        good = [node for node in self.nodes if node.score is not None]
        return max(good, key=lambda node: node.score or 0.0) if good else None

    def tell(self, parent: Node | None, score: float | None) -> Node:
        """Append the candidate."""
        repairs = parent.repairs + 1 if parent and parent.score is None else 0
        node = Node(parent, score, repairs)
        if parent:
            parent.children.append(node)
        self.nodes.append(node)
        return node


class AbMcts:
    """AB-MCTS-A's rule with running sums; scores are in [0, 1] and nothing fails."""

    def __init__(self, rng: random.Random):
        self.rng, self.root = rng, Node(None)
        self.nodes: list[Node] = []

    def ask(self) -> Node | None:
        """The node to generate from; None for a draft."""
        node = self.root
        while node.children:
            scores = [child.score or 0.0 for child in node.children]
            new = len(scores), sum(scores), sum(score * score for score in scores)
            deeper = [sum(parts) for parts in zip(*(c.below for c in node.children), strict=True)]
            if self._draw(*new) >= self._draw(*deeper):
                break
            node = max(node.children, key=lambda child: self._draw(*child.below))
        return None if node is self.root else node

    def tell(self, parent: Node | None, score: float | None) -> Node:
        """Append the candidate and back its score up."""
        score = score or 0.0
        node = Node(parent or self.root, score)
        assert node.parent is not None
        node.parent.children.append(node)
        self.nodes.append(node)
        above: Node | None = node.parent
        while above:
            n, total, squares = above.below
            above.below = [n + 1, total + score, squares + score * score]
            above = above.parent
        return node

    def _draw(self, n: float, total: float, squares: float) -> float:
        mean = total / (KAPPA + n)
        average = total / n if n else 0.0
        spread = max(squares - n * average**2, 0.0) + n * KAPPA * average**2 / (KAPPA + n)
        nu = NU + n
        variance = (NU * TAU_SQUARED + spread) / self.rng.gammavariate(nu / 2, 2.0)
        return self.rng.gauss(mean, math.sqrt(variance / (KAPPA + n)))


SEARCHES: dict[str, Callable[[random.Random], Aide | AbMcts]] = {
    "aide": Aide,
    "ab_mcts_a": AbMcts,
}


def grown(name: str, parents: list[int], scores: list[float]) -> Aide | AbMcts:
    """A search that has seen this tree: parents by number, -1 for a draft."""
    search = SEARCHES[name](random.Random(0))
    for parent, score in zip(parents, scores, strict=True):
        search.tell(None if parent < 0 else search.nodes[parent], score)
    return search


def run(name: str, steps: int, dim: int, seed: int) -> float:
    """A whole simulated run on the sphere with undirected moves; the loss of its best candidate.

    The scores of `AbMcts` are the losses mapped to [0, 1], `exp(-loss)`, as it asks of its user.
    """
    import numpy as np

    rng, search = np.random.default_rng(seed), SEARCHES[name](random.Random(seed))
    points: dict[int, np.ndarray] = {}
    best = math.inf
    for _ in range(steps):
        parent = search.ask()
        move = rng.standard_normal(dim)
        if parent is None:
            point = move * math.sqrt(2.0) / np.linalg.norm(move)
        else:
            base = points[id(parent)]
            point = base + move * (np.linalg.norm(base) / dim)
        loss = 0.5 * float(point @ point)
        best = min(best, loss)
        node = search.tell(parent, math.exp(-loss))
        points[id(node)] = point
    return best
