"""Trains a network in NumPy (float32). Prints { wall, cpu, rss, … } like network.js; with --roofline, the speed of its sgemm."""
import argparse
import json
import os
import re
import resource
import time

options = argparse.ArgumentParser()
options.add_argument("--threads", default="1")
options.add_argument("--sizes", default="")
options.add_argument("--batch", type=int, default=100)
options.add_argument("--steps", type=int, default=100)
options.add_argument("--update", default="sgd")
options.add_argument("--eta", type=float, default=0.01)
options.add_argument("--lambda", type=float, default=0, dest="penalty")
options.add_argument("--roofline", action="store_true")
options = options.parse_args()
for name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS"):
    os.environ[name] = options.threads

import numpy as np

f = np.float32
ETA, DECAY, BATCH = f(options.eta), f(2 * options.penalty), options.batch
BETA1, BETA2, EPSILON = 0.9, 0.999, 1e-8
random = np.random.default_rng(400)
sizes = [int(size) for size in options.sizes.split("-") if size]


def timed(work, times):
    wall, cpu = time.perf_counter(), time.process_time()
    for i in range(times):
        work(i)
    return time.perf_counter() - wall, time.process_time() - cpu


def roofline():
    """GFLOP/s per thread of square sgemm and of the three products of the widest layer, by processor time; the best of five."""
    found = {}
    shapes = {"2048³": (2048, 2048, 2048)}
    for n, m in zip(sizes, sizes[1:]):
        if n * m == max(a * b for a, b in zip(sizes, sizes[1:])):
            shapes.update({f"{BATCH}×{n}×{m}": (BATCH, n, m), f"{m}×{BATCH}×{n}": (m, BATCH, n)})
    for name, (a, b, c) in shapes.items():
        x, y = random.standard_normal((a, b), f), random.standard_normal((b, c), f)
        out = np.empty((a, c), f)
        times = max(1, int(5e9 / (2 * a * b * c)))
        timed(lambda _: np.matmul(x, y, out=out), times)
        best = min(timed(lambda _: np.matmul(x, y, out=out), times)[1] for _ in range(5))
        found[name] = 2 * a * b * c * times / best / 1e9
    maps = open("/proc/self/maps").read()
    blas = sorted({os.path.basename(path) for path in re.findall(r"/\S*blas\S*", maps)})
    return {"gflops": found, "blas": ", ".join(blas), "numpy": np.__version__}


def train():
    x = (random.integers(0, 256, (10_000, sizes[0])).astype(f) - f(127.5)) / f(74)
    y = random.integers(0, sizes[-1], 10_000)
    W = [(random.standard_normal((m, n), f) * np.sqrt(f(2 / n))) for n, m in zip(sizes, sizes[1:])]
    b = [np.zeros(m, f) for m in sizes[1:]]
    state = [(np.zeros_like(p), np.zeros_like(p), np.empty_like(p)) for p in W + b]

    def descend(i, p, g, number, decay):
        if decay:
            g += DECAY * p
        if options.update == "sgd":
            g *= ETA
            p -= g
            return
        m, v, work = state[i]
        m *= f(BETA1)
        np.multiply(g, f(1 - BETA1), out=work)
        m += work
        v *= f(BETA2)
        np.multiply(g, g, out=work)
        work *= f(1 - BETA2)
        v += work
        np.sqrt(v, out=work)
        work *= f(1 / np.sqrt(1 - BETA2**number))
        work += f(EPSILON)
        np.divide(m, work, out=work)
        work *= f(options.eta / (1 - BETA1**number))
        p -= work

    def step(number):
        at = number % (len(y) // BATCH) * BATCH
        h, ys = [x[at : at + BATCH]], y[at : at + BATCH]
        for l, (w, c) in enumerate(zip(W, b)):
            s = h[-1] @ w.T
            s += c
            h.append(np.maximum(s, 0, out=s) if l < len(W) - 1 else s)
        e = np.exp(h[-1] - h[-1].max(axis=1, keepdims=True))
        g = e / e.sum(axis=1, keepdims=True)
        g[np.arange(BATCH), ys] -= 1
        g /= f(BATCH)
        for l in range(len(W) - 1, -1, -1):
            dW, db = g.T @ h[l], g.sum(axis=0)
            if l > 0:
                g = g @ W[l]
                g *= h[l] > 0
            descend(l, W[l], dW, number + 1, options.penalty > 0)
            descend(len(W) + l, b[l], db, number + 1, False)

    timed(step, 50)
    wall, cpu = timed(lambda i: step(50 + i), options.steps)
    return {"wall": wall, "cpu": cpu, "rss": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}


print(json.dumps(roofline() if options.roofline else train()))
