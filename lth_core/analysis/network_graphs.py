"""Networks as graphs: nodes are vectors of units, edges are parameters, or parts of them.

Made from the names and shapes of a network's parameters; knows no mask.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

Shapes = Mapping[str, Sequence[int]]
Rows = tuple[int, int] | None
"""A range of a parameter's rows; None for all of them."""
Kind = Literal["matrix", "embedding", "convolution", "flattened", "diagonal", "heads"]


@dataclass(frozen=True)
class Edge:
    """From one node to another. parameter: its name, None for an edge without one; rows: the part of it.

    matrix (out, in); embedding (in, out); convolution (out, in, height, width); flattened (out, in x places); diagonal:
    unit to unit; heads: from each unit to all of its head, `size` units each.
    """

    source: str
    target: str
    kind: Kind = "diagonal"
    parameter: str | None = None
    rows: Rows = None
    size: int = 1


@dataclass
class Graph:
    """nodes: units by name; edges; biases: (parameter, node, rows); inputs, outputs: nodes.

    units: nodes whose units are counted. If units multiply: a unit of a node in `empty` is zero unless the other node's
    unit is nonzero; a unit of a node in `idle` has no effect unless the other node's unit is nonzero.
    """

    nodes: dict[str, int] = field(default_factory=dict)
    edges: list[Edge] = field(default_factory=list)
    biases: list[tuple[str, str, Rows]] = field(default_factory=list)
    inputs: list[str] = field(default_factory=list)
    outputs: list[str] = field(default_factory=list)
    units: list[str] = field(default_factory=list)
    empty: dict[str, str] = field(default_factory=dict)
    idle: dict[str, str] = field(default_factory=dict)

    def linear(
        self, name: str, source: str, target: str, shapes: Shapes, *, kind: Kind = "matrix", rows: Rows = None,
        size: int = 1,
    ) -> None:  # fmt: skip
        """A layer x -> W x + b into a new node, or a part of one; kind, rows, size as of an Edge."""
        self.nodes[target] = shapes[f"{name}.weight"][0] if rows is None else rows[1] - rows[0]
        self.edges.append(Edge(source, target, kind, f"{name}.weight", rows, size))
        if f"{name}.bias" in shapes:
            self.biases.append((f"{name}.bias", target, rows))

    def norm(self, name: str, source: str, target: str, shapes: Shapes) -> None:
        """g x + b, unit by unit."""
        self.nodes[target] = shapes[f"{name}.weight"][0]
        self.edges.append(Edge(source, target, "diagonal", f"{name}.weight"))
        self.biases.append((f"{name}.bias", target, None))

    def added(self, target: str, *sources: str) -> None:
        """A sum of nodes."""
        self.nodes[target] = self.nodes[sources[0]]
        self.edges += [Edge(source, target) for source in sources]


def graph_of(kind: str, shapes: Shapes, *, heads: int = 1) -> Graph | None:
    """The graph of a network, from the kind of its `[model]` and its parameters; None for those of transformers.

    heads: of attention.
    """
    if kind in ("mlp", "conv", "board") and _complete(shapes, "policy_head"):
        if _complete(shapes, "actor.0"):
            return _apart(shapes)
        outputs = [head for head in ("policy_head", "value_head") if _complete(shapes, head)]
        return _feed_forward(shapes, "trunk", *outputs)
    if kind in ("lenet", "conv_small"):
        return _feed_forward(shapes, "hidden", "output")
    if kind in ("resnet", "vgg"):
        return _normed_convolutions(shapes)
    if kind == "lstm":
        return _lstm(shapes)
    if kind == "transformer":
        return _decoder(shapes, heads)
    if kind == "seq2seq" and "embedding" in shapes:
        return _encoder_decoder(shapes, heads)
    return None


def _complete(shapes: Shapes, *layers: str) -> bool:
    return all(f"{layer}.weight" in shapes for layer in layers)


def _numbered(shapes: Shapes, prefix: str) -> list[str]:
    """PREFIX.0, PREFIX.1, ... as long as there are parameters with these names."""
    numbers = {name.split(".")[1] for name in shapes if name.startswith(f"{prefix}.")}
    return [f"{prefix}.{i}" for i in range(len(numbers))]


def _feed_forward(shapes: Shapes, hidden: str, *outputs: str) -> Graph:
    """Convolutions, then layers with this name, then the outputs side by side."""
    graph = Graph(inputs=["input"], outputs=list(outputs))
    layers = [*_numbered(shapes, "convolution"), *_numbered(shapes, hidden)]
    graph.nodes["input"] = shapes[f"{(layers or outputs)[0]}.weight"][1]
    _chain(graph, shapes, layers, outputs)
    return graph


