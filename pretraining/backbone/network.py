"""The backbone in PyTorch, for training, and the way to Keras' weights and back.

The package builds the same network in Keras (`pretraining.backbone.keras_network`), which needs
TensorFlow. Training runs on PyTorch, since that is half as fast again on a processor and uses a
graphics card's bfloat16. The way from one to the other:

    python -m pretraining.backbone.network WEIGHTS.h5 START.npz
    python -m pretraining.backbone.network AVERAGE.npz WEIGHTS.h5
"""

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

SIDE_PX = 112
DIMENSIONS = 256
EPSILON = 1e-3
MOMENTUM = 0.01
"""Share of each batch in the normalisations' averages; Keras' 0.001 lags for thousands of steps."""
BLOCKS = (
    # expansion, channels, repetitions, stride of the first (arXiv 1801.04381, table 2)
    (1, 16, 1, 1),
    (6, 24, 2, 2),
    (6, 32, 3, 2),
    (6, 64, 4, 2),
    (6, 96, 3, 1),
    (6, 160, 3, 2),
    (6, 320, 1, 1),
)


class Convolution(nn.Module):
    """Convolution and normalisation, with ReLU6 where it is wanted; padded as Keras pads."""

    def __init__(self, taken: int, given: int, side: int, stride: int, groups: int, *, relu: bool) -> None:
        super().__init__()
        padding = side // 2 if stride == 1 else 0
        self.convolution = nn.Conv2d(taken, given, side, stride, padding, groups=groups, bias=False)
        self.normalisation = nn.BatchNorm2d(given, EPSILON, MOMENTUM)
        self.stride, self.relu = stride, relu

    def forward(self, image: Tensor) -> Tensor:
        """(N, C, H, W) to (N, C', H', W')."""
        if self.stride == 2:
            # Keras puts an even picture's one row of padding at the end alone.
            even = image.shape[2] % 2 == 0
            image = functional.pad(image, (0, 1, 0, 1) if even else (1, 1, 1, 1))
        if self.normalisation.training:
            image = self.normalisation(self.convolution(image))
        else:
            image = self._folded(image)
        return functional.relu6(image, inplace=True) if self.relu else image

    def _folded(self, image: Tensor) -> Tensor:
        """Convolution with its normalisation, whose averages stand, multiplied into the weights."""
        normalisation, convolution = self.normalisation, self.convolution
        gain = normalisation.weight * torch.rsqrt(normalisation.running_var + EPSILON)
        shift = normalisation.bias - normalisation.running_mean * gain
        weight = convolution.weight * gain[:, None, None, None]
        return functional.conv2d(
            image, weight, shift, convolution.stride, convolution.padding, groups=convolution.groups
        )


class Block(nn.Module):
    """An inverted residual."""

    def __init__(self, taken: int, given: int, expansion: int, stride: int) -> None:
        super().__init__()
        wide = taken * expansion
        layers = [Convolution(taken, wide, 1, 1, 1, relu=True)] if expansion > 1 else []
        layers.append(Convolution(wide, wide, 3, stride, wide, relu=True))
        layers.append(Convolution(wide, given, 1, 1, 1, relu=False))
        self.layers = nn.Sequential(*layers)
        self.residual = stride == 1 and taken == given

    def forward(self, image: Tensor) -> Tensor:
        """(N, C, H, W) to (N, C', H', W')."""
        return image + self.layers(image) if self.residual else self.layers(image)


class Backbone(nn.Module):
    """MobileNetV2, alpha 1.0, with a global depthwise convolution and a 256-d projection."""

    def __init__(self) -> None:
        super().__init__()
        layers: list[nn.Module] = [Convolution(3, 32, 3, 2, 1, relu=True)]
        channels = 32
        for expansion, given, repetitions, stride in BLOCKS:
            for repetition in range(repetitions):
                layers.append(Block(channels, given, expansion, stride if repetition == 0 else 1))
                channels = given
        layers.append(Convolution(channels, 1280, 1, 1, 1, relu=True))
        self.trunk = nn.Sequential(*layers)
        self.pooling = nn.Conv2d(1280, 1280, 4, groups=1280, bias=False)
        self.pooled = nn.BatchNorm2d(1280, EPSILON, MOMENTUM)
        self.dropout = nn.Dropout(0.1)
        self.projection = nn.Linear(1280, DIMENSIONS, bias=False)
        self.projected = nn.BatchNorm1d(DIMENSIONS, EPSILON, MOMENTUM)
        self.projected.weight.requires_grad_(False)  # Keras has no scale there

    def forward(self, faces: Tensor) -> Tensor:
        """(N, 3, 112, 112) RGB / 127.5 - 1 to (N, 256), not of unit length."""
        return self.look(faces, ())[0]

    def look(self, faces: Tensor, modules: Sequence[int]) -> tuple[Tensor, list[Tensor]]:
        """The same, and what the trunk has made of the faces after so many of its modules."""
        maps = []
        image = faces
        for number, module in enumerate(self.trunk, 1):
            image = module(image)
            if number in modules:
                maps.append(image)
        pooled = self.pooled(self.pooling(image)).flatten(1)
        return self.projected(self.projection(self.dropout(pooled))), maps


def load(path: Path) -> Backbone:
    """Open what `save` wrote."""
    backbone = Backbone()
    with np.load(path) as arrays:
        backbone.load_state_dict({name: torch.from_numpy(arrays[name]) for name in arrays})
    return backbone


def save(state: dict[str, Tensor], path: Path) -> None:
    """Write a state dictionary as plain arrays, at once."""
    part = path.with_suffix(".part")
    with part.open("wb") as file:
        np.savez(file, **{name: tensor.detach().cpu().numpy() for name, tensor in state.items()})
    part.replace(path)


