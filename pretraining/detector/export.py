"""Trained network to LiteRT: float16 weights, any frame size."""

import tempfile
from pathlib import Path

import keras
import tensorflow as tf


def export(model: keras.Model, path: Path) -> None:
    """Write the network as LiteRT, replacing the file at once; the frame's height and width are free."""
    signature = [tf.TensorSpec((1, None, None, 3), tf.float32, name="image")]
    archive = keras.export.ExportArchive()
    archive.track(model)
    archive.add_endpoint("serve", lambda image: model(image, training=False), input_signature=signature)
    with tempfile.TemporaryDirectory() as folder:
        archive.write_out(folder, verbose=False)
        converter = tf.lite.TFLiteConverter.from_saved_model(folder)
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.target_spec.supported_types = [tf.float16]
        content = converter.convert()
    partial = path.with_suffix(".partial")
    partial.write_bytes(content)
    partial.replace(path)
