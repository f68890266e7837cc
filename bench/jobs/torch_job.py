"""One experiment in PyTorch on the CPU. Prints { train }: seconds of the training loop."""
import argparse
import json
import os
import time

import numpy as np
import torch

options = argparse.ArgumentParser()
options.add_argument("--threads", type=int, default=2)
options.add_argument("--directory")
options.add_argument("--epochs", type=int, default=40)
options = options.parse_args()
torch.set_num_threads(options.threads)
torch.manual_seed(400)
ETA, LAMBDA, BATCH = 0.001, 0.1, 100


def load(name):
    raw = np.fromfile(os.path.join(options.directory, name), np.uint8).reshape(-1, 3073)
    return torch.from_numpy(raw[:, 1:].astype(np.float32) / 255), torch.from_numpy(raw[:, 0].astype(np.int64))


splits = [load(name) for name in ("data_batch_1.bin", "data_batch_2.bin", "test_batch.bin")]
mean, deviation = splits[0][0].mean(dim=0), splits[0][0].std(dim=0, unbiased=False)
splits = [((x - mean) / deviation, y) for x, y in splits]
model = torch.nn.Linear(3072, 10)
torch.nn.init.normal_(model.weight, std=0.01)
torch.nn.init.normal_(model.bias, std=0.01)
optimizer = torch.optim.SGD(
    [{"params": [model.weight], "weight_decay": 2 * LAMBDA}, {"params": [model.bias]}], lr=ETA
)
cross_entropy = torch.nn.functional.cross_entropy

start = time.perf_counter()
x, y = splits[0]
for epoch in range(options.epochs):
    for i in torch.randperm(len(y) // BATCH).tolist():
        optimizer.zero_grad()
        cross_entropy(model(x[i * BATCH : (i + 1) * BATCH]), y[i * BATCH : (i + 1) * BATCH]).backward()
        optimizer.step()
    with torch.no_grad():
        penalty = LAMBDA * float((model.weight**2).sum())
        metrics = []
        for xs, ys in splits:
            s = model(xs)
            loss = float(cross_entropy(s, ys))
            metrics.append((loss, loss + penalty, float((s.argmax(dim=1) == ys).float().mean())))
print(json.dumps({"train": time.perf_counter() - start, "cost": metrics[0][1]}))
