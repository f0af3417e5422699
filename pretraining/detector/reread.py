"""An exported network back into Keras, to train it further: its normalisations are in its kernels now."""

import re
from pathlib import Path

import keras
import numpy as np
from ai_edge_litert.interpreter import Interpreter, OpResolverType

from pretraining.detector.network import Normalisation


def reread(path: Path, network: keras.Model) -> None:
    """Put an export's weights into the network that it was made of.

    The converter multiplies each normalisation into the kernel before it. So these come back with no effect
    but their shift, except where one kernel has several of them (the heads of the strides): there the first
    is in the kernel, and the others' scales say how they differ from it.

    Args:
        path: a LiteRT file as `export` and `export_refiner` write it.
        network: the same architecture; what it answers is the same to float16 afterwards.

    Raises:
        KeyError: the file holds another network.
    """
    interpreter = Interpreter(
        str(path), experimental_op_resolver_type=OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
    )
    interpreter.allocate_tensors()
    tensors = {
        detail["name"]: interpreter.get_tensor(detail["index"]).astype(np.float32)
        for detail in interpreter.get_tensor_details()
        if detail["dtype"] == np.float16
    }
    kernels: dict[str, np.ndarray] = {}
    for layer in network.layers:
        if isinstance(layer, Normalisation):
            name, shift = only(tensors, rf"/{layer.name}_\d+/", 1)
            operation = re.findall(r"/(\w+)_(\d+)/(convolution|depthwise)(?=;|$)", name)[0]
            if operation[2] == "depthwise":
                _, kernel = only(tensors, rf"/{layer.name}_\d+/", 4)
            else:
                _, kernel = only(tensors, rf"/{operation[0]}_{operation[1]}/convolution$", 4)
            first = kernels.setdefault(operation[0], kernel)
            channels = 3 if operation[2] == "depthwise" else 0
            others = tuple(axis for axis in range(4) if axis != channels)
            scale = (kernel * first).sum(others) / np.maximum((first * first).sum(others), 1e-12)
            mean, variance = np.zeros_like(scale), np.full_like(scale, 1 - layer.epsilon)
            layer.set_weights([scale, shift, mean, variance])
    for layer in network.layers:
        if layer.name in kernels:
            layer.set_weights([kernels[layer.name].transpose(1, 2, 3, 0)])
        elif isinstance(layer, keras.layers.Dense):
            matrix, bias = (only(tensors, rf"/{layer.name}_\d+/", axes)[1] for axes in (2, 1))
            layer.set_weights([matrix.T, bias])
        elif isinstance(layer, keras.layers.Conv2D):  # of the heads, whose constants have lost their names
            shape = (layer.filters, *layer.kernel_size, layer.kernel.shape[2])
            found = [array for name, array in tensors.items() if name.startswith("arith.constant")]
            kernel = next(array for array in found if array.shape == shape)
            bias = next(array for array in found if array.shape == (layer.filters,))
            layer.set_weights([kernel.transpose(1, 2, 3, 0), bias])


def only(tensors: dict[str, np.ndarray], pattern: str, axes: int) -> tuple[str, np.ndarray]:
    """The one tensor of so many axes with such a name, after its name."""
    found = [(name, each) for name, each in tensors.items() if each.ndim == axes and re.search(pattern, name)]
    if len(found) != 1:
        raise KeyError(f"{len(found)} tensors of {axes} axes are named {pattern}")
    return found[0]
