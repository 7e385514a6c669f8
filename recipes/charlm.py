"""Python's own documentation, character by character, by a small transformer.

The text is `pydoc_data.topics` of the standard library: what `help("FUNCTIONS")` and the like
print. Everything that an experiment on it can switch on stands in this file: augmentations,
losses, pieces of the model.
"""

from pydoc_data.topics import topics

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - everybody's name for it
from torch.utils.data import Dataset

# --- data ---------------------------------------------------------------------------------------


class Windows(Dataset[tuple[Tensor, Tensor]]):
    """Pieces of `length` characters, one starting every `stride`; the target is the next one.

    Inputs and targets are [length] character numbers.
    """

    def __init__(self, text: Tensor, length: int, stride: int) -> None:
        self.pieces = text.unfold(0, length + 1, stride)

    def __len__(self) -> int:
        return len(self.pieces)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        piece = self.pieces[index]
        return piece[:-1], piece[1:]


class PythonDocs:
    """The documentation, its topics in alphabetical order: the last tenth is held out.

    A part of what is held out, `val_windows` pieces spread over it, is evaluated on. `symbols`
    are all characters that occur; their number depends a little on the version of Python.
    """

    symbols = sorted(set("".join(topics.values())))

    def __init__(self, *, length: int = 32, val_windows: int = 128) -> None:
        number = {symbol: i for i, symbol in enumerate(self.symbols)}
        written = "".join(topics[name] for name in sorted(topics))
        text = torch.tensor([number[symbol] for symbol in written])
        split = len(text) * 9 // 10
        self.train = Windows(text[:split], length, stride=length // 2)
        self.val = Windows(text[split:], length, (len(text) - split) // val_windows)


# --- augmentations: (inputs [B, T], targets [B, T], generator) -> (inputs, targets) ---------------


class Typos:
    """Replace a share of the characters that the model reads, not of those it must foretell."""

    def __init__(self, share: float = 0.02) -> None:
        self.share = share

    def __call__(self, x: Tensor, y: Tensor, rng: torch.Generator) -> tuple[Tensor, Tensor]:
        wrong = torch.rand(x.shape, generator=rng) < self.share
        typed = torch.randint(len(PythonDocs.symbols), x.shape, generator=rng)
        return torch.where(wrong.to(x.device), typed.to(x.device), x), y


class Forget:
    """Hide the first characters of each piece, up to `most` of them, behind a space."""

    def __init__(self, most: int = 4) -> None:
        self.most = most

    def __call__(self, x: Tensor, y: Tensor, rng: torch.Generator) -> tuple[Tensor, Tensor]:
        hidden = torch.randint(self.most + 1, (len(x), 1), generator=rng)
        early = torch.arange(x.shape[1]) < hidden
        return x.masked_fill(early.to(x.device), PythonDocs.symbols.index(" ")), y


# --- model ---------------------------------------------------------------------------------------


def rotate(x: Tensor) -> Tensor:
    """Rotary positions for x [B, heads, T, D] (Su et al. 2021, arXiv:2104.09864)."""
    half = x.shape[-1] // 2
    rates = 100.0 ** -(torch.arange(half, device=x.device) / half)
    angles = torch.arange(x.shape[-2], device=x.device)[:, None] * rates
    a, b = x.chunk(2, dim=-1)
    cos, sin = angles.cos(), angles.sin()
    return torch.cat((a * cos - b * sin, a * sin + b * cos), dim=-1)


class Attention(nn.Module):
    """Causal self-attention, [B, T, width] to [B, T, width]."""

    def __init__(self, width: int, heads: int, *, rotary: bool, qk_norm: bool) -> None:
        super().__init__()
        self.heads, self.rotary, self.qk_norm = heads, rotary, qk_norm
        self.qkv = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = self.qkv(x).unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        if self.rotary:
            q, k = rotate(q), rotate(k)
        if self.qk_norm:
            q, k = F.rms_norm(q, q.shape[-1:]), F.rms_norm(k, k.shape[-1:])
        mixed = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        out: Tensor = self.out(mixed.transpose(1, 2).flatten(2))
        return out


class SwiGLU(nn.Module):
    """A gated feed-forward layer (Shazeer 2020, arXiv:2002.05202)."""

    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.gate, self.up = nn.Linear(width, hidden), nn.Linear(width, hidden)
        self.down = nn.Linear(hidden, width)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.down(F.silu(self.gate(x)) * self.up(x))
        return out


class Block(nn.Module):
    """Attention, then a feed-forward layer, each normalised before and added to what comes in."""

    def __init__(
        self, width: int, attention: Attention, *, swiglu: bool, rms_norm: bool, dropout: float
    ) -> None:
        super().__init__()
        norm = nn.RMSNorm if rms_norm else nn.LayerNorm
        self.attention_norm, self.attention = norm(width), attention
        self.feed_norm = norm(width)
        self.feed: nn.Module = (
            SwiGLU(width, 2 * width)
            if swiglu
            else nn.Sequential(nn.Linear(width, 3 * width), nn.GELU(), nn.Linear(3 * width, width))
        )
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.dropout(self.attention(self.attention_norm(x)))
        out: Tensor = x + self.dropout(self.feed(self.feed_norm(x)))
        return out


class CharTransformer(nn.Module):
    """Character numbers [B, T] to logits of the next character [B, T, symbols]."""

    def __init__(  # noqa: PLR0913 - one option for each thing that can be switched on
        self,
        *,
        width: int = 64,
        depth: int = 2,
        heads: int = 4,
        length: int = 32,
        dropout: float = 0.0,
        rotary: bool = False,
        qk_norm: bool = False,
        swiglu: bool = False,
        rms_norm: bool = False,
    ) -> None:
        super().__init__()
        symbols = len(PythonDocs.symbols)
        self.read = nn.Embedding(symbols, width)
        self.place = nn.Embedding(length, width)
        self.blocks = nn.Sequential(
            *(
                Block(
                    width,
                    Attention(width, heads, rotary=rotary, qk_norm=qk_norm),
                    swiglu=swiglu,
                    rms_norm=rms_norm,
                    dropout=dropout,
                )
                for _ in range(depth)
            )
        )
        self.norm = nn.LayerNorm(width)
        self.write = nn.Linear(width, symbols, bias=False)
        # torch's default for embeddings is fifty times as large, and swamps what is added to it.
        for table in (self.read.weight, self.place.weight):
            nn.init.normal_(table, std=0.02)

    def forward(self, x: Tensor) -> Tensor:
        places = torch.arange(x.shape[1], device=x.device)
        logits: Tensor = self.write(self.norm(self.blocks(self.read(x) + self.place(places))))
        return logits


# --- losses and metric: (logits [B, T, symbols], targets [B, T]) -> scalar ------------------------


class CrossEntropy(nn.Module):
    """Mean cross-entropy of the characters, with label smoothing and PaLM's z-loss."""

    def __init__(self, *, label_smoothing: float = 0.0, z_loss: float = 0.0) -> None:
        super().__init__()
        self.label_smoothing, self.z_loss = label_smoothing, z_loss

    def forward(self, logits: Tensor, y: Tensor) -> Tensor:
        loss = F.cross_entropy(
            logits.flatten(0, 1), y.flatten(), label_smoothing=self.label_smoothing
        )
        return loss + self.z_loss * logits.logsumexp(-1).square().mean()


def scores(logits: Tensor, y: Tensor) -> dict[str, Tensor]:
    """Plain cross-entropy per character, in nats, and the share of characters foretold."""
    loss = F.cross_entropy(logits.flatten(0, 1), y.flatten())
    return {"loss": loss, "acc": (logits.argmax(-1) == y).float().mean()}
