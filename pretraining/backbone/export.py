r"""Write a trained backbone as the package ships it: for LiteRT, and for Keras to train and compare with.

    python -m pretraining.backbone.export CHECKPOINT.weights.h5 --out facerec_mqtt/faces/weights \
        --keras pretraining/backbone/backbone.weights.h5

Both files keep their matrices as float16, which halves them; arithmetic stays float32.
"""

import argparse
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from facerec_mqtt.core.records import FACE_SIDE_PX
from facerec_mqtt.faces.embedding import BACKBONE_FILE
from pretraining.backbone.keras_network import WEIGHTS_FILE, build_backbone


def complete(backbone: Any) -> Any:
    """Put the preprocessing before a backbone and the mirror image and the unit length after it.

    Args:
        backbone: from (N, 112, 112, 3) float RGB / 127.5 - 1 to (N, 256).

    Returns:
        A `keras.Model` from (1, 112, 112, 3) uint8 BGR to (1, 256) of unit length.
    """
    import keras

    face = keras.Input(batch_shape=(1, FACE_SIDE_PX, FACE_SIDE_PX, 3), dtype="uint8")
    scaled = keras.ops.flip(keras.ops.cast(face, "float32"), axis=-1) / 127.5 - 1.0
    both = keras.ops.concatenate([scaled, keras.ops.flip(scaled, axis=2)], axis=0)
    total = keras.ops.sum(backbone(both, training=False), axis=0, keepdims=True)
    unit = total * keras.ops.rsqrt(keras.ops.sum(total * total, axis=-1, keepdims=True) + 1e-12)
    return keras.Model(face, unit, name="embedder")


def to_litert(backbone: Any) -> bytes:
    """Convert a backbone, completed, to LiteRT with float16 weights."""
    import tensorflow as tf

    converter = tf.lite.TFLiteConverter.from_keras_model(complete(backbone))
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.target_spec.supported_types = [tf.float16]
    return bytes(converter.convert())


def halve(source: Path, target: Path) -> None:
    """Copy a Keras weights file with its matrices in float16; vectors stay as they are."""
    with h5py.File(source) as full, h5py.File(target, "w", libver="latest") as half:

        def copy(name: str, item: Any) -> None:
            if name.startswith("optimizer"):  # a checkpoint of a whole run holds its memory too
                return
            if isinstance(item, h5py.Dataset):
                values = item[()]
                kind = np.float16 if values.ndim > 1 else values.dtype
                half.create_dataset(name, data=values.astype(kind))
            else:
                half.require_group(name)
            half[name].attrs.update(item.attrs)

        full.visititems(copy)


def main() -> None:
    """Export one checkpoint."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("--out", type=Path, required=True, help="folder of the LiteRT file")
    parser.add_argument("--keras", type=Path, help="the Keras file, where it is not to lie beside the other")
    arguments = parser.parse_args()
    if not arguments.checkpoint.is_file():
        parser.error(f"{arguments.checkpoint} is not there; network or refit writes it")
    arguments.out.mkdir(parents=True, exist_ok=True)
    keras_file = arguments.keras or arguments.out / WEIGHTS_FILE
    litert_file = arguments.out / BACKBONE_FILE
    halve(arguments.checkpoint, keras_file.with_suffix(".part"))
    keras_file.with_suffix(".part").replace(keras_file)
    # From the halved weights, so that both files are the same network.
    content = to_litert(build_backbone(keras_file))
    litert_file.with_suffix(".part").write_bytes(content)
    litert_file.with_suffix(".part").replace(litert_file)
    print(f"{keras_file}: {keras_file.stat().st_size:,} bytes; {litert_file}: {len(content):,} bytes")


if __name__ == "__main__":
    main()
