"""A layer compiled as a user of each framework would, and a wait for its answer.

`compiled(layer)` gives two functions of (features, conditioning, cotangent):
`forward`, and `both`, which adds the gradients of everything. Each returns a list of
tensors that may still be on their way; after `wait` they have arrived.
"""

import keras


def device():
    """What this backend computes on: ("gpu" or "cpu", a name)."""
    backend, name = keras.backend.backend(), None
    if backend == "torch":
        import torch

        name = torch.cuda.get_device_name() if torch.cuda.is_available() else None
    elif backend == "jax":
        import jax

        first = jax.devices()[0]
        name = first.device_kind if first.platform == "gpu" else None
    else:
        import tensorflow as tf

        for gpu in tf.config.list_physical_devices("GPU")[:1]:
            details = tf.config.experimental.get_device_details(gpu)
            name = details.get("device_name", "GPU")
    return ("gpu", name) if name else ("cpu", _processor())


def _processor():
    with open("/proc/cpuinfo") as file:
        names = [line.split(":")[1] for line in file if line.startswith("model name")]
    return names[0].strip() if names else "CPU"


def wait(tensors):
    """Returns once the device has finished; CPU calls of TF and torch return then."""
    backend = keras.backend.backend()
    if backend == "jax":
        import jax

        jax.block_until_ready(tensors)
    elif backend == "torch":
        import torch

        if torch.cuda.is_available():
            torch.cuda.synchronize()
    else:
        import tensorflow as tf

        if tf.config.list_physical_devices("GPU"):
            tf.test.experimental.sync_devices()


def compiled(layer):
    """(forward, both) of a built layer."""
    make = {"tensorflow": _tensorflow, "jax": _jax, "torch": _torch}
    return make[keras.backend.backend()](layer)


def floor():
    """(forward, both) that move the same bytes with next to no arithmetic.

    Forward reads the features and writes as many values; backward reads features and
    cotangent and writes as many values. No way of writing the layer can do with less.
    """

    def forward(x, z, g):
        return [x * 2.0]

    def both(x, z, g):
        return [x * 2.0, x * g]

    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        return tf.function(forward), tf.function(both)
    if keras.backend.backend() == "jax":
        import jax

        return jax.jit(forward), jax.jit(both)
    return forward, both


def _tensorflow(layer):
    import tensorflow as tf

    variables = [v.value for v in layer.trainable_variables]
    # What Keras' `jit_compile="auto"` comes to.
    function = tf.function(jit_compile=device()[0] == "gpu")

    @function
    def forward(x, z, g):
        return [layer(x, z)]

    @function
    def both(x, z, g):
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = layer(x, z)
        return [y, *tape.gradient(y, [x, *variables], output_gradients=g)]

    return forward, both


def _torch(layer):
    import torch

    variables = [v.value for v in layer.trainable_variables]

    def forward(x, z, g):
        with torch.no_grad():
            return [layer(x, z)]

    def both(x, z, g):
        x = x.detach().requires_grad_()
        y = layer(x, z)
        return [y.detach(), *torch.autograd.grad(y, [x, *variables], g)]

    return forward, both


def _jax(layer):
    import jax

    variables = [v.value for v in layer.trainable_variables]

    def forward(variables, x, z, g):
        return [layer.stateless_call(variables, [], x, z)[0]]

    def both(variables, x, z, g):
        y, pull = jax.vjp(lambda v, x: forward(v, x, z, g)[0], variables, x)
        gradients, gradient = pull(g)
        return [y, gradient, *gradients]

    return _Jitted(forward, variables), _Jitted(both, variables)


class _Jitted:
    """A jitted function with the layer's variables filled in."""

    def __init__(self, function, variables):
        import jax

        self.function, self.variables = jax.jit(function), variables

    def __call__(self, *inputs):
        return self.function(self.variables, *inputs)

    def planned_bytes(self, *inputs):
        """Bytes that XLA plans for, besides the inputs."""
        plan = self.function.lower(self.variables, *inputs).compile().memory_analysis()
        return plan.temp_size_in_bytes + plan.output_size_in_bytes
