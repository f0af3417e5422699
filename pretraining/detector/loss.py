"""What the network should say for a scene, and how far it is from it. Any Keras backend."""

import keras
from keras import ops

from pretraining.detector.network import STRIDES

# Face sizes (root of the box's area, px) that each stride answers for; they overlap, so that no size falls
# between two grids.
RANGES = ((0.0, 44.0), (28.0, 88.0), (56.0, 190.0), (130.0, 1e6))
RANGE_SLACK = 1.5  # a face this much outside a range is neither asked for nor punished there
BOX_WEIGHT = 2.0
LANDMARK_WEIGHT = 8.0
LANDMARK_KNEE = 0.02  # smooth L1 turns linear here; share of the face's size
FOCAL_POWER = 2.0  # focal loss, arXiv 1708.02002
POSITIVE_SHARE = 0.5


class DetectorModel(keras.Model):
    """The network with its loss, so that Keras trains it on any backend."""

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        """Mean loss per positive cell.

        Args:
            x: scenes, not used.
            y: (B, M, 15) float32: 1 a face, 2 something to ignore, 0 nothing; x_min, y_min, x_max, y_max;
                five landmarks x, y; px.
            y_pred: for each stride (B, H / stride, W / stride, 15).
            sample_weight: not used.
            training: not used.
        """
        del x, sample_weight, training
        sums = [
            level_loss(y, output, stride, span)
            for output, stride, span in zip(y_pred, STRIDES, RANGES, strict=True)
        ]
        face, box, landmark, positive = (sum(parts) for parts in zip(*sums, strict=True))
        positive = ops.maximum(positive, 1.0)
        return (face + BOX_WEIGHT * box + LANDMARK_WEIGHT * landmark) / positive


def level_loss(labels, output, stride, span):
    """Sums over one grid: face, box and landmark losses, and the number of positive cells."""
    height, width = ops.shape(output)[1], ops.shape(output)[2]
    cells = ops.reshape(output, (-1, height * width, 15))
    columns = (ops.cast(ops.arange(width), "float32") + 0.5) * stride
    rows = (ops.cast(ops.arange(height), "float32") + 0.5) * stride
    grid_y, grid_x = ops.meshgrid(rows, columns, indexing="ij")
    centres = ops.reshape(ops.stack([grid_x, grid_y], axis=-1), (1, -1, 1, 2))  # (1, N, 1, 2)

    kind, low, high = labels[:, None, :, 0], labels[:, None, :, 1:3], labels[:, None, :, 3:5]
    size = ops.sqrt(ops.maximum(ops.prod(high - low, axis=-1), 1.0))  # (B, 1, M)
    away = ops.max(ops.abs(centres - (low + high) / 2), axis=-1)  # (B, N, M)
    is_face = ops.equal(kind, 1.0)
    in_range = is_face & (size >= span[0]) & (size < span[1])
    in_slack = is_face & (size >= span[0] / RANGE_SLACK) & (size < span[1] * RANGE_SLACK)
    positive = in_range & (away <= ops.maximum(0.55 * stride, 0.18 * size))
    near = in_slack & (away <= ops.maximum(1.05 * stride, 0.3 * size))
    inside = ops.all((centres >= low - stride / 2) & (centres <= high + stride / 2), axis=-1)
    ignored = ops.any(near | (ops.equal(kind, 2.0) & inside), axis=2)

    mine = ops.argmin(ops.where(positive, away / size, 1e6), axis=2)  # (B, N)
    positive = ops.cast(ops.any(positive, axis=2), "float32")
    counted = ops.maximum(positive, 1.0 - ops.cast(ignored, "float32"))
    target = ops.take_along_axis(labels[:, :, 1:], mine[:, :, None], axis=1)  # (B, N, 14)
    size = ops.take_along_axis(size[:, 0, :], mine, axis=1)[..., None]

    face = _focal(cells[..., 0], positive) * counted
    centres = centres[:, :, 0]
    sides = ops.exp(ops.clip(cells[..., 1:5], -6.0, 6.0)) * stride
    box = _box_loss(centres - sides[..., :2], centres + sides[..., 2:], target[..., :2], target[..., 2:4])
    landmarks = ops.tile(centres, (1, 1, 5)) + cells[..., 5:] * stride
    error = ops.abs(landmarks - target[..., 4:]) / ops.maximum(size, 1.0)
    error = ops.where(error < LANDMARK_KNEE, 0.5 * error**2 / LANDMARK_KNEE, error - 0.5 * LANDMARK_KNEE)
    landmark = ops.mean(error, axis=-1)
    return ops.sum(face), ops.sum(box * positive), ops.sum(landmark * positive), ops.sum(positive)


def _focal(logit, positive):
    """Focal loss of each cell, from logits."""
    signed = ops.where(positive > 0.5, logit, -logit)
    share = ops.where(positive > 0.5, POSITIVE_SHARE, 1.0 - POSITIVE_SHARE)
    return 4.0 * share * ops.sigmoid(-signed) ** FOCAL_POWER * ops.softplus(-signed)


def _box_loss(low, high, target_low, target_high):
    """EIoU (arXiv 2101.08158): overlap, distance of the centres, and of width and height."""
    shared = ops.prod(
        ops.maximum(ops.minimum(high, target_high) - ops.maximum(low, target_low), 0.0), axis=-1
    )
    area = ops.prod(high - low, axis=-1) + ops.prod(target_high - target_low, axis=-1) - shared
    hull = ops.maximum(ops.maximum(high, target_high) - ops.minimum(low, target_low), 1.0)
    apart = ops.sum(((low + high - target_low - target_high) / 2) ** 2, axis=-1) / ops.sum(hull**2, axis=-1)
    sides = ops.sum(((high - low - target_high + target_low) / hull) ** 2, axis=-1)
    return 1.0 - shared / ops.maximum(area, 1.0) + apart + sides