def keras_names() -> Iterator[tuple[str, str]]:
    """Names of the trunk's layers in Keras beside ours: a convolution's, then its normalisation's."""
    yield "Conv1", "trunk.0.convolution"
    yield "bn_Conv1", "trunk.0.normalisation"
    number = 0
    for expansion, _, repetitions, _ in BLOCKS:
        for _ in range(repetitions):
            prefix = f"block_{number}_" if number else "expanded_conv_"
            parts = ["expand"] * (expansion > 1) + ["depthwise", "project"]
            for at, part in enumerate(parts):
                yield f"{prefix}{part}", f"trunk.{number + 1}.layers.{at}.convolution"
                yield f"{prefix}{part}_BN", f"trunk.{number + 1}.layers.{at}.normalisation"
            number += 1
    yield "Conv_1", f"trunk.{number + 1}.convolution"
    yield "Conv_1_bn", f"trunk.{number + 1}.normalisation"


def layers_of(model: Any) -> list[tuple[Any, str]]:
    """A Keras model's layers that hold weights, each with the name of our module."""
    trunk = dict(keras_names())
    weighted = [layer for layer in model.layers if layer.weights]
    heads = iter(("pooling", "pooled", "projection", "projected"))
    return [(layer, trunk.get(layer.name) or next(heads)) for layer in weighted]


def from_keras(model: Any) -> Backbone:
    """The same network in PyTorch.

    Args:
        model: ours whole, or ImageNet's trunk alone; the pooling then begins as an average.
    """
    backbone = Backbone()
    nn.init.constant_(backbone.pooling.weight, 1 / 16)
    state = backbone.state_dict()
    for layer, module in layers_of(model):
        arrays = layer.get_weights()
        if len(arrays) == 1:
            kernel = torch.from_numpy(arrays[0])
            if kernel.ndim == 2:
                state[f"{module}.weight"] = kernel.T
            else:
                depthwise = kernel.shape[3] == 1
                state[f"{module}.weight"] = kernel.permute((2, 3, 0, 1) if depthwise else (3, 2, 0, 1))
        else:
            names = ("weight", "bias", "running_mean", "running_var")[-len(arrays) :]
            state.update(
                {f"{module}.{name}": torch.from_numpy(each) for name, each in zip(names, arrays, strict=True)}
            )
    backbone.load_state_dict(state)
    return backbone


def to_keras(backbone: Backbone, model: Any) -> None:
    """Put our weights into a Keras model of the whole network."""
    state = {name: tensor.detach().cpu() for name, tensor in backbone.state_dict().items()}
    for layer, module in layers_of(model):
        if len(layer.weights) > 1:
            names = ("weight", "bias", "running_mean", "running_var")[-len(layer.weights) :]
            layer.set_weights([state[f"{module}.{name}"].numpy() for name in names])
            continue
        kernel = state[f"{module}.weight"]
        if kernel.ndim == 2:
            layer.set_weights([kernel.T.numpy()])
        else:
            depthwise = layer.weights[0].shape[3] == 1
            layer.set_weights([kernel.permute((2, 3, 0, 1) if depthwise else (2, 3, 1, 0)).numpy()])


def between(first: Backbone, second: Backbone, share: float) -> dict[str, Tensor]:
    """Weights between two networks' of one descent (arXiv 2109.01903), `share` of them the second's."""
    other = second.state_dict()
    return {
        name: each.lerp(other[name], share) if each.is_floating_point() else each
        for name, each in first.state_dict().items()
    }


def main() -> None:
    """Convert in the direction that the files' names say."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("source", type=Path, help="Keras' .weights.h5, or .npz of ours")
    parser.add_argument("target", type=Path, help="the other of the two")
    parser.add_argument("--towards", type=Path, help="an .npz: take weights between source's and these")
    parser.add_argument("--share", type=float, default=0.5, help="of them")
    arguments = parser.parse_args()
    if not arguments.source.is_file():
        parser.error(f"{arguments.source} is not there")
    if not arguments.target.name.endswith((".npz", ".weights.h5")):
        parser.error(f"{arguments.target} must end in .npz or .weights.h5")
    arguments.target.parent.mkdir(parents=True, exist_ok=True)
    if arguments.towards:
        weights = between(load(arguments.source), load(arguments.towards), arguments.share)
        save(weights, arguments.target)
        return
    import keras

    from pretraining.backbone.keras_network import build_backbone, untrained_backbone

    if arguments.target.suffix == ".npz":
        try:
            model = build_backbone(arguments.source)
        except ValueError:  # ImageNet's, which has no layers of ours
            shape = (SIDE_PX, SIDE_PX, 3)
            model = keras.applications.MobileNetV2(input_shape=shape, include_top=False, weights=None)
            model.load_weights(arguments.source)
        backbone = from_keras(model)
        save(backbone.state_dict(), arguments.target)
    else:
        backbone = load(arguments.source)
        model = untrained_backbone()
        to_keras(backbone, model)
        model.save_weights(arguments.target)
    if model.output_shape[-1] == DIMENSIONS:
        faces = np.random.default_rng(0).uniform(-1, 1, (4, SIDE_PX, SIDE_PX, 3)).astype(np.float32)
        with torch.no_grad():
            ours = backbone.eval()(torch.from_numpy(faces).permute(0, 3, 1, 2)).numpy()
        theirs = np.asarray(model(faces, training=False))
        print(f"Greatest difference of the two answers: {np.abs(ours - theirs).max():.2g}")


if __name__ == "__main__":
    main()
