"""The PyTorch side of `benchmarks.dcgan_step`: the networks of `training.gan.dcgan`, their step.

A program of its own, for an interpreter that has torch, since PyTorch is no part of LeafGate; it
imports nothing else. Its first line out tells PyTorch's version and the number of trainable
parameters; then every line in is answered by a line when one step is done.

`standard` is the step of PyTorch's own DCGAN tutorial: the discriminator is updated, then the
generator through the new one. `one_pass` updates both from the same pass over one generated batch.
"""

import argparse
import sys
from collections.abc import Callable
from typing import Any

import torch
from torch import nn
from torch.nn.functional import binary_cross_entropy_with_logits

FILTERS = (64, 128, 256, 512)
FIRST, KERNEL, LATENT, SIZE = 4, 4, 100, 64
REAL_LABEL = 0.9
LAYOUTS = {"contiguous": torch.contiguous_format, "channels_last": torch.channels_last}

Tensor = Any  # LeafGate's own environment, where types are checked, has no torch


def build_generator() -> nn.Sequential:
    """(n, 100) normal to (n, 3, 64, 64) tanh."""
    widest, *narrower = reversed(FILTERS)
    layers: list[nn.Module] = [
        nn.Linear(LATENT, FIRST * FIRST * widest, bias=False),
        _norm(nn.BatchNorm1d, FIRST * FIRST * widest),
        nn.ReLU(),
        nn.Unflatten(1, (widest, FIRST, FIRST)),
    ]
    for before, filters in zip((widest, *narrower), narrower, strict=False):
        layers += [_up(before, filters, bias=False), _norm(nn.BatchNorm2d, filters), nn.ReLU()]
    return nn.Sequential(*layers, _up(FILTERS[0], 3, bias=True), nn.Tanh())


def build_discriminator() -> nn.Sequential:
    """(n, 3, 64, 64) in [-1, 1] to (n, 1) logits."""
    layers: list[nn.Module] = []
    for before, filters in zip((3, *FILTERS), FILTERS, strict=False):
        layers += [nn.Conv2d(before, filters, KERNEL, 2, 1), nn.LeakyReLU(0.2)]
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(FIRST * FIRST * FILTERS[-1], 1))


def _up(before: int, filters: int, bias: bool) -> nn.Module:
    return nn.ConvTranspose2d(before, filters, KERNEL, 2, 1, bias=bias)


def _norm(kind: Any, features: int) -> nn.Module:  # noqa: ANN401 - a class of torch's
    norm: nn.Module = kind(features, eps=1e-5, momentum=0.1)  # what Keras calls momentum 0.9
    return norm


def _draw_weights(module: nn.Module) -> None:
    weight, bias = getattr(module, "weight", None), getattr(module, "bias", None)
    if weight is not None:
        mean = 1.0 if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d) else 0.0
        nn.init.normal_(weight, mean, 0.02)
    if bias is not None:
        nn.init.zeros_(bias)


class Gan:
    """Both networks with their optimisers, and a batch of noise for real pictures."""

    def __init__(self, batch_size: int, layout: str, bfloat16: bool, compiled: bool) -> None:
        self.batch_size, self.bfloat16 = batch_size, bfloat16
        self.generator, self.discriminator = build_generator(), build_discriminator()
        for network in (self.generator, self.discriminator):
            network.apply(_draw_weights).to(memory_format=LAYOUTS[layout])
            if compiled:
                network.compile()
        self.g_optimizer, self.d_optimizer = map(_adam, (self.generator, self.discriminator))
        real = torch.rand(batch_size, 3, SIZE, SIZE) * 2 - 1
        self.real = real.contiguous(memory_format=LAYOUTS[layout])

    @property
    def parameters(self) -> int:
        """How many are trained."""
        networks = (self.generator, self.discriminator)
        return sum(one.numel() for network in networks for one in network.parameters())

    def forget_gradients(self) -> None:
        """Of both networks."""
        self.g_optimizer.zero_grad(set_to_none=True)
        self.d_optimizer.zero_grad(set_to_none=True)

    def draw(self) -> Tensor:
        """A batch of generated pictures."""
        with torch.autocast("cpu", torch.bfloat16, enabled=self.bfloat16):
            fake: Tensor = self.generator(torch.randn(self.batch_size, LATENT))
        return fake

    def judge(self, pictures: Tensor) -> Tensor:
        """Logits, (n, 1) float32."""
        with torch.autocast("cpu", torch.bfloat16, enabled=self.bfloat16):
            logits: Tensor = self.discriminator(pictures)
        return logits.float()


def _adam(network: nn.Module) -> torch.optim.Optimizer:
    # Fused is the quickest of PyTorch's; epsilon is Keras's.
    return torch.optim.Adam(network.parameters(), 2e-4, (0.5, 0.999), eps=1e-7, fused=True)


def standard(gan: Gan) -> None:
    """The discriminator on real and on generated pictures, then the generator through it."""
    gan.forget_gradients()
    fake = gan.draw()
    _loss(gan.judge(gan.real), REAL_LABEL).backward()
    _loss(gan.judge(fake.detach()), 0.0).backward()
    gan.d_optimizer.step()
    _loss(gan.judge(fake), 1.0).backward()
    gan.g_optimizer.step()


def one_pass(gan: Gan) -> None:
    """Both gradients from one pass over the generated pictures."""
    gan.forget_gradients()
    logits = gan.judge(gan.draw())
    d_loss = _loss(gan.judge(gan.real), REAL_LABEL) + _loss(logits, 0.0)
    d_loss.backward(retain_graph=True, inputs=list(gan.discriminator.parameters()))
    _loss(logits, 1.0).backward(inputs=list(gan.generator.parameters()))
    gan.d_optimizer.step()
    gan.g_optimizer.step()


def _loss(logits: Tensor, label: float) -> Tensor:
    return binary_cross_entropy_with_logits(logits, torch.full_like(logits, label))


UPDATES: dict[str, Callable[[Gan], None]] = {"standard": standard, "one_pass": one_pass}


def options() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    add = parser.add_argument
    add("--threads", type=int, required=True)
    add("--batch-size", type=int, required=True)
    add("--update", choices=UPDATES, default="standard")
    add("--layout", choices=LAYOUTS, default="contiguous")
    add("--precision", choices=("float32", "bfloat16"), default="float32")
    add("--compile", action="store_true", help="torch.compile; with `standard` alone")
    return parser.parse_args()


def main() -> None:
    """Answer until stdin ends."""
    args = options()
    torch.set_num_threads(args.threads)
    torch.manual_seed(0)
    gan = Gan(args.batch_size, args.layout, args.precision == "bfloat16", args.compile)
    print(torch.__version__, gan.parameters, flush=True)
    for _ in sys.stdin:
        UPDATES[args.update](gan)
        print("done", flush=True)


if __name__ == "__main__":
    main()
