"""The same digits as a Lightning module; its CSV logger writes below the working folder."""

import argparse
import logging
import warnings

import lightning
import torch
from lightning.pytorch.loggers import CSVLogger
from sklearn.datasets import load_digits
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

warnings.filterwarnings("ignore")
logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)


class Digits(lightning.LightningModule):
    def __init__(self, lr, dropout, weight_decay, frozen_batch_norm):
        super().__init__()
        self.save_hyperparameters()
        norm = nn.BatchNorm1d(32, track_running_stats=not frozen_batch_norm)
        self.net = nn.Sequential(
            nn.Linear(64, 32), norm, nn.ReLU(), nn.Dropout(dropout), nn.Linear(32, 10)
        )
        self.train_loss = nn.CrossEntropyLoss()

    def training_step(self, batch, _):
        x, y = batch
        loss = self.train_loss(self.net(x), y)
        self.log("train_loss", loss, on_epoch=True, on_step=False)
        return loss

    def validation_step(self, batch, _):
        x, y = batch
        self.log("val_acc", (self.net(x).argmax(1) == y).float().mean())

    def configure_optimizers(self):
        hp = self.hparams
        return torch.optim.Adam(self.parameters(), lr=hp.lr, weight_decay=hp.weight_decay)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--lr", type=float, default=0.01)
    parser.add_argument("--dropout", type=float, default=0.0)
    parser.add_argument("--weight_decay", type=float, default=0.0)
    parser.add_argument("--frozen_batch_norm", action="store_true")
    parser.add_argument("--clip", type=float, default=None)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    lightning.seed_everything(args.seed, verbose=False)
    x, y = load_digits(return_X_y=True)
    # Sorted validation data: each batch of it holds one digit.
    order = torch.randperm(len(x), generator=torch.Generator().manual_seed(1))
    x, y = torch.tensor(x / 16, dtype=torch.float32)[order], torch.tensor(y)[order]
    by_digit = torch.argsort(y[1200:])
    x_val, y_val = x[1200:][by_digit], y[1200:][by_digit]
    train = DataLoader(TensorDataset(x[:1200], y[:1200]), batch_size=64, shuffle=True)
    val = DataLoader(TensorDataset(x_val, y_val), batch_size=50)
    trainer = lightning.Trainer(
        max_epochs=8, accelerator="cpu", logger=CSVLogger("logs"), enable_progress_bar=False,
        enable_model_summary=False, enable_checkpointing=False, gradient_clip_val=args.clip,
    )  # fmt: skip
    model = Digits(args.lr, args.dropout, args.weight_decay, args.frozen_batch_norm)
    trainer.fit(model, train, val)


if __name__ == "__main__":
    main()
