"""The detector's network: depthwise-separable backbone, small feature pyramid, one head for all strides."""

import keras
from keras import layers

STRIDES = (8, 16, 32, 64)
OUTPUTS = 15  # a face's logit, four distances to the sides of its box, five landmarks x, y


@keras.saving.register_keras_serializable("facerec_detector")
class Upsample(layers.Layer):
    """Doubles height and width by repetition, without needing to know them.

    TensorFlow's converter turns `UpSampling2D` of an unknown size into operations on shapes, which keep
    XNNPACK away; four copies rearranged by `depth_to_space` are the same thing without shapes.
    """

    def call(self, inputs):
        """(B, H, W, C) to (B, 2H, 2W, C)."""
        if keras.backend.backend() == "tensorflow":
            import tensorflow as tf

            return tf.nn.depth_to_space(keras.ops.concatenate([inputs] * 4, axis=-1), 2)
        return keras.ops.repeat(keras.ops.repeat(inputs, 2, axis=1), 2, axis=2)


@keras.saving.register_keras_serializable("facerec_detector")
class Normalisation(layers.BatchNormalization):
    """Batch normalisation whose statistics can be frozen while its scale and shift go on learning.

    A batch holds few scenes, and their own statistics hide how unlike the mean a single picture can be:
    trained to the end on them, the network takes every strongly textured wall for a face once each
    picture has to do with the mean statistics.
    """

    frozen = False

    def call(self, inputs, training=None, mask=None):
        """As the base class does; frozen, as in use."""
        return super().call(inputs, training=False if self.frozen else training, mask=mask)


def _normalise(x, name, relu=True):
    x = Normalisation(momentum=0.98, epsilon=1e-4, name=f"{name}_bn")(x)
    return layers.ReLU(name=f"{name}_relu")(x) if relu else x


def _convolve(x, channels, side, stride, name, relu=True):
    x = layers.Conv2D(channels, side, stride, padding="same", use_bias=False, name=name)(x)
    return _normalise(x, name, relu)


def _separable(x, channels, name, stride=1, side=3):
    """Depthwise, then pointwise; added to its input where the shapes allow."""
    y = layers.DepthwiseConv2D(side, stride, padding="same", use_bias=False, name=f"{name}_depthwise")(x)
    y = _normalise(y, f"{name}_depthwise")
    if stride == 1 and x.shape[-1] == channels:
        y = _convolve(y, channels, 1, 1, f"{name}_pointwise", relu=False)
        return layers.ReLU(name=f"{name}_relu")(layers.Add(name=f"{name}_add")([x, y]))
    return _convolve(y, channels, 1, 1, f"{name}_pointwise")


def build(width: int = 64) -> keras.Model:
    """The network for training and export.

    Args:
        width: channels of the pyramid and the head.

    Returns:
        From (B, H, W, 3) float32 BGR, 0–255 scaled to [-1, 1], H and W multiples of 64, to one output
        for each of `STRIDES`: (B, H / stride, W / stride, 15) float32.
    """
    image = keras.Input((None, None, 3), name="image")
    x = _convolve(image, 16, 3, 2, "stem")
    x = _convolve(x, 32, 3, 2, "stage4")
    x = _separable(x, 32, "stage4_a")
    x = _separable(x, 64, "stage8", stride=2)
    x = _separable(x, 64, "stage8_a")
    stage8 = x = _separable(x, 64, "stage8_b")
    x = _separable(x, 128, "stage16", stride=2)
    x = _separable(x, 128, "stage16_a")
    stage16 = x = _separable(x, 128, "stage16_b")
    x = _separable(x, 128, "stage32", stride=2)
    x = _separable(x, 128, "stage32_a", side=5)
    stage32 = x = _separable(x, 128, "stage32_b", side=5)
    x = _separable(x, 128, "stage64", stride=2)
    stage64 = _separable(x, 128, "stage64_a", side=5)

    lateral = _convolve(stage64, width, 1, 1, "lateral64")
    pyramid = [_separable(lateral, width, "pyramid64")]
    for stride, stage in ((32, stage32), (16, stage16), (8, stage8)):
        lateral = layers.Add(name=f"merge{stride}")(
            [_convolve(stage, width, 1, 1, f"lateral{stride}"), Upsample(name=f"up{stride}")(pyramid[0])]
        )
        pyramid.insert(0, _separable(lateral, width, f"pyramid{stride}"))

    return keras.Model(image, _heads(pyramid, width), name="facerec_detector")


def _heads(pyramid, width):
    """One head for all strides: shared convolutions, but each stride has its own normalisation.

    Shared batch statistics would be of one stride at a time in training and of all strides mixed in
    use, which ruins the scores.
    """
    depthwise = layers.DepthwiseConv2D(3, padding="same", use_bias=False, name="head_depthwise")
    pointwise = layers.Conv2D(width, 1, use_bias=False, name="head_pointwise")
    logit = layers.Conv2D(1, 1, bias_initializer=keras.initializers.Constant(-4.6), name="face")
    shape = layers.Conv2D(OUTPUTS - 1, 1, name="shape")
    outputs = []
    for stride, level in zip(STRIDES, pyramid, strict=True):
        y = _normalise(depthwise(level), f"head{stride}_depthwise")
        y = _normalise(pointwise(y), f"head{stride}_pointwise", relu=False)
        y = layers.ReLU(name=f"head{stride}_relu")(layers.Add(name=f"head{stride}_add")([level, y]))
        outputs.append(layers.Concatenate(name=f"stride{stride}")([logit(y), shape(y)]))
    return outputs
