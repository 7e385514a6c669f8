"""Handwritten digits with a small network in NumPy. Prints what it measures, as scripts do."""

import argparse

import numpy as np
from sklearn.datasets import load_digits


def arguments():
    parser = argparse.ArgumentParser()
    parser.add_argument("--lr", type=float, default=0.5)
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--hidden", type=int, default=32)
    parser.add_argument("--momentum", type=float, default=0.0)
    parser.add_argument("--weight-decay", type=float, default=0.0)
    parser.add_argument("--noise", type=float, default=0.0)
    parser.add_argument("--label-smoothing", type=float, default=0.0)
    parser.add_argument("--standardize", action="store_true")
    parser.add_argument("--seed", type=int, default=0)
    return parser.parse_args()


def forward(x, w1, b1, w2, b2):
    hidden = np.maximum(x @ w1 + b1, 0)
    logits = hidden @ w2 + b2
    weights = np.exp(logits - logits.max(1, keepdims=True))
    return hidden, weights / weights.sum(1, keepdims=True)


def main():
    args = arguments()
    rng = np.random.default_rng(args.seed)
    x, y = load_digits(return_X_y=True)
    order = np.random.default_rng(1).permutation(len(x))
    x, y = x[order] / 16, y[order]
    x_train, y_train, x_val, y_val = x[:1200], y[:1200], x[1200:], y[1200:]
    if args.standardize:
        x_train = (x_train - x_train.mean(0)) / (x_train.std(0) + 1e-8)

    weights = [
        rng.normal(0, 0.1, (64, args.hidden)), np.zeros(args.hidden),
        rng.normal(0, 0.1, (args.hidden, 10)), np.zeros(10),
    ]  # fmt: skip
    moved = [np.zeros_like(w) for w in weights]
    for epoch in range(1, args.epochs + 1):
        losses = []
        for batch in np.array_split(rng.permutation(1200), 1200 // args.batch_size):
            inputs = x_train[batch] + rng.normal(0, args.noise, (len(batch), 64))
            hidden, q = forward(inputs, *weights)
            target = np.eye(10)[y_train[batch]] * (1 - args.label_smoothing)
            target += args.label_smoothing / 10
            losses.append(-(target * np.log(q + 1e-12)).sum(1).mean())
            error = (q - target) / len(batch)
            below = (error @ weights[2].T) * (hidden > 0)
            slopes = [inputs.T @ below, below.sum(0), hidden.T @ error, error.sum(0)]
            moved = [
                args.momentum * m + slope + args.weight_decay * w
                for m, slope, w in zip(moved, slopes, weights, strict=True)
            ]
            weights = [w - args.lr * m for w, m in zip(weights, moved, strict=True)]
        accuracy = (forward(x_val, *weights)[1].argmax(1) == y_val).mean()
        print(
            f"Epoch {epoch:2d}/{args.epochs} | train loss {np.mean(losses):.4f} | val acc {accuracy:.4f}"
        )


if __name__ == "__main__":
    main()
