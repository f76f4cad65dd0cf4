"""Batched augmentation on tensors: what a face goes through between a camera and the classifier.

Order: camera (low resolution, blur, JPEG, noise, H.264), light (gamma, contrast, brightness), geometry (one bilinear
resampling from 48 px straight to the network's size, edges replicated), erasing. Every picture draws its own values.
Constant tables are kept on each device, since copying one there waits for all work before it.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field
from torch import Generator, Tensor
from torch.nn import functional

from classifier_training.video import through_h264

BLUR_WIDTH = 7
_BLUR_ANGLES = 8
_BLUR_LENGTHS = (3.0, 5.0, 7.0, 7.0)
_GAUSSIAN_SIGMAS = (0.8, 1.2, 1.6)


class AugmentSettings(BaseModel):
    """How strong each part is. Ranges are (lowest, highest); `p` is the share of pictures a part touches."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    flip: float = Field(0.5, ge=0.0, le=1.0)
    rotate_deg: float = Field(15.0, ge=0.0, le=180.0)
    scale: tuple[float, float] = (0.72, 1.32)
    shift: float = Field(0.1, ge=0.0, le=0.5, description="share of the side, each way")
    shear: float = Field(0.1, ge=0.0, le=1.0)
    contrast: tuple[float, float] = (0.6, 1.5)
    brightness: float = Field(25.0, ge=0.0, le=255.0)
    gamma_p: float = Field(0.25, ge=0.0, le=1.0)
    gamma: tuple[float, float] = (0.5, 2.4)
    erase_p: float = Field(0.25, ge=0.0, le=1.0)
    erase_side: tuple[float, float] = (0.15, 0.45)
    low_resolution_p: float = Field(0.15, ge=0.0, le=1.0)
    low_resolution_px: tuple[int, int] = (12, 32)
    blur_p: float = Field(0.15, ge=0.0, le=1.0)
    jpeg_p: float = Field(0.12, ge=0.0, le=1.0)
    jpeg_quality: tuple[int, int] = (12, 80)
    h264_p: float = Field(0.0, ge=0.0, le=1.0)
    h264_crf: tuple[int, int] = (26, 40)
    noise_p: float = Field(0.08, ge=0.0, le=1.0)
    noise_sigma: float = Field(12.0, ge=0.0, le=128.0)


