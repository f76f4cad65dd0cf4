"""ResNet-29 for emotions: dlib's face-recognition network with a one-channel stem and batch norms.

The layout and the layer names are dlib's `dlib_face_recognition_resnet_model_v1` (CC0): residual blocks of two 3x3
convolutions, 32 to 256 channels; a `*_down` block halves the picture in its first convolution and takes a 2x2 average
pool, padded with zero channels, as its shortcut. Three things differ: the stem takes one channel of luma, the 3x3
max pool behind it is left out so that a 64-pixel face keeps a 32-pixel map, and every affine is a batch norm.
"""

from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

CHANNELS = 256

_BLOCKS: tuple[tuple[str, int, int, bool], ...] = (
    ("conv32_1", 32, 32, False),
    ("conv32_2", 32, 32, False),
    ("conv32_3", 32, 32, False),
    ("conv64_down", 32, 64, True),
    ("conv64_1", 64, 64, False),
    ("conv64_2", 64, 64, False),
    ("conv64_3", 64, 64, False),
    ("conv128_down", 64, 128, True),
    ("conv128_1", 128, 128, False),
    ("conv128_2", 128, 128, False),
    ("conv256_down", 128, 256, True),
    ("conv256_1", 256, 256, False),
    ("conv256_2", 256, 256, False),
    ("conv256_down_out", 256, 256, True),
)


class ConvNorm(nn.Module):
    """A convolution without bias followed by its batch norm (dlib: convolution, then affine)."""

    def __init__(self, inputs: int, outputs: int, kernel: int = 3, stride: int = 1) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=False)
        self.bn = nn.BatchNorm2d(outputs)

    def forward(self, x: Tensor) -> Tensor:
        return cast(Tensor, self.bn(self.conv(x)))


class Block(nn.Module):
    """Two 3x3 convolutions and a shortcut; `down` halves height and width.

    The shortcut of a `down` block is a 2x2 average pool whose missing channels are zero, as in dlib.
    """

    def __init__(self, inputs: int, outputs: int, down: bool) -> None:
        super().__init__()
        self.conv1 = ConvNorm(inputs, outputs, stride=2 if down else 1)
        self.conv2 = ConvNorm(outputs, outputs)
        self.down = down
        self.extra_channels = outputs - inputs

    def forward(self, x: Tensor) -> Tensor:
        y = self.conv2(functional.relu(self.conv1(x), inplace=True))
        if self.down:
            x = functional.avg_pool2d(x, 2)
            if self.extra_channels:
                x = functional.pad(x, (0, 0, 0, 0, 0, self.extra_channels))
        return functional.relu(y + x, inplace=True)


class ResNet29(nn.Module):
    """Faces to emotion logits.

    Input: float (n, 1, h, w), luma after the bundle's normalisation, h and w multiples of 32 (64 is what is shipped:
    0.241 GMAC). Output: float (n, classes) logits in the bundle's order of labels.
    """

    def __init__(self, classes: int = 7, dropout: float = 0.2) -> None:
        super().__init__()
        self.conv32_down = ConvNorm(1, 32, kernel=7, stride=2)
        for name, inputs, outputs, down in _BLOCKS:
            self.add_module(name, Block(inputs, outputs, down))
        self.fc = nn.Sequential(nn.Dropout(dropout), nn.Linear(CHANNELS, classes))

    def features(self, x: Tensor) -> Tensor:
        """Float (n, 1, h, w) to float (n, 256): the mean over the last map."""
        x = functional.relu(self.conv32_down(x), inplace=True)
        for name, *_ in _BLOCKS:
            x = self.get_submodule(name)(x)
        return torch.flatten(functional.adaptive_avg_pool2d(x, 1), 1)

    def forward(self, x: Tensor) -> Tensor:
        return cast(Tensor, self.fc(self.features(x)))
