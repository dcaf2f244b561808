"""Finds the entries of a mask on a path from an input to an output of a network's graph. Pure functions on arrays.

Activation functions pass everything on, positions and biases are not inputs, and the mean and deviation of a norm count
as constants. If units multiply, one that is always zero blocks the others: an LSTM's unit without a candidate, a value
that is never computed, a query whose key is empty.
"""

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from lth_core.analysis.network_graphs import Edge, Graph, Shapes

Bools = npt.NDArray[np.bool_]
Masks = Mapping[str, Bools]


def living_paths(graph: Graph, mask: Masks, shapes: Shapes) -> tuple[dict[str, Bools], dict[str, Bools]]:
    """The entries of each parameter that are on a path, and the units on a path of each counted node.

    Parameters without a mask are alive. A bias's entry counts if it can change an output.
    """

    def alive(name: str) -> Bools:
        return mask[name] if name in mask else np.ones(tuple(shapes[name]), bool)

    found = {name: alive(name) for name in shapes}
    open_ = _open(graph, graph.empty | graph.idle, _nonzero(graph, found))
    first, last = (
        {node: np.full(size, node in ends, bool) for node, size in graph.nodes.items()}
        for ends in (graph.inputs, graph.outputs)
    )
    forward = _closure(graph, found, open_, first, backward=False)
    backward = _closure(graph, found, open_, last, backward=True)
    entries = {name: np.zeros(tuple(shape), bool) for name, shape in shapes.items()}
    for edge in graph.edges:
        if edge.parameter is not None:
            rows = slice(*edge.rows) if edge.rows else slice(None)
            entries[edge.parameter][rows] |= _on_path(edge, found[edge.parameter][rows], forward, backward)
    for name, node, part in graph.biases:
        rows = slice(*part) if part else slice(None)
        entries[name][rows] |= found[name][rows] & backward[node]
    return entries, {node: forward[node] & backward[node] for node in graph.units}


def _nonzero(graph: Graph, found: Mapping[str, Bools]) -> dict[str, Bools]:
    """Units that can be nonzero: reached from an input or a bias, through no blocked unit."""
    roots = {node: np.zeros(size, bool) for node, size in graph.nodes.items()}
    for node in graph.inputs:
        roots[node][:] = True
    for name, node, part in graph.biases:
        roots[node] |= found[name][slice(*part) if part else slice(None)]
    reached = {node: np.zeros(size, bool) for node, size in graph.nodes.items()}
    while True:
        open_ = _open(graph, graph.empty, reached)
        wider = _closure(graph, found, open_, roots, backward=False)
        if all((wider[node] == reached[node]).all() for node in reached):
            return reached
        reached = wider


def _open(graph: Graph, closed: Mapping[str, str], nonzero: Mapping[str, Bools]) -> dict[str, Bools]:
    """Units that are not blocked: their factors are nonzero."""
    return {
        node: nonzero[closed[node]] if node in closed else np.ones(size, bool) for node, size in graph.nodes.items()
    }


def _closure(
    graph: Graph, found: Mapping[str, Bools], open_: Mapping[str, Bools], roots: Mapping[str, Bools], *, backward: bool
) -> dict[str, Bools]:
    """Units reachable from the roots, against the edges if backward; repeats until nothing is new."""
    reached = {node: root & open_[node] for node, root in roots.items()}
    edges = list(reversed(graph.edges)) if backward else graph.edges
    new = True
    while new:
        new = False
        for edge in edges:
            start, end = (edge.target, edge.source) if backward else (edge.source, edge.target)
            more = _passed(edge, found, reached[start], backward=backward) & open_[end] & ~reached[end]
            if more.any():
                reached[end] = reached[end] | more
                new = True
    return reached


def _passed(edge: Edge, found: Mapping[str, Bools], reached: Bools, *, backward: bool) -> Bools:
    """Units at the other end of an edge, given those at this one."""
    if edge.kind == "heads":
        return np.repeat(_any(reached.reshape(-1, edge.size), 1), edge.size)
    if edge.parameter is None:
        return reached
    part = found[edge.parameter][slice(*edge.rows) if edge.rows else slice(None)]
    if edge.kind == "diagonal":
        passed: Bools = part & reached
        return passed
    links = _links(edge, part)
    return _any(links & reached[:, None], 0) if backward else _any(links & reached, 1)


def _links(edge: Edge, part: Bools) -> Bools:
    """(out, in): whether any entry connects two units."""
    if edge.kind == "embedding":
        return part.T
    if edge.kind == "convolution":
        return _any(part, (2, 3))
    if edge.kind == "flattened":
        return _any(part.reshape(len(part), -1, edge.size), 2)
    return part


def _any(values: Bools, axis: int | tuple[int, ...]) -> Bools:
    found: Bools = np.asarray(values.any(axis=axis))
    return found


def _on_path(edge: Edge, part: Bools, forward: Mapping[str, Bools], backward: Mapping[str, Bools]) -> Bools:
    """The living entries of an edge whose ends are both on a path."""
    before, behind = forward[edge.source], backward[edge.target]
    if edge.kind == "embedding":
        before, behind = before[:, None], behind[None]
    elif edge.kind == "convolution":
        before, behind = before[None, :, None, None], behind[:, None, None, None]
    elif edge.kind == "flattened":
        before, behind = np.repeat(before, edge.size)[None], behind[:, None]
    elif edge.kind == "matrix":
        before, behind = before[None], behind[:, None]
    found: Bools = part & before & behind
    return found
