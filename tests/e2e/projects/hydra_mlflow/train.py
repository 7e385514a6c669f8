"""The same digits, configured by Hydra and logged to MLflow; nothing is printed."""

import math

import hydra
import mlflow
import numpy as np
from omegaconf import DictConfig, OmegaConf
from sklearn.datasets import load_digits


def rate(schedule, base, done):
    """The learning rate after a share `done` of the training."""
    if schedule.name == "cosine":
        return base * 0.5 * (1 + math.cos(math.pi * min(1.0, done * schedule.cycles)))
    return base


@hydra.main(version_base=None, config_path="conf", config_name="config")
def main(cfg: DictConfig):
    rng = np.random.default_rng(cfg.seed)
    x, y = load_digits(return_X_y=True)
    order = np.random.default_rng(1).permutation(len(x))
    x, y = x[order] / 16, y[order]
    w = rng.normal(0, 0.01, (64, 10))
    moved = np.zeros_like(w)
    mlflow.set_experiment("digits")
    with mlflow.start_run():
        mlflow.log_params({"lr": cfg.optimizer.lr, "schedule": cfg.schedule.name})
        mlflow.log_dict(OmegaConf.to_container(cfg), "config.json")
        for epoch in range(cfg.epochs):
            losses = []
            for step, batch in enumerate(np.array_split(rng.permutation(1200), 40)):
                inputs = x[batch] + rng.normal(0, cfg.data.noise, (len(batch), 64))
                logits = inputs @ w
                q = np.exp(logits - logits.max(1, keepdims=True))
                q /= q.sum(1, keepdims=True)
                losses.append(-np.log(q[np.arange(len(batch)), y[batch]] + 1e-12).mean())
                slope = inputs.T @ (q - np.eye(10)[y[batch]]) / len(batch)
                moved = cfg.optimizer.momentum * moved + slope + cfg.optimizer.weight_decay * w
                done = (epoch + step / 40) / cfg.epochs
                w = w - rate(cfg.schedule, cfg.optimizer.lr, done) * moved
            accuracy = float(((x[1200:] @ w).argmax(1) == y[1200:]).mean())
            mlflow.log_metrics(
                {"train/loss": float(np.mean(losses)), "val/acc": accuracy}, step=epoch
            )


if __name__ == "__main__":
    main()