@dataclass(frozen=True)
class Augmentation:
    """Applies `settings`, drawing every random number from `generator` (so a run can be resumed exactly).

    Every part is worked out for the whole batch, and pictures that it does not touch get its neutral value (no blur, a
    gamma of 1): nothing waits for a random number to come back from a CUDA device. H.264 alone is coded on the CPU.
    """

    settings: AugmentSettings
    generator: Generator

    def __call__(self, images: Tensor, size: int) -> Tensor:
        """uint8 (n, side, side) luma to float32 (n, 1, size, size), 0 to 255."""
        return self.views(images, (size,))[size]

    def views(self, images: Tensor, sizes: Iterable[int]) -> dict[int, Tensor]:
        """The same augmented pictures at several sizes: a teacher may look at another size than its student."""
        x = self._light(self._camera(images[:, None].float()))
        maps, patch = self._maps(len(x)), self._patch(len(x))
        return {size: _cover(_moved(x, maps, size), patch) for size in sizes}

    def _uniform(self, n: int, low: float, high: float) -> Tensor:
        return torch.rand(n, generator=self.generator, device=self.generator.device) * (high - low) + low

    def _log_uniform(self, n: int, low: float, high: float) -> Tensor:
        return torch.exp(self._uniform(n, math.log(low), math.log(high)))

    def _integers(self, n: int, low: int, high: int) -> Tensor:
        return torch.randint(low, high + 1, (n,), generator=self.generator, device=self.generator.device)

    def _chosen(self, n: int, p: float) -> Tensor:
        return self._uniform(n, 0.0, 1.0) < p

    def _camera(self, x: Tensor) -> Tensor:
        s, n, side = self.settings, len(x), x.shape[-1]
        if s.low_resolution_p:
            drawn = self._integers(n, *s.low_resolution_px) - s.low_resolution_px[0] + 1
            bank = _resamplings(x.device, side, *s.low_resolution_px)
            x = low_resolution(x, bank[drawn * self._chosen(n, s.low_resolution_p)])
        if s.blur_p:
            bank = _blur_kernels(x.device)
            x = blur(x, bank[self._integers(n, 1, len(bank) - 1) * self._chosen(n, s.blur_p)])
        if s.jpeg_p:
            coded = jpeg(x, self._integers(n, *s.jpeg_quality))
            x = torch.where(self._chosen(n, s.jpeg_p)[:, None, None, None], coded, x)
        if s.noise_p:
            sigma = self._uniform(n, 2.0, s.noise_sigma) * self._chosen(n, s.noise_p)
            x = x + torch.randn(x.shape, generator=self.generator, device=x.device) * sigma[:, None, None, None]
        x = x.clamp(0.0, 255.0)
        if s.h264_p:
            filmed = torch.nonzero(self._chosen(n, s.h264_p))[:, 0]
            if len(filmed):
                x[filmed, 0] = h264(x[filmed, 0], *self._film())
        return x

    def _film(self) -> tuple[int, tuple[int, int]]:
        """A rate factor and a movement for all that is filmed together."""
        crf, (right, down) = self._integers(1, *self.settings.h264_crf), self._integers(2, -4, 4).tolist()
        return int(crf), (right, down)

    def _light(self, x: Tensor) -> Tensor:
        s, n = self.settings, len(x)
        power = torch.where(self._chosen(n, s.gamma_p), self._log_uniform(n, *s.gamma), 1.0)[:, None, None, None]
        x = 255.0 * (x / 255.0) ** power
        contrast = self._log_uniform(n, *s.contrast)[:, None, None, None]
        brightness = self._uniform(n, -s.brightness, s.brightness)[:, None, None, None]
        mean = x.mean(dim=(2, 3), keepdim=True)
        return ((x - mean) * contrast + mean + brightness).clamp_(0.0, 255.0)

    def _maps(self, n: int) -> Tensor:
        """Rotation, shear, scale, shift and flip as one map (n, 2, 3) from output to input coordinates (-1 to 1)."""
        s = self.settings
        angle = torch.deg2rad(self._uniform(n, -s.rotate_deg, s.rotate_deg))
        shear = self._uniform(n, -s.shear, s.shear)
        zoom = 1.0 / self._log_uniform(n, *s.scale)
        mirror = 1.0 - 2.0 * self._chosen(n, s.flip).float()
        cos, sin = torch.cos(angle) * zoom, torch.sin(angle) * zoom
        right, down = (2.0 * self._uniform(n, -s.shift, s.shift) for _ in range(2))
        rows = (
            torch.stack([cos * mirror, cos * shear - sin, right], dim=1),
            torch.stack([sin * mirror, sin * shear + cos, down], dim=1),
        )
        return torch.stack(rows, dim=1)

    def _patch(self, n: int) -> Tensor:
        """What is erased, (n, 5): left, top, right and bottom as shares of the side, and the gray value; or nothing."""
        s = self.settings
        sides = torch.stack([self._uniform(n, *s.erase_side) for _ in range(2)], dim=1)
        sides *= self._chosen(n, s.erase_p)[:, None]
        corner = torch.stack([self._uniform(n, 0.0, 1.0) for _ in range(2)], dim=1) * (1.0 - sides)
        return torch.cat([corner, corner + sides, self._uniform(n, 0.0, 255.0)[:, None]], dim=1)


def _moved(x: Tensor, maps: Tensor, size: int) -> Tensor:
    grid = functional.affine_grid(maps, [len(x), 1, size, size], align_corners=False)
    moved = functional.grid_sample(x, grid, padding_mode="border", align_corners=False)
    return moved.clamp_(0.0, 255.0)  # four float32 weights sum to 1 within 1e-7: white came out as 255.00003


def _cover(x: Tensor, patch: Tensor) -> Tensor:
    """Float (n, 1, h, w) with one rectangle of one gray value, or none."""
    left, top, right, bottom, gray = (patch[:, i, None, None, None] for i in range(5))
    rows = ((torch.arange(x.shape[2], device=x.device) + 0.5) / x.shape[2])[:, None]
    columns = (torch.arange(x.shape[3], device=x.device) + 0.5) / x.shape[3]
    inside = (rows >= top) & (rows < bottom) & (columns >= left) & (columns < right)
    return torch.where(inside, gray, x)


def low_resolution(x: Tensor, along: Tensor) -> Tensor:
    """Float (n, 1, side, side), each shrunk and enlarged again along both axes by its own matrix of (n, side, side)."""
    return along[:, None] @ x @ along[:, None].transpose(2, 3)


@cache
def _resamplings(device: torch.device, side: int, low: int, high: int) -> Tensor:
    """Shrinking to `low` .. `high` px by area, enlarging bilinearly, on one axis: (k, side, side), after no change."""
    lines = torch.eye(side)[None]
    found = [torch.eye(side)]
    for small in range(low, high + 1):
        shrunk = functional.interpolate(lines, size=small, mode="area")
        found.append(functional.interpolate(shrunk, size=side, mode="linear")[0].T)
    return torch.stack(found).to(device)


def blur(x: Tensor, kernels: Tensor) -> Tensor:
    """Float (n, 1, h, w), each picture with its own kernel of (n, 7, 7); edges replicated."""
    n, margin = len(x), BLUR_WIDTH // 2
    padded = functional.pad(x, (margin,) * 4, mode="replicate").transpose(0, 1)
    return functional.conv2d(padded, kernels[:, None], groups=n).transpose(0, 1)


