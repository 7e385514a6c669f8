"""A small classifier, as people write them."""

import argparse

import torch
from torch import nn
from torch.nn import functional as F  # noqa: N812

p = argparse.ArgumentParser()
p.add_argument("--seed", type=int, default=0)
p.add_argument("--lr", type=float, default=0.02)
p.add_argument("--epochs", type=int, default=12)
p.add_argument("--dropout", type=float, default=0.0)
p.add_argument("--weight-decay", type=float, default=0.0)
p.add_argument("--adapter", action="store_true")
p.add_argument("--freeze-body", action="store_true")
p.add_argument("--entropy", action="store_true")
p.add_argument("--smooth", type=float, default=0.0)
args = p.parse_args()
torch.manual_seed(args.seed)
x = torch.randn(2000, 20)
hidden = torch.tanh(x @ torch.randn(20, 16, generator=torch.Generator().manual_seed(1)))
y = (hidden @ torch.randn(16, 5, generator=torch.Generator().manual_seed(2))).argmax(1)
xt, yt, xv, yv = x[:1600], y[:1600], x[1600:], y[1600:]


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.one, self.two = nn.Linear(20, 64), nn.Linear(64, 64)
        self.drop = nn.Dropout(args.dropout)
        self.head = nn.Linear(64, 5)

    def forward(self, x):
        h = self.drop(F.relu(self.one(x)))
        h = F.relu(self.two(h))
        if args.adapter:
            h = nn.Linear(64, 64)(h)
        return self.head(h)


net = Net()
weights = net.head.parameters() if args.freeze_body else net.parameters()
opt = torch.optim.SGD(weights, args.lr, momentum=0.9, weight_decay=args.weight_decay)
for epoch in range(args.epochs):
    order = torch.randperm(len(xt))
    for i in range(0, len(xt), 32):
        b = order[i : i + 32]
        out = net(xt[b])
        loss = F.cross_entropy(out, yt[b], label_smoothing=args.smooth)
        if args.entropy:
            prob = torch.softmax(out * 8, 1)
            loss = loss + 0.01 * (prob * prob.log()).sum(1).mean()
        opt.zero_grad()
        loss.backward()
        opt.step()
    net.eval()
    with torch.no_grad():
        acc = (net(xv).argmax(1) == yv).float().mean().item()
    net.train()
    print(f"epoch {epoch} val_acc {acc:.4f}")
