"""YOLO11n in plain torch, for one pass at serving and for export.

The architecture is Ultralytics' YOLO11 (yolo11.yaml, scale n), written anew; the names of its parameters are theirs
(`model.0.conv.weight` ...), so that a state dict moves between the two without renaming. What differs: the network
ends at the raw head, and the width of the class branch is a parameter (64 for one class made from the YAML, 80 where
it was taken over from COCO's 80 classes). Boxes are decoded in `worker.models.boxes`.
"""

from typing import cast

import torch
from torch import Tensor, nn

BINS = 16  # bins of the distribution over each distance (DFL)
STRIDES = (8, 16, 32)


class Conv(nn.Module):
    """Convolution without bias, batch norm, SiLU (or nothing, `act=False`)."""

    def __init__(
        self, inputs: int, outputs: int, kernel: int = 1, stride: int = 1, groups: int = 1, *, act: bool = True
    ) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, groups=groups, bias=False)
        self.bn = nn.BatchNorm2d(outputs, eps=1e-3, momentum=0.03)
        self.act: nn.Module = nn.SiLU(inplace=True) if act else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        return cast(Tensor, self.act(self.bn(self.conv(x))))


class Bottleneck(nn.Module):
    """Two 3x3 convolutions around a shortcut; the middle has `middle` channels."""

    def __init__(self, channels: int, middle: int) -> None:
        super().__init__()
        self.cv1 = Conv(channels, middle, 3)
        self.cv2 = Conv(middle, channels, 3)

    def forward(self, x: Tensor) -> Tensor:
        return x + cast(Tensor, self.cv2(self.cv1(x)))


class C3k(nn.Module):
    """Cross-stage block with two full-width bottlenecks on one of its halves."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        half = channels // 2
        self.cv1 = Conv(channels, half)
        self.cv2 = Conv(channels, half)
        self.cv3 = Conv(2 * half, channels)
        self.m = nn.Sequential(Bottleneck(half, half), Bottleneck(half, half))

    def forward(self, x: Tensor) -> Tensor:
        return cast(Tensor, self.cv3(torch.cat((self.m(self.cv1(x)), self.cv2(x)), 1)))


class C3k2(nn.Module):
    """Cross-stage block whose parts are all kept: both halves of the input and what was made of the second."""

    def __init__(self, inputs: int, outputs: int, share: float = 0.5, *, deep: bool = False) -> None:
        super().__init__()
        channels = int(outputs * share)
        self.cv1 = Conv(inputs, 2 * channels)
        self.cv2 = Conv(3 * channels, outputs)
        self.m = nn.ModuleList([C3k(channels) if deep else Bottleneck(channels, channels // 2)])

    def forward(self, x: Tensor) -> Tensor:
        first, second = self.cv1(x).chunk(2, 1)
        return cast(Tensor, self.cv2(torch.cat((first, second, self.m[0](second)), 1)))


class SPPF(nn.Module):
    """Three 5x5 max pools in a row, all kept."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.cv1 = Conv(channels, channels // 2)
        self.cv2 = Conv(channels * 2, channels)
        self.m = nn.MaxPool2d(5, 1, 2)

    def forward(self, x: Tensor) -> Tensor:
        parts = [self.cv1(x)]
        for _ in range(3):
            parts.append(self.m(parts[-1]))
        return cast(Tensor, self.cv2(torch.cat(parts, 1)))


class Attention(nn.Module):
    """Self-attention over all positions; 64 channels a head, keys half as wide, a 3x3 depthwise position term."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.heads = channels // 64
        self.key_width = 32
        self.qkv = Conv(channels, channels + 2 * self.heads * self.key_width, act=False)
        self.proj = Conv(channels, channels, act=False)
        self.pe = Conv(channels, channels, 3, groups=channels, act=False)

    def forward(self, x: Tensor) -> Tensor:
        n, c, h, w = x.shape
        qkv = self.qkv(x).view(n, self.heads, 2 * self.key_width + 64, h * w)
        query, key, value = qkv.split((self.key_width, self.key_width, 64), 2)
        weights = ((query.transpose(-2, -1) @ key) * self.key_width**-0.5).softmax(-1)
        mixed = (value @ weights.transpose(-2, -1)).view(n, c, h, w)
        return cast(Tensor, self.proj(mixed + self.pe(value.reshape(n, c, h, w))))


class PSABlock(nn.Module):
    """Attention and a two-layer feed-forward part, each beside a shortcut."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.attn = Attention(channels)
        self.ffn = nn.Sequential(Conv(channels, 2 * channels), Conv(2 * channels, channels, act=False))

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.attn(x)
        return x + cast(Tensor, self.ffn(x))


