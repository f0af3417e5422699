"""The classifier on the frozen backbone: dense layers with an output for each person and one for nobody.

It is trained with TensorFlow at a rebuild, which takes a second since the backbone is not touched, and
evaluated with numpy in the service: three small matrix products, for which no framework is needed.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from facerec_mqtt.core.errors import ModelError
from facerec_mqtt.core.records import Vectors


@dataclass(frozen=True, slots=True, eq=False)
class Classifier:
    """Trained dense layers."""

    kernels: tuple[NDArray[np.float32], ...]
    """(inputs, outputs) of each layer, the first from the embedding."""
    biases: tuple[NDArray[np.float32], ...]
    """(outputs,) of each layer."""

    def probabilities(self, vectors: Vectors) -> NDArray[np.float32]:
        """How likely each face is each of the people, or nobody.

        Args:
            vectors: (N, D) float32 unit embeddings.

        Returns:
            (N, people + 1) float32, rows summing to 1; nobody is the last column.
        """
        values = vectors
        for kernel, bias in zip(self.kernels[:-1], self.biases[:-1], strict=True):
            values = np.maximum(values @ kernel + bias, np.float32(0))
        values = values @ self.kernels[-1] + self.biases[-1]
        values = np.exp(values - values.max(axis=1, keepdims=True))
        return np.asarray(values / values.sum(axis=1, keepdims=True), np.float32)

    def arrays(self) -> dict[str, NDArray[np.float32]]:
        """What `from_arrays` takes."""
        named = {}
        for number, (kernel, bias) in enumerate(zip(self.kernels, self.biases, strict=True)):
            named[f"head_kernel_{number}"] = kernel
            named[f"head_bias_{number}"] = bias
        return named

    @classmethod
    def from_arrays(
        cls, arrays: Mapping[str, NDArray[np.float32]], *, inputs: int, people: int
    ) -> "Classifier":
        """Put a saved classifier together again.

        Args:
            arrays: may hold others besides the classifier's own.
            inputs: length of an embedding.
            people: how many the model knows.

        Raises:
            ModelError: layers are missing or do not fit together.
        """
        depth = sum(name.startswith("head_kernel_") for name in arrays)
        try:
            kernels = tuple(arrays[f"head_kernel_{number}"] for number in range(depth))
            biases = tuple(arrays[f"head_bias_{number}"] for number in range(depth))
        except KeyError as error:
            raise ModelError(f"The model lacks its array {error}; run facerec-mqtt rebuild.") from error
        widths = [inputs]
        for kernel, bias in zip(kernels, biases, strict=True):
            if kernel.shape != (widths[-1], *bias.shape):
                break
            widths.append(bias.shape[0])
        if depth == 0 or len(widths) != depth + 1 or widths[-1] != people + 1:
            raise ModelError(
                f"The model's layers have shapes {[kernel.shape for kernel in kernels]}, which do not lead"
                f" from {inputs} inputs to {people} people and nobody; run facerec-mqtt rebuild."
            )
        return cls(kernels, biases)
