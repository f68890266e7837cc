"""Trains a network in PyTorch on the CPU. Prints { wall, cpu, rss } like network.js."""
import argparse
import json
import resource
import time

import torch

options = argparse.ArgumentParser()
options.add_argument("--threads", type=int, default=1)
options.add_argument("--sizes")
options.add_argument("--batch", type=int)
options.add_argument("--steps", type=int)
options.add_argument("--update")
options.add_argument("--eta", type=float)
options.add_argument("--lambda", type=float, dest="penalty")
options = options.parse_args()
torch.set_num_threads(options.threads)
torch.manual_seed(400)

sizes = [int(size) for size in options.sizes.split("-")]
x = (torch.randint(0, 256, (10_000, sizes[0])).float() - 127.5) / 74
y = torch.randint(0, sizes[-1], (10_000,))
layers = []
for n, m in zip(sizes, sizes[1:]):
    layers += [torch.nn.Linear(n, m), torch.nn.ReLU()]
model = torch.nn.Sequential(*layers[:-1])
weights = [p for p in model.parameters() if p.dim() == 2]
others = [p for p in model.parameters() if p.dim() == 1]
groups = [{"params": weights, "weight_decay": 2 * options.penalty}, {"params": others}]
optimizer = (torch.optim.SGD if options.update == "sgd" else torch.optim.Adam)(groups, lr=options.eta)


def train(first, count):
    for i in range(first, first + count):
        at = i % (len(y) // options.batch) * options.batch
        optimizer.zero_grad()
        scores = model(x[at : at + options.batch])
        torch.nn.functional.cross_entropy(scores, y[at : at + options.batch]).backward()
        optimizer.step()


train(0, 50)
wall, cpu = time.perf_counter(), time.process_time()
train(50, options.steps)
wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
print(json.dumps({"wall": wall, "cpu": cpu, "rss": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}))