class C2PSA(nn.Module):
    """Attention on one half of the channels."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.cv1 = Conv(channels, channels)
        self.cv2 = Conv(channels, channels)
        self.m = nn.Sequential(PSABlock(channels // 2))

    def forward(self, x: Tensor) -> Tensor:
        first, second = self.cv1(x).chunk(2, 1)
        return cast(Tensor, self.cv2(torch.cat((first, self.m(second)), 1)))


class DistanceBins(nn.Module):
    """The constant 0 .. 15 that the distances' distribution is weighed with; part of the state dict only."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(BINS, 1, 1, bias=False).requires_grad_(False)
        self.conv.weight.data[:] = torch.arange(BINS, dtype=torch.float32).view(1, BINS, 1, 1)


class Detect(nn.Module):
    """The head, over maps of stride 8, 16 and 32: a branch for boxes and a branch for classes, without decoding."""

    def __init__(self, channels: tuple[int, ...], classes: int, class_width: int) -> None:
        super().__init__()
        box = max(16, channels[0] // 4, 4 * BINS)
        self.cv2 = nn.ModuleList(
            nn.Sequential(Conv(c, box, 3), Conv(box, box, 3), nn.Conv2d(box, 4 * BINS, 1)) for c in channels
        )
        self.cv3 = nn.ModuleList(
            nn.Sequential(
                nn.Sequential(Conv(c, c, 3, groups=c), Conv(c, class_width)),
                nn.Sequential(Conv(class_width, class_width, 3, groups=class_width), Conv(class_width, class_width)),
                nn.Conv2d(class_width, classes, 1),
            )
            for c in channels
        )
        self.dfl = DistanceBins()

    def forward(self, maps: list[Tensor]) -> Tensor:
        levels = [
            torch.cat((boxes(x), classes(x)), 1).flatten(2)
            for x, boxes, classes in zip(maps, self.cv2, self.cv3, strict=True)
        ]
        return torch.cat(levels, 2)


class YOLO11n(nn.Module):
    """Pictures to raw boxes and class logits.

    Input: float (n, 3, h, w), RGB, 0 to 1, h and w multiples of 32.
    Output: float (n, 64 + classes, anchors): four distributions of 16 logits over the distances left, top, right and
    bottom of an anchor, in strides, then the class logits. Anchors are the cells of the maps of stride 8, 16 and 32,
    row by row. 1.893 GMAC at 640x384 with a class branch of 64, 1.944 with 80.
    """

    def __init__(self, classes: int = 1, class_width: int = 64) -> None:
        super().__init__()
        self.model = nn.ModuleDict(
            {
                "0": Conv(3, 16, 3, 2),
                "1": Conv(16, 32, 3, 2),
                "2": C3k2(32, 64, 0.25),
                "3": Conv(64, 64, 3, 2),
                "4": C3k2(64, 128, 0.25),
                "5": Conv(128, 128, 3, 2),
                "6": C3k2(128, 128, deep=True),
                "7": Conv(128, 256, 3, 2),
                "8": C3k2(256, 256, deep=True),
                "9": SPPF(256),
                "10": C2PSA(256),
                "13": C3k2(384, 128),
                "16": C3k2(256, 64),
                "17": Conv(64, 64, 3, 2),
                "19": C3k2(192, 128),
                "20": Conv(128, 128, 3, 2),
                "22": C3k2(384, 256, deep=True),
                "23": Detect((64, 128, 256), classes, class_width),
            }
        )
        self.up = nn.Upsample(scale_factor=2.0, mode="nearest")

    def forward(self, x: Tensor) -> Tensor:
        def run(x: Tensor, *names: str) -> Tensor:
            for name in names:
                x = self.model[name](x)
            return x

        stride8 = run(x, "0", "1", "2", "3", "4")
        stride16 = run(stride8, "5", "6")
        stride32 = run(stride16, "7", "8", "9", "10")
        middle = run(torch.cat((self.up(stride32), stride16), 1), "13")
        small = run(torch.cat((self.up(middle), stride8), 1), "16")
        medium = run(torch.cat((run(small, "17"), middle), 1), "19")
        large = run(torch.cat((run(medium, "20"), stride32), 1), "22")
        return cast(Tensor, self.model["23"]([small, medium, large]))


def class_width_of(state: dict[str, Tensor]) -> int:
    """The class branch's width in a state dict of YOLO11n (64 or 80)."""
    return int(state["model.23.cv3.0.0.1.conv.weight"].shape[0])
