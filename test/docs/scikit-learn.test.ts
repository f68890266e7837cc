import { execFileSync, spawnSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { Pipeline, run } from '../../dist/index.js'
import { temporary } from '../stages/harness.js'

const python = '/usr/bin/python3'
const installed = spawnSync(python, ['-c', 'import sklearn, numpy']).status === 0
const skip = installed ? false : 'scikit-learn is not installed'

/** Rows of noise on one mean per class, numbers that float32 holds exactly, and the same as CSV. */
function rows(classes: number): { x: number[][]; y: number[]; csv: string } {
  const x = Array.from({ length: 60 }, (_, i) => [i % classes, ((i * 7) % 13) / 4, ((i * 5) % 11) / 4 + (i % classes)])
  const y = x.map((_, i) => (i * 3 + Math.floor(i / 9)) % classes)
  return { x, y, csv: x.map((row, i) => `${row.join(',')},${y[i]}`).join('\n') }
}

const STEPS = 20
const ALPHA = 3

/** Fits all models in one process. The network makes a step, then its weights are the first ones of both. */
const program = `
import json, sys, warnings
import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.neural_network import MLPClassifier
warnings.simplefilter('ignore')
two, three, first = json.load(open(sys.argv[1])), json.load(open(sys.argv[2])), sys.argv[3]
found = [LogisticRegression(C=0.5, tol=1e-10, max_iter=10000).fit(x, y).coef_.tolist() for x, y in (two, three)]
x, y = three
model = MLPClassifier((4,), solver='sgd', momentum=0, nesterovs_momentum=False, learning_rate_init=0.05, alpha=${ALPHA},
    batch_size=len(x), shuffle=False, max_iter=1, warm_start=True, random_state=1, n_iter_no_change=1000).fit(x, y)
def weights():
    return {f'{a}{i + 1}': np.ascontiguousarray(v) for i in (0, 1) for a, v in (('W', model.coefs_[i].T), ('b', model.intercepts_[i]))}
np.savez(first, **weights())
model.max_iter = ${STEPS}
model.fit(x, y)
print(json.dumps([*found, {name: v.tolist() for name, v in weights().items()}]))`

/** Trains on the rows with some stages. Returns the parameters. */
async function trained(t: Test, csv: string, stages: string) {
  const folder = temporary(t, { 'rows.csv': csv })
  const file = join(folder, 'p.yaml')
  const load = `{ use: load/csv, with: { files: { train: ${folder}/rows.csv }, header: false } }`
  writeFileSync(file, `stages:\n  - ${load}\n${stages}  - { use: sink/parameters }\n`)
  return (await run(await Pipeline.load(file), { out: join(folder, 'run'), kernel: 'reference' })).parameters
}

t.test('the penalties of scikit-learn are the lambdas that docs/coming-from.md says', { skip }, async (t) => {
  const [two, three] = [rows(2), rows(3)]
  const folder = temporary(t, {
    two: JSON.stringify([two.x, two.y]),
    three: JSON.stringify([three.x, three.y]),
  })
  const first = join(folder, 'first.npz')
  const args = ['-c', program, join(folder, 'two'), join(folder, 'three'), first]
  const [binary, multinomial, network] = JSON.parse(execFileSync(python, args, { encoding: 'utf8' }))

  const logistic = async (csv: string, lambda: number) => {
    const stages = `  - { use: batch/rows, with: { size: 60, epochs: 4000 } }
  - { id: model, use: gradient-step/softmax, with: { eta: 0.05, lambda: ${lambda}, init: zeros, update: { nesterov: 0.9 } } }
`
    const { W } = await trained(t, csv, stages)
    return Array.from({ length: W!.shape[0]! }, (_, k) => [0, 1, 2].map((j) => W!.get(k, j)))
  }
  const C = 0.5
  const [no, yes] = await logistic(two.csv, 1 / (C * 60))
  const near = (ours: number, theirs: number, bound: number, what: string): void => {
    t.ok(Math.abs(ours - theirs) < bound, `${what}: ${ours}, ${theirs}`)
  }
  for (const [j, w] of yes!.entries()) near(w - no![j]!, binary[0][j], 1e-4, `two classes, W[${j}]`)
  for (const [k, row] of (await logistic(three.csv, 1 / (2 * C * 60))).entries())
    for (const [j, w] of row.entries()) near(w, multinomial[k][j], 1e-4, `three classes, W[${k}, ${j}]`)

  const { W1, b1, W2, b2 } = await trained(
    t,
    three.csv,
    `  - { use: batch/rows, with: { size: 60, epochs: ${STEPS} } }
  - { id: model, use: gradient-step/network, with: { hidden: [4], eta: 0.05, lambda: ${ALPHA / (2 * 60)}, init: { from: ${first} } } }
`,
  )
  for (const [name, { data }] of Object.entries({ W1: W1!, b1: b1!, W2: W2!, b2: b2! })) {
    const theirs: number[] = network[name].flat()
    t.equal(data.length, theirs.length)
    for (const [i, w] of theirs.entries()) near(data[i]!, w, 1e-9, `MLPClassifier, ${name}[${i}]`)
  }
})

t.test('the page names this test', (t) => {
  t.match(readFileSync('docs/coming-from.md', 'utf8'), 'test/docs/scikit-learn.test.ts')
  t.end()
})
