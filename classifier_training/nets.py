"""The architectures: the shipped ResNet-29 and those that student projects of the field used, rebuilt in torch.

Every network takes float (n, 1, h, w), gives `features` (n, width) and, through `fc`, logits (n, classes).
"""

from collections.abc import Callable
from typing import Protocol, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from classifier_training.errors import TrainingError
from worker.models.nets.resnet29 import ResNet29


class EmotionNet(Protocol):
    """What training and evaluation ask of a network (all are `torch.nn.Module`)."""

    fc: nn.Sequential

    def features(self, x: Tensor) -> Tensor: ...

    def __call__(self, x: Tensor) -> Tensor: ...


class PlainNet(nn.Module):
    """A body that ends in a vector, dropout and one linear layer."""

    def __init__(self, body: nn.Module, width: int, classes: int, dropout: float) -> None:
        super().__init__()
        self.body = body
        self.fc = nn.Sequential(nn.Dropout(dropout), nn.Linear(width, classes))

    def features(self, x: Tensor) -> Tensor:
        return cast(Tensor, self.body(x))

    def forward(self, x: Tensor) -> Tensor:
        return cast(Tensor, self.fc(self.features(x)))


def _conv(inputs: int, outputs: int, kernel: int = 3, stride: int = 1, *, norm: bool = True) -> list[nn.Module]:
    layers: list[nn.Module] = [nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=not norm)]
    if norm:
        layers.append(nn.BatchNorm2d(outputs))
    return [*layers, nn.ReLU(inplace=True)]


def simple_cnn(classes: int, dropout: float) -> PlainNet:
    """Three 3x3 convolutions (32, 64, 128), each with a pool, and a dense layer of 128. For 48 px."""
    layers: list[nn.Module] = []
    for inputs, outputs in ((1, 32), (32, 64), (64, 128)):
        layers += [*_conv(inputs, outputs), nn.MaxPool2d(2)]
    return PlainNet(nn.Sequential(*layers, nn.Flatten(), nn.Linear(128 * 36, 128), nn.ReLU()), 128, classes, dropout)


def lenet(classes: int, dropout: float) -> PlainNet:
    """LeNet-5's form, wider: three 5x5 convolutions (32, 64, 128) with pools, dense layers of 256 and 84. For 48 px."""
    layers: list[nn.Module] = []
    for inputs, outputs in ((1, 32), (32, 64), (64, 128)):
        layers += [*_conv(inputs, outputs, 5, norm=False), nn.MaxPool2d(2)]
    dense = [nn.Flatten(), nn.Linear(128 * 36, 256), nn.ReLU(), nn.Linear(256, 84), nn.ReLU()]
    return PlainNet(nn.Sequential(*layers, *dense), 84, classes, dropout)


def shallow_cnn(classes: int, dropout: float) -> PlainNet:
    """Two convolutions (5x5 of 64, 3x3 of 128) with pools, and a dense layer of 256. For 48 px."""
    layers = [*_conv(1, 64, 5), nn.MaxPool2d(2), nn.Dropout2d(dropout / 2), *_conv(64, 128), nn.MaxPool2d(2)]
    dense = [nn.MaxPool2d(2), nn.Flatten(), nn.Linear(128 * 36, 256), nn.BatchNorm1d(256), nn.ReLU()]
    return PlainNet(nn.Sequential(*layers, *dense), 256, classes, dropout)


def wide_cnn(classes: int, dropout: float) -> PlainNet:
    """Three wide 3x3 convolutions (64, 128, 256), each with pool and dropout, and a dense layer of 512. For 48 px."""
    layers: list[nn.Module] = []
    for inputs, outputs in ((1, 64), (64, 128), (128, 256)):
        layers += [*_conv(inputs, outputs), nn.MaxPool2d(2), nn.Dropout2d(dropout / 2)]
    dense = [nn.Flatten(), nn.Linear(256 * 36, 512), nn.BatchNorm1d(512), nn.ReLU()]
    return PlainNet(nn.Sequential(*layers, *dense), 512, classes, dropout)


def vgg19_bn(classes: int, dropout: float) -> PlainNet:
    """VGG19 (Simonyan and Zisserman 2014) with batch norms; the dense layers are replaced by one mean over the map."""
    layers: list[nn.Module] = []
    inputs = 1
    for outputs, repeats in ((64, 2), (128, 2), (256, 4), (512, 4), (512, 4)):
        for _ in range(repeats):
            layers += _conv(inputs, outputs)
            inputs = outputs
        layers.append(nn.MaxPool2d(2))
    return PlainNet(nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten()), 512, classes, dropout)


