"""INSIDE written in the two ways that come to mind first, to measure ours against.

Both are the layer itself with another `call`: the same weights, the same numbers,
either data format, two spatial axes.
"""

from keras import ops

from keras_condattn.layers import INSIDE
from keras_condattn.layers.inside import EPSILON


class _Written(INSIDE):
    """What both have in common: the parameters, as the formula names them."""

    def call(self, features, conditioning):
        hidden = self._hidden(conditioning)
        gamma, beta, *mu = ops.split(self.fc_3(hidden), 4, axis=-1)
        sigma = ops.split(ops.tanh(self.fc_4(hidden)), 2, axis=-1)
        attention = self.attention(features, [ops.tanh(m) for m in mu], sigma)
        gamma = self.tiled(self._broadcast(gamma, features), features)
        beta = self.tiled(self._broadcast(beta, features), features)
        return (1.0 - gamma) * (features * attention) + beta

    def tiled(self, tensor, features):
        """`tensor` repeated to the shape of the features."""
        sizes = zip(ops.shape(features), tensor.shape, strict=True)
        return ops.tile(tensor, [f if t == 1 else 1 for f, t in sizes])

    def axis(self, i):
        return i + (2 if self.channel_axis == 1 else 1)

    def coordinates(self, features, i):
        """0, 1, ... along axis i, of size 1 along the others."""
        length = features.shape[self.axis(i)]
        shape = [1, 1, 1, 1]
        shape[self.axis(i)] = length
        return ops.reshape(ops.arange(length, dtype="float32"), shape)

    def profile_of(self, position, features, i, mu, sigma):
        length = features.shape[self.axis(i)]
        centre = self._broadcast(mu * length / 2 + length / 2 - 0.5, features)
        width = self._broadcast(sigma * self.max_sigma + EPSILON, features)
        return ops.exp(-0.5 * ops.square((position - centre) / width))


class Tiled(_Written):
    """The formula at every pixel: coordinates tiled to (B, H, W, C), two exps."""

    def attention(self, features, mu, sigma):
        maps = [
            self.profile_of(
                self.tiled(self.coordinates(features, i), features),
                features, i, mu[i], sigma[i],
            )
            for i in range(2)
        ]  # fmt: skip
        return maps[0] * maps[1]


class Released(_Written):
    """The authors' way: a matrix product of the two profiles, channels in front."""

    def attention(self, features, mu, sigma):
        rows, columns = (
            self.profile_of(self.coordinates(features, i), features, i, mu[i], sigma[i])
            for i in range(2)
        )
        if self.channel_axis == 1:
            return ops.matmul(rows, columns)
        forward, back = (0, 3, 1, 2), (0, 2, 3, 1)
        product = ops.matmul(
            ops.transpose(rows, forward), ops.transpose(columns, forward)
        )
        return ops.transpose(product, back)


FORMULATIONS = {"ours": INSIDE, "released": Released, "tiled": Tiled}