def _apart(shapes: Shapes) -> Graph:
    """An actor and a critic side by side, from one input; two critics have another, of observations and actions."""
    graph = Graph()
    for side, head in (("actor", "policy_head"), ("critic", "value_head"), ("second_critic", "second_value_head")):
        if not _complete(shapes, head):
            continue
        layers = [*_numbered(shapes, f"{side}_convolution"), *_numbered(shapes, side)]
        width = shapes[f"{layers[0]}.weight"][1]
        graph.nodes[f"{width} inputs"] = width
        graph.outputs.append(head)
        _chain(graph, shapes, layers, [head], f"{width} inputs")
    graph.inputs = [node for node in graph.nodes if node.endswith(" inputs")]
    return graph


def _chain(graph: Graph, shapes: Shapes, layers: Sequence[str], heads: Sequence[str], x: str = "input") -> None:
    """Layers one behind another from node x, then the heads side by side."""
    for layer in layers:
        weight = shapes[f"{layer}.weight"]
        if len(weight) == 4:
            graph.linear(layer, x, layer, shapes, kind="convolution")
        elif weight[1] != graph.nodes[x]:
            graph.linear(layer, x, layer, shapes, kind="flattened", size=weight[1] // graph.nodes[x])
        else:
            graph.linear(layer, x, layer, shapes)
        graph.units.append(layer)
        x = layer
    for head in heads:
        graph.linear(head, x, head, shapes)


def _normed_convolutions(shapes: Shapes) -> Graph:
    """Convolutions with batch norm one after another, or in residual blocks; then the mean of each filter, output."""
    layers = _numbered(shapes, "layers")
    graph, x = Graph(inputs=["input"], outputs=["output"]), "input"
    graph.nodes["input"] = shapes[f"{(layers or ['first'])[0]}.convolution.weight"][1]
    for layer in layers or ["first"]:
        x = _normed(graph, layer, x, shapes)
    for block in _numbered(shapes, "blocks"):
        inner = _normed(graph, f"{block}.second", _normed(graph, f"{block}.first", x, shapes), shapes)
        direct = f"{block}.shortcut.convolution.weight" not in shapes
        graph.added(block, inner, x if direct else _normed(graph, f"{block}.shortcut", x, shapes))
        x = block
    graph.linear("output", x, "output", shapes)
    return graph


def _normed(graph: Graph, layer: str, x: str, shapes: Shapes) -> str:
    graph.linear(f"{layer}.convolution", x, f"{layer}.sum", shapes, kind="convolution")
    graph.norm(f"{layer}.norm", f"{layer}.sum", layer, shapes)
    graph.units.append(layer)
    return layer


def _lstm(shapes: Shapes) -> Graph:
    graph = Graph(inputs=["words"], outputs=["scores"])
    graph.nodes |= {"words": shapes["embedding.weight"][0], "embedded": shapes["embedding.weight"][1]}
    graph.edges.append(Edge("words", "embedded", "embedding", "embedding.weight"))
    x = "embedded"
    for layer in _numbered(shapes, "recurrent"):
        hidden = shapes[f"{layer}.weight_hh_l0"][1]
        graph.nodes[layer] = hidden
        for number, gate in enumerate("ifgo"):
            node, rows = f"{layer}.{gate}", (number * hidden, (number + 1) * hidden)
            graph.nodes[node] = hidden
            for source, parameter in ((x, "weight_ih_l0"), (layer, "weight_hh_l0")):
                graph.edges.append(Edge(source, node, "matrix", f"{layer}.{parameter}", rows))
            graph.biases += [(f"{layer}.{bias}", node, rows) for bias in ("bias_ih_l0", "bias_hh_l0")]
            graph.edges.append(Edge(node, layer))
        graph.empty[layer] = f"{layer}.g"  # without a candidate the cell stays empty
        graph.units.append(layer)
        x = layer
    _scores(graph, x, shapes)
    return graph


def _scores(graph: Graph, x: str, shapes: Shapes) -> None:
    """The output over the vocabulary, which is the embedding in tied networks."""
    own = "output.weight" if "output.weight" in shapes else "embedding.weight"
    graph.nodes["scores"] = shapes[own][0]
    graph.edges.append(Edge(x, "scores", "matrix", own))
    if "output.bias" in shapes:
        graph.biases.append(("output.bias", "scores", None))


def _decoder(shapes: Shapes, heads: int) -> Graph:
    graph = Graph(inputs=["words"], outputs=["scores"])
    graph.nodes |= {"words": shapes["embedding.weight"][0], "x": shapes["embedding.weight"][1]}
    graph.edges.append(Edge("words", "x", "embedding", "embedding.weight"))
    x = "x"
    for block in _numbered(shapes, "blocks"):
        graph.norm(f"{block}.attention_norm", x, f"{block}.a", shapes)
        names = dict.fromkeys("qkv", f"{block}.attention_in")
        seen = _attention(graph, shapes, block, names, dict.fromkeys("qkv", f"{block}.a"), heads)
        graph.linear(f"{block}.attention_out", seen, f"{block}.told", shapes)
        graph.added(f"{block}.y", x, f"{block}.told")
        graph.norm(f"{block}.feed_forward_norm", f"{block}.y", f"{block}.b", shapes)
        _fed(graph, shapes, f"{block}.feed_forward_in", f"{block}.feed_forward_out", f"{block}.b", block)
        graph.added(block, f"{block}.y", f"{block}.fed")
        x = block
    graph.norm("norm", x, "normed", shapes)
    _scores(graph, "normed", shapes)
    return graph


def _attention(
    graph: Graph, shapes: Shapes, name: str, parameters: Mapping[str, str], sources: Mapping[str, str], heads: int
) -> str:  # fmt: skip
    """Queries, keys and values from their sources, and the attention's output; in one parameter one after another."""
    shared = {layer: [part for part in "qkv" if parameters[part] == layer] for layer in parameters.values()}
    width = 0
    for part in "qkv":
        own = shared[parameters[part]]
        width = shapes[f"{parameters[part]}.weight"][0] // len(own)
        place = own.index(part)
        graph.linear(
            parameters[part], sources[part], f"{name}.{part}", shapes, rows=(place * width, (place + 1) * width)
        )  # fmt: skip
    seen, head = f"{name}.seen", width // heads
    graph.nodes[seen] = width
    graph.edges += [Edge(f"{name}.{part}", seen, "heads", size=head) for part in "qk"]
    graph.edges.append(Edge(f"{name}.v", seen))
    graph.empty[seen] = f"{name}.v"
    graph.idle |= {f"{name}.q": f"{name}.k", f"{name}.k": f"{name}.q"}
    return seen


def _fed(graph: Graph, shapes: Shapes, up: str, down: str, x: str, name: str) -> None:
    graph.linear(up, x, f"{name}.inner", shapes)
    graph.units.append(f"{name}.inner")
    graph.linear(down, f"{name}.inner", f"{name}.fed", shapes)


def _encoder_decoder(shapes: Shapes, heads: int) -> Graph:
    graph = Graph(inputs=["words"], outputs=["scores"])
    vocabulary, width = shapes["embedding"]
    graph.nodes |= {"words": vocabulary, "x": width, "scores": vocabulary}
    graph.edges.append(Edge("words", "x", "embedding", "embedding"))
    memory = "x"
    for layer in _numbered(shapes, "encoder"):
        told = _self_attention(graph, shapes, layer, memory, heads)
        memory = _layer_end(graph, shapes, layer, told)
    x = "x"
    for layer in _numbered(shapes, "decoder"):
        told = _self_attention(graph, shapes, layer, x, heads)
        across = f"{layer}.source_attention"
        parameters = {"q": f"{across}.query", "k": f"{across}.key_value", "v": f"{across}.key_value"}
        seen = _attention(graph, shapes, across, parameters, {"q": told, "k": memory, "v": memory}, heads)
        graph.linear(f"{across}.output", seen, f"{across}.told", shapes)
        graph.added(f"{across}.sum", told, f"{across}.told")
        graph.norm(f"{layer}.source_attention_norm", f"{across}.sum", f"{across}.normed", shapes)
        x = _layer_end(graph, shapes, layer, f"{across}.normed")
    graph.edges.append(Edge(x, "scores", "matrix", "embedding"))
    return graph


def _self_attention(graph: Graph, shapes: Shapes, layer: str, x: str, heads: int) -> str:
    own = f"{layer}.attention"
    names = dict.fromkeys("qkv", f"{own}.query_key_value")
    seen = _attention(graph, shapes, own, names, dict.fromkeys("qkv", x), heads)
    graph.linear(f"{own}.output", seen, f"{own}.told", shapes)
    graph.added(f"{own}.sum", x, f"{own}.told")
    graph.norm(f"{layer}.attention_norm", f"{own}.sum", f"{own}.normed", shapes)
    return f"{own}.normed"


def _layer_end(graph: Graph, shapes: Shapes, layer: str, x: str) -> str:
    _fed(graph, shapes, f"{layer}.feed_forward.up", f"{layer}.feed_forward.down", x, layer)
    graph.added(f"{layer}.sum", x, f"{layer}.fed")
    graph.norm(f"{layer}.feed_forward_norm", f"{layer}.sum", f"{layer}.normed", shapes)
    return f"{layer}.normed"
