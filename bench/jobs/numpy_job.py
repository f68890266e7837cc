"""One experiment in NumPy (float32, OpenBLAS). Prints { train }: seconds of the training loop."""
import argparse
import json
import os
import time

options = argparse.ArgumentParser()
options.add_argument("--threads", default="2")
options.add_argument("--directory")
options.add_argument("--epochs", type=int, default=40)
options = options.parse_args()
for name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS"):
    os.environ[name] = options.threads

import numpy as np

ETA, LAMBDA, BATCH = 0.001, 0.1, 100


def load(name):
    raw = np.fromfile(os.path.join(options.directory, name), np.uint8).reshape(-1, 3073)
    return raw[:, 1:].astype(np.float32) / np.float32(255), raw[:, 0].astype(np.int64)


def softmax(s):
    e = np.exp(s - s.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


def evaluate(x, y):
    p = softmax(x @ W.T + b)
    loss = -np.log(p[np.arange(len(y)), y]).mean()
    return loss, loss + LAMBDA * (W * W).sum(), (p.argmax(axis=1) == y).mean()


splits = [load(name) for name in ("data_batch_1.bin", "data_batch_2.bin", "test_batch.bin")]
mean, deviation = splits[0][0].mean(axis=0), splits[0][0].std(axis=0)
splits = [((x - mean) / deviation, y) for x, y in splits]
random = np.random.default_rng(400)
W = (0.01 * random.standard_normal((10, 3072))).astype(np.float32)
b = (0.01 * random.standard_normal(10)).astype(np.float32)

start = time.perf_counter()
x, y = splits[0]
for epoch in range(options.epochs):
    for i in random.permutation(len(y) // BATCH):
        xs, ys = x[i * BATCH : (i + 1) * BATCH], y[i * BATCH : (i + 1) * BATCH]
        g = softmax(xs @ W.T + b)
        g[np.arange(BATCH), ys] -= 1
        g /= BATCH
        W -= np.float32(ETA) * (g.T @ xs + np.float32(2 * LAMBDA) * W)
        b -= np.float32(ETA) * g.sum(axis=0)
    metrics = [evaluate(*split) for split in splits]
print(json.dumps({"train": time.perf_counter() - start, "cost": float(metrics[0][1])}))
