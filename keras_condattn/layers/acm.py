"""ACM: attend to two regions, compare them, and modulate by their context."""

from math import gcd, sqrt
from typing import Any, Literal, TypeAlias

from keras import initializers, ops

from keras_condattn._export import export
from keras_condattn._types import DataFormat, Shape, Tensor
from keras_condattn.layers._features import FeatureLayer, bottleneck, check_count
from keras_condattn.layers._grouped import attended_means, maps

Orthogonality: TypeAlias = Literal["absolute", "signed", "output"]
Formula: TypeAlias = Literal["P(X+K-Q)", "X+(K-Q)", "P(X+K)", "PX"]
ORTHOGONALITY = ("absolute", "signed", "output")
# What each formula attends to, and whether it modulates.
FORMULAS: dict[str, tuple[tuple[str, ...], bool]] = {
    "P(X+K-Q)": (("key", "query"), True),
    "X+(K-Q)": (("key", "query"), False),
    "P(X+K)": (("key",), True),
    "PX": ((), True),
}


@export
class ACM(FeatureLayer):
    """Attend-and-compare: adds the difference of two attended regions.

    ```
    a_K = softmax over positions of W_K x        one map for each group
    a_Q = softmax over positions of W_Q x
    K = sum_n a_K(n) x(n),  Q = sum_n a_Q(n) x(n),  mu = mean_n x(n)
    P = sigmoid(W_2 relu(W_1 mu + b_1) + b_2)
    y = P (x + K - Q)
    loss += orthogonality_weight * |mean over the batch of (K - mu).(Q - mu) / C|
    ```

    Everything happens group by group: group g sees, attends to and changes channels
    gC/G to (g+1)C/G only. K and Q of a group are vectors, the same at every position.

    What it costs: one grouped projection to both logits, one pooled product
    for K, Q and mu, and one affine map `y = P x + P (K - Q)`, so three readings of the
    features and no map of their size but y (and, in channels_last, one copy with the
    groups in front: the products are several times faster on it). In training, the
    gradient of projection and pooling together is one product more.

    Args:
        groups: number of groups G; must divide both C and C // reduction.
            Defaults to 32.
        reduction: the hidden layer of P has C // reduction units. Defaults to 2.
        orthogonality_weight: weight of the orthogonality term, which is added to the
            model's losses; 0 leaves it out. Defaults to 0.1.
        return_attention: return `(y, (a_K, a_Q))` in place of `y`. Defaults to False.
        orthogonality: what becomes of the term. `"absolute"` adds |batch mean of
            (K - mu).(Q - mu) / C|; `"signed"` the same without the absolute value, as
            the paper's equations have it; `"output"` adds nothing and returns the term
            of each image, unweighted, for `SummedOrthogonality` over several modules,
            which is what was released. The signed term has no lower bound: its minimum
            is not K orthogonal to Q but K and Q as large and opposite as they can
            be. The release therefore takes an absolute value, but of the sum over all
            modules of a network, in which modules of opposite sign cancel; by default
            each module answers for itself. Defaults to `"absolute"`.
        formula: `"P(X+K-Q)"`, or what the paper takes away from it to show what
            each part does: `"X+(K-Q)"` without modulation, `"P(X+K)"` without
            comparison, `"PX"` without attention. What a formula does not name is not
            built, and without both K and Q there is no orthogonality term.
            Defaults to `"P(X+K-Q)"`.
        data_format: `"channels_last"` or `"channels_first"`. None means
            `keras.config.image_data_format()`. Defaults to None.
        **kwargs: arguments of `keras.layers.Layer`.

    Call arguments:
        features: (B, *S, C), or (B, C, *S) in channels_first, with one to three
            spatial axes, whose sizes may change from call to call.
        training: whether the gradient is the written-out one, which is faster and the
            same. Defaults to None.

    Returns:
        The features, of the shape and layout they came in; with `return_attention`,
        also a tuple of the maps of K and of Q (of those the formula has), each
        (B, *S, G), or (B, G, *S), which sum to 1 over the positions; with
        `orthogonality="output"`, last, the orthogonality of each image, (B,).

    Raises:
        ValueError: for features of another rank or channel count, `groups` that do
            not divide the channels (the error lists those that do), an argument
            out of its range, or maps or a term that the formula does not have.

    Example:

    >>> layer = keras_condattn.layers.ACM(groups=4, data_format="channels_last")
    >>> layer(np.ones((2, 8, 8, 16))).shape
    (2, 8, 8, 16)

    Reference:
        Kim, Park, Na, Park and Yoo, "Learning Visual Context by Comparison", ECCV
        2020, arXiv 2007.07506; P in groups, K and Q centred in the loss, and the
        initial values are those of the released code. Ours: no bias in W_K and W_Q,
        as a softmax does not see it (`load_official` takes the released ones and
        drops them); the orthogonality of each module for itself; one and three
        spatial axes.
    """

    def __init__(
        self,
        groups: int = 32,
        reduction: int = 2,
        orthogonality_weight: float = 0.1,
        return_attention: bool = False,
        *,
        orthogonality: Orthogonality = "absolute",
        formula: Formula = "P(X+K-Q)",
        data_format: DataFormat | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(data_format=data_format, **kwargs)
        if not orthogonality_weight >= 0:
            raise ValueError(
                "ACM: orthogonality_weight must not be negative, got "
                f"{orthogonality_weight!r}"
            )
        _check_form(orthogonality, formula, return_attention)
        self.groups = check_count("ACM", "groups", groups)
        self.reduction = check_count("ACM", "reduction", reduction)
        self.orthogonality_weight = float(orthogonality_weight)
        self.return_attention = return_attention
        self.orthogonality = orthogonality
        self.formula = formula
        self._attends, self._modulates = FORMULAS[formula]

    def _build(self, channels: int, axes: int) -> None:
        hidden = bottleneck("ACM", channels, self.reduction)
        self._check_groups(channels, hidden)
        groups = self.groups
        width, inner = channels // groups, hidden // groups
        # Variances by fan-out, with PyTorch's count of it: all groups' outputs.
        for name in self._attends:
            setattr(self, name, self._kernel(name, (groups, width), groups))
        if not self._modulates:
            return
        for name, shape, fan in (
            ("squeeze", (groups, width, inner), hidden),
            ("expand", (groups, inner, width), channels),
        ):
            setattr(self, f"{name}_kernel", self._kernel(f"{name}_kernel", shape, fan))
            bias = self._variable(f"{name}_bias", (groups, shape[2]), "zeros")
            setattr(self, f"{name}_bias", bias)

    def _kernel(self, name: str, shape: tuple[int, ...], fan: int) -> Any:
        start = initializers.RandomNormal(stddev=sqrt(2.0 / fan))
        return self._variable(name, shape, start)

    def _check_groups(self, channels: int, hidden: int) -> None:
        common = gcd(channels, hidden)
        if common % self.groups:
            fitting = [g for g in range(1, common + 1) if common % g == 0]
            raise ValueError(
                f"ACM: groups must divide the {channels} channels and the {hidden} "
                f"hidden units (channels // reduction), got groups={self.groups}; "
                f"groups that would do: {', '.join(map(str, fitting))}"
            )

    def call(self, features: Tensor, training: bool | None = None) -> Any:
        features = self._checked(features)
        flat, kernel = self._precise(self._flat(features)), self._both_kernels()
        *attended, mean = self._pooled(flat, kernel, bool(training))
        outputs = [self._changed(features, attended, mean)]
        if self.return_attention:
            found = maps(flat, kernel, self.channel_axis == -1)
            found = ops.cast(found, self.compute_dtype)
            each = range(len(self._attends))
            outputs.append(tuple(self._map(found[:, :, i], features) for i in each))
        if len(attended) == 2:
            outputs += self._orthogonality(*(vector - mean for vector in attended))
        return outputs[0] if len(outputs) == 1 else tuple(outputs)

    def _changed(self, features: Tensor, attended: list[Tensor], mean: Tensor) -> Any:
        shift = attended[0] - attended[1] if len(attended) == 2 else None
        shift = attended[0] if len(attended) == 1 else shift
        if self._modulates:
            gain = self._modulator(mean)
            features = features * self._per_channel(gain, features)
            # Not (x + K - Q) P: that sum, as large as x, would be kept for the
            # gradient.
            shift = None if shift is None else gain * shift
        return (
            features if shift is None else features + self._per_channel(shift, features)
        )

    def _flat(self, features: Tensor) -> Tensor:
        """(B, N, C), or (B, C, N): the positions in a row."""
        if self.channel_axis == -1:
            return self._sequence(features)
        return ops.reshape(features, (ops.shape(features)[0], self.channels, -1))

    def _both_kernels(self) -> Tensor | None:
        """(G, maps, C/G): W_K and W_Q, one projection."""
        kernels = [getattr(self, name) for name in self._attends]
        return self._precise(ops.stack(kernels, axis=1)) if kernels else None

    def _pooled(
        self, flat: Tensor, kernel: Tensor | None, training: bool
    ) -> list[Tensor]:
        """K, Q and the mean, each (B, G, C/G)."""
        if kernel is None:
            mean = ops.mean(flat, axis=1 if self.channel_axis == -1 else 2)
            return [ops.reshape(mean, (ops.shape(mean)[0], self.groups, -1))]
        pooled = attended_means(flat, kernel, self.channel_axis == -1, training)
        return [pooled[:, :, i] for i in range(len(self._attends) + 1)]

    def _modulator(self, mean: Tensor) -> Tensor:
        """P, (B, G, C/G)."""
        hidden = ops.relu(self._layer(mean, self.squeeze_kernel, self.squeeze_bias))
        return ops.sigmoid(self._layer(hidden, self.expand_kernel, self.expand_bias))

    def _layer(self, vectors: Tensor, kernel: Tensor, bias: Tensor) -> Tensor:
        """A dense layer for each group: (B, G, I) -> (B, G, O)."""
        product = ops.matmul(vectors[:, :, None], self._precise(kernel))
        return product[:, :, 0] + self._precise(bias)

    def _orthogonality(self, key: Tensor, query: Tensor) -> list[Tensor]:
        """Adds the term to the losses; what is to be returned of it."""
        if self.orthogonality == "output":
            return [ops.mean(key * query, axis=(1, 2))]
        if self.orthogonality_weight:
            term = ops.mean(key * query)
            term = ops.abs(term) if self.orthogonality == "absolute" else term
            self.add_loss(self.orthogonality_weight * term)
        return []

    def _map(self, attention: Tensor, features: Tensor) -> Tensor:
        """(B, G, N) laid out as the features are."""
        return self._like(ops.swapaxes(attention, 1, 2), features)

    def compute_output_shape(self, features_shape: Shape) -> Any:
        shape = super().compute_output_shape(features_shape)
        outputs: list[Any] = [shape]
        if self.return_attention:
            maps = list(shape)
            maps[self.channel_axis] = self.groups
            outputs.append((tuple(maps),) * len(self._attends))
        if self.orthogonality == "output":
            outputs.append(shape[:1])
        return shape if len(outputs) == 1 else tuple(outputs)

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {
            "groups": self.groups,
            "reduction": self.reduction,
            "orthogonality_weight": self.orthogonality_weight,
            "return_attention": self.return_attention,
            "orthogonality": self.orthogonality,
            "formula": self.formula,
        }


def _check_form(orthogonality: Any, formula: Any, return_attention: bool) -> None:
    if orthogonality not in ORTHOGONALITY:
        raise ValueError(
            f"ACM: orthogonality must be one of {ORTHOGONALITY}, got {orthogonality!r}"
        )
    if formula not in FORMULAS:
        raise ValueError(
            f"ACM: formula must be one of {tuple(FORMULAS)}, got {formula!r}"
        )
    attends = FORMULAS[formula][0]
    if return_attention and not attends:
        raise ValueError(f"ACM: return_attention=True, but {formula!r} has no maps")
    if orthogonality == "output" and len(attends) < 2:
        raise ValueError(
            f"ACM: orthogonality='output' needs K and Q, got formula={formula!r}"
        )