class SqueezeExcitation(nn.Module):
    """Channel attention: weights from the channel means (Hu et al. 2018)."""

    def __init__(self, channels: int, reduction: int = 16) -> None:
        super().__init__()
        self.squeeze = nn.Linear(channels, channels // reduction)
        self.excite = nn.Linear(channels // reduction, channels)

    def forward(self, x: Tensor) -> Tensor:
        weights = torch.sigmoid(self.excite(functional.relu(self.squeeze(x.mean(dim=(2, 3))))))
        return x * weights[:, :, None, None]


class BasicBlock(nn.Module):
    """Two 3x3 convolutions with a shortcut (He et al. 2015), with or without channel attention."""

    def __init__(self, inputs: int, outputs: int, stride: int, attention: bool) -> None:
        super().__init__()
        self.body = nn.Sequential(
            *_conv(inputs, outputs, 3, stride),
            nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False),
            nn.BatchNorm2d(outputs),
            SqueezeExcitation(outputs) if attention else nn.Identity(),
        )
        same = stride == 1 and inputs == outputs
        self.shortcut = nn.Identity() if same else nn.Sequential(*_conv(inputs, outputs, 1, stride)[:2])

    def forward(self, x: Tensor) -> Tensor:
        return functional.relu(self.body(x) + self.shortcut(x), inplace=True)


def _resnet(blocks: tuple[int, ...], classes: int, dropout: float, attention: bool = False) -> PlainNet:
    """A 3x3 stem of stride 2 without max pool (48 px faces keep a 24 px map), then four stages of 64 to 512."""
    layers: list[nn.Module] = list(_conv(1, 64, 3, 2))
    inputs = 64
    for stage, repeats in enumerate(blocks):
        outputs = 64 << stage
        for block in range(repeats):
            layers.append(BasicBlock(inputs, outputs, 2 if stage and not block else 1, attention))
            inputs = outputs
    return PlainNet(nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten()), inputs, classes, dropout)


def resnet18(classes: int, dropout: float) -> PlainNet:
    return _resnet((2, 2, 2, 2), classes, dropout)


def resnet34(classes: int, dropout: float) -> PlainNet:
    return _resnet((3, 4, 6, 3), classes, dropout)


def se_resnet18(classes: int, dropout: float) -> PlainNet:
    return _resnet((2, 2, 2, 2), classes, dropout, attention=True)


class ImageNetResNet18(PlainNet):
    """torchvision's ResNet18 on one channel, for ImageNet's weights (`model.imagenet`); 96 px and more suit it."""

    def __init__(self, classes: int, dropout: float) -> None:
        from torchvision.models import resnet18 as torchvision_resnet18

        body = torchvision_resnet18()
        body.conv1 = nn.Conv2d(1, 64, 7, 2, 3, bias=False)
        body.fc = nn.Identity()
        super().__init__(body, 512, classes, dropout)

    def load_imagenet(self) -> None:
        """Downloads ImageNet's weights and sums the stem over RGB.

        Raises:
            TrainingError: they cannot be had, as on a machine without a network.
        """
        from torchvision.models import ResNet18_Weights

        try:
            state = dict(ResNet18_Weights.IMAGENET1K_V1.get_state_dict(progress=False))
        except OSError as error:
            raise TrainingError(
                f"ImageNet's weights cannot be downloaded ({error}): go online, or start from dlib's face weights "
                "(configs/resnet29.yaml), which need no network"
            ) from error
        state["conv1.weight"] = state["conv1.weight"].sum(dim=1, keepdim=True)
        self.body.load_state_dict({name: tensor for name, tensor in state.items() if not name.startswith("fc.")})


class Concatenated(nn.ModuleList):
    """Several bodies on the same input, their vectors side by side."""

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([body(x) for body in self], dim=1)


def vgg19_resnet18(classes: int, dropout: float) -> PlainNet:
    """VGG19 and ResNet18 blended: one trained fusion layer over both vectors; start it from two runs (`members`)."""
    members = (vgg19_bn(classes, dropout), resnet18(classes, dropout))
    body = Concatenated([member.body for member in members])
    return PlainNet(body, sum(width_of(member) for member in members), classes, dropout)


ARCHITECTURES: dict[str, Callable[[int, float], EmotionNet]] = {
    "resnet29": ResNet29,
    "simple_cnn": simple_cnn,
    "lenet": lenet,
    "shallow_cnn": shallow_cnn,
    "wide_cnn": wide_cnn,
    "vgg19_bn": vgg19_bn,
    "resnet18": resnet18,
    "resnet34": resnet34,
    "se_resnet18": se_resnet18,
    "imagenet_resnet18": ImageNetResNet18,
    "vgg19_resnet18": vgg19_resnet18,
}


def build(architecture: str, classes: int, dropout: float = 0.0) -> EmotionNet:
    """A network with random weights.

    Raises:
        TrainingError: no architecture of this name.
    """
    if architecture not in ARCHITECTURES:
        raise TrainingError(f"unknown architecture {architecture!r}: choose one of {', '.join(ARCHITECTURES)}")
    return ARCHITECTURES[architecture](classes, dropout)


def width_of(net: EmotionNet) -> int:
    """Length of a network's feature vector."""
    return cast(nn.Linear, net.fc[-1]).in_features


def multiply_adds(net: EmotionNet, size: int) -> float:
    """Multiply-accumulates of one (size, size) face in units of 1e9, of convolutions and linear layers."""
    module = cast(nn.Module, net)
    total = 0

    def count(layer: nn.Module, _inputs: object, output: Tensor) -> None:
        nonlocal total
        if isinstance(layer, nn.Conv2d):
            total += output[0].numel() * layer.weight[0].numel()
        elif isinstance(layer, nn.Linear):
            total += layer.weight.numel()

    hooks = [m.register_forward_hook(count) for m in module.modules() if isinstance(m, nn.Conv2d | nn.Linear)]
    training = module.training
    module.eval()
    with torch.no_grad():
        net(torch.zeros(1, 1, size, size))
    module.train(training)
    for hook in hooks:
        hook.remove()
    return total / 1e9
