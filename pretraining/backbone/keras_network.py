"""The backbone as a Keras network: to train it, and to compare it with the LiteRT file."""

from pathlib import Path
from typing import Any

import keras

from facerec_mqtt.core.records import FACE_SIDE_PX
from facerec_mqtt.faces.embedding import DIMENSIONS

WEIGHTS_FILE = "backbone.weights.h5"
WEIGHTS = Path(__file__).with_name(WEIGHTS_FILE)
"""The shipped backbone's weights as Keras stores them."""


def build_backbone(weights: Path | None = None) -> Any:
    """Build the backbone in Keras.

    Args:
        weights: a Keras weights file; `None` is the shipped one.

    Returns:
        A `keras.Model` from (N, 112, 112, 3) float RGB / 127.5 - 1 to (N, 256), *not* yet of unit
        length and without the mirror image: what `pretraining/backbone` trains.
    """
    model = untrained_backbone()
    model.load_weights(str(WEIGHTS if weights is None else weights))
    return model


def untrained_backbone() -> Any:
    """Build the backbone in Keras with random weights."""
    trunk = keras.applications.MobileNetV2(
        input_shape=(FACE_SIDE_PX, FACE_SIDE_PX, 3), include_top=False, weights=None
    )
    face = keras.layers.DepthwiseConv2D(trunk.output.shape[1], use_bias=False)(trunk.output)
    face = keras.layers.BatchNormalization(momentum=0.99)(face)
    face = keras.layers.Flatten()(face)
    face = keras.layers.Dropout(0.1)(face)
    face = keras.layers.Dense(DIMENSIONS, use_bias=False)(face)
    face = keras.layers.BatchNormalization(momentum=0.99, scale=False)(face)
    return keras.Model(trunk.input, face, name="backbone")
