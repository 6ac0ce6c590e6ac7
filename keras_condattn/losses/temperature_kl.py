"""Networks that learn from each other's softened class scores."""

from typing import Any

from keras import ops

from keras_condattn._export import export
from keras_condattn._types import Tensor
from keras_condattn.losses._batch_loss import BatchLoss
from keras_condattn.losses._checks import check_positive
from keras_condattn.losses._maps import check_logits


@export
def temperature_kl(
    logits: Tensor, target_logits: Tensor, temperature: float = 10.0
) -> Tensor:
    """Pulls class scores to those of a peer, both softened.

    ```
    L = T^2 / B sum_b KL(softmax(target_b / T) || softmax(logits_b / T))
    ```

    T^2 keeps the gradient's scale whatever T is. No gradient reaches the target.

    Args:
        logits: (B, K).
        target_logits: (B, K), the peer's.
        temperature: T, above 0; the larger, the softer. Defaults to 10.0.

    Returns:
        A scalar, float32, not negative.

    Raises:
        ValueError: for shapes that do not fit each other, or a temperature that is
            not above 0.

    Example:

    >>> even, odd = np.zeros((1, 2)), np.array([[1.0, -1.0]])
    >>> loss = keras_condattn.losses.temperature_kl(odd, even, temperature=1.0)
    >>> round(float(loss), 3)  # log cosh 1
    0.434

    Reference:
        Hinton et al., arXiv 1503.02531, between peers as in arXiv 2104.02488.
    """
    check_positive(temperature=temperature)
    temperature = float(temperature)
    scores, target = check_logits(logits, target_logits)
    q = ops.log_softmax(scores / temperature, axis=-1)
    p = ops.log_softmax(ops.stop_gradient(target) / temperature, axis=-1)
    divergence = ops.sum(ops.exp(p) * (p - q), axis=-1)
    return temperature**2 * ops.mean(divergence)


@export
class TemperatureKL(BatchLoss):
    """`temperature_kl` as a loss of logits, with a peer's logits as the truth.

    ```
    call(target_logits, logits) = temperature_kl(logits, target_logits, temperature)
    ```

    Args:
        temperature: as in `temperature_kl`. Defaults to 10.0.
        name: of the loss. Defaults to "temperature_kl".

    Call arguments:
        y_true: (B, K), the peer's logits.
        y_pred: (B, K).

    Returns:
        A scalar.

    Raises:
        ValueError: as `temperature_kl`.

    Example:

    >>> loss = keras_condattn.losses.TemperatureKL()
    >>> float(loss.call(np.ones((2, 3)), np.ones((2, 3))))
    0.0

    Reference:
        As `temperature_kl`.
    """

    def __init__(self, temperature: float = 10.0, name: str = "temperature_kl") -> None:
        super().__init__(name=name)
        check_positive(temperature=temperature)
        self.temperature = float(temperature)

    def call(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        return temperature_kl(y_pred, y_true, self.temperature)

    def get_config(self) -> dict[str, Any]:
        return {"temperature": self.temperature, "name": self.name}