def jpeg(x: Tensor, quality: Tensor) -> Tensor:
    """Float (n, 1, h, w), 0 to 255, as JPEG of `quality` (n,), 1 to 100, leaves it.

    What a baseline encoder and decoder do to luma, without the lossless part: blocks of 8 x 8, their cosine transform
    rounded to multiples of the standard's example table (ITU-T T.81, K.1), scaled as libjpeg scales it.
    """
    h, w = x.shape[2:]
    pad = (0, -w % 8, 0, -h % 8)
    levels = functional.pad(x.round(), pad, mode="replicate") - 128.0
    blocks = levels.unfold(2, 8, 8).unfold(3, 8, 8)
    cosine, table = _cosine(x.device)
    factor = torch.where(quality < 50, 5000.0 / quality, 200.0 - 2.0 * quality)[:, None, None]
    steps = ((table * factor + 50.0) / 100.0).floor().clamp(1.0, 255.0)[:, None, None, None]
    coefficients = (cosine @ blocks @ cosine.T / steps).round() * steps
    decoded = (cosine.T @ coefficients @ cosine).transpose(3, 4).reshape(levels.shape)
    return (decoded + 128.0).round().clamp(0.0, 255.0)[..., :h, :w]


_LUMA_TABLE = torch.tensor([
    [16, 11, 10, 16, 24, 40, 51, 61], [12, 12, 14, 19, 26, 58, 60, 55], [14, 13, 16, 24, 40, 57, 69, 56],
    [14, 17, 22, 29, 51, 87, 80, 62], [18, 22, 37, 56, 68, 109, 103, 77], [24, 35, 55, 64, 81, 104, 113, 92],
    [49, 64, 78, 87, 103, 121, 120, 101], [72, 92, 95, 98, 112, 100, 103, 99],
], dtype=torch.float32)  # fmt: skip


@cache
def _cosine(device: torch.device) -> tuple[Tensor, Tensor]:
    """The orthonormal cosine transform of eight values (DCT-II), (8, 8), and the table."""
    k, i = torch.arange(8.0)[:, None], torch.arange(8.0)
    matrix = torch.cos(math.pi * (2 * i + 1) * k / 16) / 2
    matrix[0] /= math.sqrt(2)
    return matrix.to(device), _LUMA_TABLE.to(device)


def h264(images: Tensor, crf: int, move: tuple[int, int]) -> Tensor:
    """Float (n, h, w), 0 to 255, as a frame of a clip; see `classifier_training.video`."""
    coded = through_h264(images.round().to(torch.uint8).cpu().numpy(), crf, move)
    return torch.from_numpy(coded).to(images.device, torch.float32)


def line_kernel(length: float, angle_deg: float) -> NDArray[np.float32]:
    """A motion-blur line of `length` pixels as (7, 7) float32 weights that sum to 1 (0 degrees is horizontal)."""
    fine = 16
    kernel = np.zeros((BLUR_WIDTH * fine, BLUR_WIDTH * fine), np.float32)
    centre = (BLUR_WIDTH * fine - 1) / 2
    reach = (length / 2) * fine
    dx, dy = math.cos(math.radians(angle_deg)), -math.sin(math.radians(angle_deg))
    ys, xs = np.mgrid[0 : BLUR_WIDTH * fine, 0 : BLUR_WIDTH * fine].astype(np.float32) - centre
    along, across = xs * dx + ys * dy, -xs * dy + ys * dx
    kernel[(np.abs(along) <= reach) & (np.abs(across) <= fine / 2)] = 1.0
    small: NDArray[np.float32] = kernel.reshape(BLUR_WIDTH, fine, BLUR_WIDTH, fine).mean(axis=(1, 3))
    small /= small.sum()
    return small


@cache
def _blur_kernels(device: torch.device) -> Tensor:
    """No blur first, then lines of 3, 5 and 7 pixels at eight angles, and three Gaussians; float32 (k, 7, 7)."""
    centre = np.zeros((BLUR_WIDTH, BLUR_WIDTH), np.float32)
    centre[BLUR_WIDTH // 2, BLUR_WIDTH // 2] = 1.0
    kernels = [centre, *(line_kernel(n, 180.0 / _BLUR_ANGLES * a) for n in _BLUR_LENGTHS for a in range(_BLUR_ANGLES))]
    for sigma in _GAUSSIAN_SIGMAS:
        column = cv2.getGaussianKernel(BLUR_WIDTH, sigma, cv2.CV_32F)
        kernels += [column @ column.T] * 2
    return torch.from_numpy(np.stack(kernels).astype(np.float32)).to(device)
