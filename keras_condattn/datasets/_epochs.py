"""Sources whose draws depend on the epoch."""

import operator


class Epochs:
    """`epoch`, from 0, and the way `Batches` sets it."""

    epoch: int = 0

    def set_epoch(self, epoch: int) -> None:
        """Says which epoch the random draws are for; `Batches` calls it.

        Args:
            epoch: its number, from 0. The same number gives the same draws.

        Raises:
            ValueError: below 0.
        """
        epoch = operator.index(epoch)
        if epoch < 0:
            raise ValueError(f"epoch must be 0 or more, got {epoch}")
        self.epoch = epoch
