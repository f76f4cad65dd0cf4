"""Batched augmentation on tensors: what a face goes through between a camera and the classifier.

Order: camera (low resolution, blur, JPEG, noise, H.264), light (gamma, contrast, brightness), geometry (one bilinear
resampling from 48 px straight to the network's size, edges replicated), erasing. Every picture draws its own values.
"""

import math
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
    """Applies `settings`, drawing every random number from `generator` (so a run can be resumed exactly)."""

    settings: AugmentSettings
    generator: Generator

    def __call__(self, images: Tensor, size: int) -> Tensor:
        """uint8 (n, h, w) luma to float32 (n, 1, size, size), 0 to 255."""
        x = images[:, None].float()
        x = self._camera(x)
        x = self._light(x)
        x = self._geometry(x, size)
        return self._erase(x)

    def _uniform(self, n: int, low: float, high: float) -> Tensor:
        return torch.rand(n, generator=self.generator, device=self.generator.device) * (high - low) + low

    def _log_uniform(self, n: int, low: float, high: float) -> Tensor:
        return torch.exp(self._uniform(n, math.log(low), math.log(high)))

    def _integer(self, low: int, high: int) -> int:
        return int(torch.randint(low, high + 1, (1,), generator=self.generator, device=self.generator.device))

    def _chosen(self, n: int, p: float) -> Tensor:
        return torch.nonzero(self._uniform(n, 0.0, 1.0) < p)[:, 0]

    def _camera(self, x: Tensor) -> Tensor:
        s, n = self.settings, len(x)
        # Two sizes a batch: a size of its own for every picture would be one small kernel call each.
        for part in self._chosen(n, s.low_resolution_p).chunk(2):
            if len(part):
                x[part] = low_resolution(x[part], self._integer(*s.low_resolution_px))
        blurred = self._chosen(n, s.blur_p)
        if len(blurred):
            bank = _blur_kernels().to(x.device)
            kernels = bank[(self._uniform(len(blurred), 0.0, 1.0) * len(bank)).long()]
            x[blurred] = blur(x[blurred], kernels)
        for i in self._chosen(n, s.jpeg_p).tolist():
            x[i, 0] = jpeg(x[i, 0], self._integer(*s.jpeg_quality))
        noisy = self._chosen(n, s.noise_p)
        if len(noisy):
            sigma = self._uniform(len(noisy), 2.0, s.noise_sigma)[:, None, None, None]
            normal = torch.randn(x[noisy].shape, generator=self.generator, device=x.device)
            x[noisy] += normal * sigma
        x.clamp_(0.0, 255.0)
        if s.h264_p:  # what never asks for it draws as it always has
            filmed = self._chosen(n, s.h264_p)
            if len(filmed):
                x[filmed, 0] = h264(
                    x[filmed, 0], self._integer(*s.h264_crf), (self._integer(-4, 4), self._integer(-4, 4))
                )
        return x

    def _light(self, x: Tensor) -> Tensor:
        s, n = self.settings, len(x)
        bent = self._chosen(n, s.gamma_p)
        if len(bent):
            power = self._log_uniform(len(bent), *s.gamma)[:, None, None, None]
            x[bent] = 255.0 * (x[bent] / 255.0) ** power
        contrast = self._log_uniform(n, *s.contrast)[:, None, None, None]
        brightness = self._uniform(n, -s.brightness, s.brightness)[:, None, None, None]
        mean = x.mean(dim=(2, 3), keepdim=True)
        return ((x - mean) * contrast + mean + brightness).clamp_(0.0, 255.0)

    def _geometry(self, x: Tensor, size: int) -> Tensor:
        """Rotation, shear, scale, shift and flip as one map from output to input coordinates (-1 to 1)."""
        s, n = self.settings, len(x)
        angle = torch.deg2rad(self._uniform(n, -s.rotate_deg, s.rotate_deg))
        shear = self._uniform(n, -s.shear, s.shear)
        zoom = 1.0 / self._log_uniform(n, *s.scale)
        mirror = 1.0 - 2.0 * (self._uniform(n, 0.0, 1.0) < s.flip).float()
        cos, sin = torch.cos(angle) * zoom, torch.sin(angle) * zoom
        theta = torch.zeros(n, 2, 3, device=x.device)
        theta[:, 0, 0], theta[:, 0, 1] = cos * mirror, cos * shear - sin
        theta[:, 1, 0], theta[:, 1, 1] = sin * mirror, sin * shear + cos
        theta[:, :, 2] = 2.0 * torch.stack([self._uniform(n, -s.shift, s.shift) for _ in range(2)], dim=1)
        grid = functional.affine_grid(theta, [n, 1, size, size], align_corners=False)
        moved = functional.grid_sample(x, grid, padding_mode="border", align_corners=False)
        return moved.clamp_(0.0, 255.0)  # four float32 weights sum to 1 within 1e-7: white came out as 255.00003

    def _erase(self, x: Tensor) -> Tensor:
        """One rectangle of one gray value, drawn from the picture's own range."""
        s, size = self.settings, x.shape[-1]
        for i in self._chosen(len(x), s.erase_p).tolist():
            height, width = (self._uniform(2, *s.erase_side) * size).long().tolist()
            top, left = self._integer(0, size - height), self._integer(0, size - width)
            x[i, :, top : top + height, left : left + width] = float(self._uniform(1, 0.0, 255.0))
        return x


def low_resolution(x: Tensor, side: int) -> Tensor:
    """Float (n, 1, h, w) shrunk to `side` pixels by area and enlarged again bilinearly."""
    small = functional.interpolate(x, size=(side, side), mode="area")
    return functional.interpolate(small, size=x.shape[-2:], mode="bilinear")


def blur(x: Tensor, kernels: Tensor) -> Tensor:
    """Float (n, 1, h, w), each picture with its own kernel of (n, 7, 7); edges replicated."""
    n, margin = len(x), BLUR_WIDTH // 2
    padded = functional.pad(x, (margin,) * 4, mode="replicate").transpose(0, 1)
    return functional.conv2d(padded, kernels[:, None], groups=n).transpose(0, 1)


def jpeg(image: Tensor, quality: int) -> Tensor:
    """Float (h, w), 0 to 255, through OpenCV's JPEG encoder at `quality` (1 to 100)."""
    pixels = image.round().to(torch.uint8).cpu().numpy()
    _, data = cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, quality])
    decoded = cv2.imdecode(data, cv2.IMREAD_GRAYSCALE)
    return torch.from_numpy(decoded).to(image.device, torch.float32)


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
def _blur_kernels() -> Tensor:
    """Every blur of the augmentation: lines of 3, 5 and 7 pixels at eight angles, and three Gaussians."""
    kernels = [line_kernel(n, 180.0 / _BLUR_ANGLES * a) for n in _BLUR_LENGTHS for a in range(_BLUR_ANGLES)]
    for sigma in _GAUSSIAN_SIGMAS:
        column = cv2.getGaussianKernel(BLUR_WIDTH, sigma, cv2.CV_32F)
        kernels += [column @ column.T] * 2
    return torch.from_numpy(np.stack(kernels).astype(np.float32))
