"""Small pictures as text: PNG (ISO/IEC 15948) in base64, with nothing but the standard library."""

import base64
import struct
import zlib

import torch

SIGNATURE = b"\x89PNG\r\n\x1a\n"
COLOURS = {1: 0, 3: 2}
"""PNG's colour type by number of channels: grey, and red-green-blue."""
COLD, WHITE, WARM = (33, 102, 172), (247, 247, 247), (178, 24, 43)
"""Below zero, zero and above zero in a diverging scale that colour-blind readers can tell."""


def png(pixels: torch.Tensor) -> str:
    """Bytes [height, width, 1 or 3] as a PNG in base64."""
    height, width, channels = pixels.shape
    rows = pixels.to(torch.uint8).cpu().contiguous().view(height, -1)
    # Every line begins with the number of its filter; 0 is none.
    lines = torch.cat([torch.zeros(height, 1, dtype=torch.uint8), rows], dim=1)
    header = struct.pack(">IIBBBBB", width, height, 8, COLOURS[channels], 0, 0, 0)
    body = zlib.compress(lines.numpy().tobytes(), 9)
    whole = SIGNATURE + chunk(b"IHDR", header) + chunk(b"IDAT", body) + chunk(b"IEND", b"")
    return base64.b64encode(whole).decode("ascii")


def chunk(name: bytes, data: bytes) -> bytes:
    """A part of a PNG: its length, name, data and checksum."""
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def grey(share: torch.Tensor) -> torch.Tensor:
    """Brightness in [0, 1] [height, width, channels] as bytes; NaN is black."""
    return (share.nan_to_num(0.0).clamp(0, 1) * 255).round().to(torch.uint8)


def diverging(value: torch.Tensor) -> torch.Tensor:
    """Values in [-1, 1] [height, width, 1] as colours [height, width, 3]; NaN is black."""
    cold, white, warm = (torch.tensor(c, dtype=torch.float) for c in (COLD, WHITE, WARM))
    v = value.clamp(-1, 1)
    colour = torch.where(v < 0, white + v.abs() * (cold - white), white + v * (warm - white))
    return colour.nan_to_num(0.0).round().to(torch.uint8)
