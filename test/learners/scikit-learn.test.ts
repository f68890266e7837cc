import { execFileSync, spawnSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { exportParameters, Pipeline, readParameters, run } from '../../dist/index.js'
import { temporary } from '../stages/harness.js'

const skip = spawnSync('python3', ['-c', 'import sklearn']).status !== 0 && 'python3 with scikit-learn is not installed'

/** Writes a dataset of scikit-learn as `NAME.csv`. */
const write = `
import sys, numpy as np
from sklearn import datasets
x, y = getattr(datasets, 'load_' + sys.argv[1])(return_X_y=True)
header = ','.join([f'x{i}' for i in range(x.shape[1])] + ['label'])
np.savetxt(sys.argv[1] + '.csv', np.column_stack([x, y]), delimiter=',', header=header, comments='', fmt='%.17g')`

/**
 * Trains MLPClassifier from \`start.npz\` with the same batches for some epochs and prints the mean loss plus lambda times the
 * sum of squares. Its penalty is alpha / (2 n) times that sum, for a batch of n rows.
 */
const perceptron = `
import sys, warnings, numpy as np
from sklearn.neural_network import MLPClassifier
from sklearn.preprocessing import StandardScaler
warnings.filterwarnings('ignore')
size, lamda, eta, epochs = int(sys.argv[2]), float(sys.argv[3]), float(sys.argv[4]), int(sys.argv[5])
table = np.loadtxt(sys.argv[1] + '.csv', delimiter=',', skiprows=1)
x, y, start = StandardScaler().fit_transform(table[:, :-1]), table[:, -1].astype(int), np.load('start.npz')
model = MLPClassifier(start['b1'].shape, solver='sgd', momentum=0, learning_rate_init=eta, alpha=2 * lamda * size,
                      batch_size=size, shuffle=False)
model.partial_fit(x[:size], y[:size], np.unique(y))
for i in (0, 1):
    model.coefs_[i][:] = start[f'W{i + 1}'].T
    model.intercepts_[i][:] = start[f'b{i + 1}']
for _ in range(epochs):
    for at in range(0, len(x), size):
        model.partial_fit(x[at:at + size], y[at:at + size])
p = model.predict_proba(x)
print(-np.log(p[np.arange(len(y)), y]).mean() + lamda * sum((w ** 2).sum() for w in model.coefs_))`

/** Prints the least cost of LogisticRegression: the mean loss plus lambda times the sum of squares of softmax weights. */
const regression = `
import sys, numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler
lamda = float(sys.argv[2])
table = np.loadtxt(sys.argv[1] + '.csv', delimiter=',', skiprows=1)
x, y = StandardScaler().fit_transform(table[:, :-1]), table[:, -1].astype(int)
isBinary = y.max() == 1
# Softmax has a vector for each of two classes, w / 2 and -w / 2, of half the squares.
c = 1 / ((1 if isBinary else 2) * lamda * len(y))
model = LogisticRegression(C=c, tol=1e-10, max_iter=100000).fit(x, y)
p = model.predict_proba(x)
squares = (model.coef_ ** 2).sum() / (2 if isBinary else 1)
print(-np.log(p[np.arange(len(y)), y]).mean() + lamda * squares)`

function python(cwd: string, program: string, ...args: (string | number)[]): string {
  return execFileSync('python3', ['-c', program, ...args.map(String)], { cwd, encoding: 'utf8' })
}

/** The pipeline that trains a model on all rows of a dataset, whole or in batches in their order. */
function definition(data: string, size: number, epochs: number, model: string): string {
  return `stages:
  - use: load/csv
    with: { files: { train: ${data}.csv } }
  - { id: examples, use: normalize/standardize, with: { fit: train } }
  - { use: batch/rows, with: { split: train, size: ${size}, epochs: ${epochs} } }
  - id: model
    ${model}
  - { id: metrics, use: evaluate/classification, from: { parameters: model, examples: examples }, with: { every: ${epochs} epochs, start: true } }
  - { use: sink/parameters, from: model }
`
}

t.test('a network makes the steps of MLPClassifier', { skip }, async (t) => {
  const cwd = temporary(t)
  python(cwd, write, 'digits')
  // Features are kept as float32. 1797 rows are three whole batches: a smaller one would have another penalty in scikit-learn.
  const [size, lambda, eta, epochs] = [599, 0.001, 0.1, 20]
  const load = (name: string, epochs: number, given: string): Promise<Pipeline> => {
    const model = `use: gradient-step/network\n    with: { hidden: [20], lambda: ${lambda}, ${given} }`
    writeFileSync(join(cwd, name), definition('digits', size, epochs, model))
    return Pipeline.load(join(cwd, name))
  }
  // A tiny step leaves the drawn parameters as they are.
  const begun = await run(await load('start.yaml', 1, 'init: he, eta: 1.0e-300'), {
    out: join(cwd, 'start'),
    kernel: 'reference',
  })
  writeFileSync(
    join(cwd, 'start.npz'),
    exportParameters(readParameters(join(begun.directory, 'parameters.arrow')), 'npz'),
  )
  const { history } = await run(await load('p.yaml', epochs, `init: { from: ${join(cwd, 'start')} }, eta: ${eta}`), {
    out: join(cwd, 'run'),
    kernel: 'reference',
  })
  const cost = Number(python(cwd, perceptron, 'digits', size, lambda, eta, epochs))
  const own = history.at(-1)!.train_cost!
  t.ok(own < 0.9 * history[0]!.train_cost!, 'it learned')
  t.ok(Math.abs(own - cost) < 1e-8 * cost, `cost ${own}, scikit-learn ${cost}`)
})

for (const [data, rows] of [
  ['digits', 1797],
  ['breast_cancer', 569],
] as const)
  t.test(`the least cost on ${data} is that of LogisticRegression`, { skip }, async (t) => {
    const cwd = temporary(t)
    python(cwd, write, data)
    const lambda = 0.001
    const model = `use: gradient-step/softmax\n    with: { eta: 0.2, lambda: ${lambda}, update: { nesterov: 0.99 }, init: zeros }`
    writeFileSync(join(cwd, 'p.yaml'), definition(data, rows, 3000, model))
    const pipeline = await Pipeline.load(join(cwd, 'p.yaml'))
    const { history } = await run(pipeline, { out: join(cwd, 'run'), kernel: 'wasm' })
    const [own, cost] = [history.at(-1)!.train_cost!, Number(python(cwd, regression, data, lambda))]
    t.ok(Math.abs(own - cost) < 1e-6 * cost, `cost ${own}, scikit-learn ${cost}`)
  })
