"""Models of the size that `bench_probes.py` measures on a GPU: ResNet-18 and a small transformer."""

from itertools import pairwise

import torch
from torch import Tensor, nn

from bisector.train.batches import Batch

VOCABULARY, CONTEXT = 256, 256
WIDTH, HEADS, DEPTH = 384, 6, 6


class Block(nn.Module):
    """Two convolutions and what goes past them (He et al. 2016, arXiv:1512.03385, figure 5, left)."""

    def __init__(self, given: int, width: int) -> None:
        super().__init__()
        stride = width // given
        self.branch = nn.Sequential(
            nn.Conv2d(given, width, 3, stride, padding=1, bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU(),
            nn.Conv2d(width, width, 3, padding=1, bias=False),
            nn.BatchNorm2d(width),
        )
        past = (nn.Conv2d(given, width, 1, stride, bias=False), nn.BatchNorm2d(width))
        self.past = nn.Sequential(*past) if stride > 1 else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """Images [B, C, H, W]."""
        return torch.relu(self.branch(x) + self.past(x))


def resnet18() -> nn.Module:
    """ResNet-18 for images of 32 x 32 and ten classes, 11 million weights."""
    widths = (64, 64, 64, 128, 128, 256, 256, 512, 512)
    blocks = [Block(a, b) for a, b in pairwise(widths)]
    stem = (nn.Conv2d(3, 64, 3, padding=1, bias=False), nn.BatchNorm2d(64), nn.ReLU())
    return nn.Sequential(*stem, *blocks, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(512, 10))


class Transformer(nn.Module):
    """Six causal layers of width 384, 11 million weights; gives logits [B * T, V] of the next tokens."""

    def __init__(self) -> None:
        super().__init__()
        self.tokens = nn.Embedding(VOCABULARY, WIDTH)
        self.places = nn.Parameter(torch.zeros(CONTEXT, WIDTH))
        layer = nn.TransformerEncoderLayer(WIDTH, HEADS, 4 * WIDTH, 0.0, "gelu", batch_first=True)
        self.layers = nn.TransformerEncoder(layer, DEPTH, enable_nested_tensor=False)
        self.head = nn.Linear(WIDTH, VOCABULARY)

    def forward(self, tokens: Tensor) -> Tensor:
        """Token numbers [B, T]."""
        mask = nn.Transformer.generate_square_subsequent_mask(tokens.shape[1], tokens.device)
        x = self.layers(self.tokens(tokens) + self.places, mask=mask, is_causal=True)
        logits: Tensor = self.head(x).flatten(0, 1)
        return logits


def images(device: str, samples: int = 128) -> Batch:
    """A batch of noise with classes."""
    return torch.randn(samples, 3, 32, 32, device=device), torch.arange(samples, device=device) % 10


def texts(device: str, samples: int = 32) -> Batch:
    """A batch of token numbers drawn at random, and for each the one that comes next."""
    drawn = torch.randint(VOCABULARY, (samples, CONTEXT + 1), device=device)
    return drawn[:, :-1].contiguous(), drawn[:, 1:].flatten()
