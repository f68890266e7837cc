import { execFileSync, spawnSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { loadModel, Pipeline, run } from '../../dist/index.js'
import { temporary } from '../stages/harness.js'

const python = ['python3', '/usr/bin/python3'].find((each) => spawnSync(each, ['-c', 'import sklearn']).status === 0)
const skip = !python && 'python3 with scikit-learn is not installed'

/**
 * Copies the file of the breast cancer data, and prints the probabilities of its second class by LogisticRegression at the
 * optimum. Its penalty of a binary model is 1 / (2 C n) times the squares of w, and softmax has w / 2 and -w / 2.
 */
const reference = `
import sys, json, shutil, numpy as np
from pathlib import Path
import sklearn.datasets
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler
source = Path(sklearn.datasets.__file__).parent / 'data' / 'breast_cancer.csv'
shutil.copy(source, 'data.csv')
table = np.loadtxt('data.csv', delimiter=',', skiprows=1)
x, y = StandardScaler().fit_transform(table[:, :-1]), table[:, -1].astype(int)
model = LogisticRegression(C=1 / (float(sys.argv[1]) * len(y)), tol=1e-10, max_iter=100000).fit(x, y)
print(json.dumps(list(model.predict_proba(x)[:, 1])))`

t.test('probabilities are those of LogisticRegression on the breast cancer data', { skip }, async (t) => {
  const cwd = temporary(t)
  const lambda = 0.01
  const expected = JSON.parse(
    execFileSync(python!, ['-c', reference, String(lambda)], { cwd, encoding: 'utf8' }),
  ) as number[]
  // Its first line has the numbers of rows and features, and the names of the classes.
  writeFileSync(
    join(cwd, 'p.yaml'),
    `stages:
  - use: load/csv
    with: { files: { train: data.csv }, skip: 1, header: false }
  - { id: examples, use: normalize/standardize }
  - { use: batch/rows, with: { size: 569, epochs: 800 } }
  - id: model
    use: gradient-step/softmax
    with: { eta: 0.2, lambda: ${lambda}, update: { nesterov: 0.97 }, init: zeros }
  - { use: sink/parameters }
`,
  )
  await run(await Pipeline.load(join(cwd, 'p.yaml')), { out: join(cwd, 'run'), kernel: 'wasm' })
  const lines = readFileSync(join(cwd, 'data.csv'), 'utf8').trim().split('\n').slice(1)
  const model = await loadModel(join(cwd, 'run'))
  const { values, count } = model.predict(lines.map((line) => line.split(',').slice(0, -1).map(Number)))
  model.free()
  t.equal(count, 569)
  const error = Math.max(...expected.map((p, i) => Math.abs(p - values[2 * i + 1]!)))
  t.ok(error < 1e-4, `the largest difference is ${error}`)
})
