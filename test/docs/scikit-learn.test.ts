import { execFileSync, spawnSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { Pipeline, run } from '../../dist/index.js'
import { temporary } from '../stages/harness.js'

const python = '/usr/bin/python3'
const installed = spawnSync(python, ['-c', 'import sklearn, numpy']).status === 0
const skip = installed ? false : 'scikit-learn is not installed'

/** Rows of noise on one mean per class, and the same as CSV. */
function rows(classes: number): { x: number[][]; y: number[]; csv: string } {
  const x = Array.from({ length: 60 }, (_, i) => [i % classes, ((i * 7) % 13) / 4, ((i * 5) % 11) / 3 + (i % classes)])
  const y = x.map((_, i) => (i * 3 + Math.floor(i / 9)) % classes)
  return { x, y, csv: x.map((row, i) => `${row.join(',')},${y[i]}`).join('\n') }
}

for (const [classes, lambdaOf] of [
  [3, (c: number, n: number) => 1 / (2 * c * n)],
  [2, (c: number, n: number) => 1 / (c * n)],
] as const)
  t.test(
    `${classes} classes: C of LogisticRegression is the lambda that docs/coming-from.md says`,
    { skip },
    async (t) => {
      const { x, y, csv } = rows(classes)
      const folder = temporary(t, { 'rows.csv': csv })
      const file = join(folder, 'p.yaml')
      const lambda = lambdaOf(0.5, x.length)
      writeFileSync(
        file,
        `stages:
  - { use: load/csv, with: { files: { train: ${folder}/rows.csv }, header: false } }
  - { use: batch/rows, with: { size: 60, epochs: 4000 } }
  - { id: model, use: gradient-step/softmax, with: { eta: 0.05, lambda: ${lambda}, init: zeros, update: { nesterov: 0.9 } } }
  - { use: sink/parameters }
`,
      )
      const { parameters } = await run(await Pipeline.load(file), { out: join(folder, 'run'), kernel: 'reference' })
      const program = `
import json, sys
from sklearn.linear_model import LogisticRegression
x, y = json.load(open(sys.argv[1]))
model = LogisticRegression(C=0.5, tol=1e-10, max_iter=10000).fit(x, y)
print(json.dumps(model.coef_.tolist()))`
      writeFileSync(join(folder, 'rows.json'), JSON.stringify([x, y]))
      const theirs = JSON.parse(execFileSync(python, ['-c', program, join(folder, 'rows.json')], { encoding: 'utf8' }))
      const W = parameters.W!
      const ours = Array.from({ length: classes }, (_, k) => [0, 1, 2].map((j) => W.get(k, j)))
      const compared = classes === 2 ? [ours[1]!.map((w, j) => w - ours[0]![j]!)] : ours
      for (const [k, row] of compared.entries())
        for (const [j, w] of row.entries())
          t.ok(Math.abs(w - theirs[k][j]) < 1e-4, `W[${k}, ${j}]: ${w}, ${theirs[k][j]}`)
    },
  )
t.test('the page names this test', (t) => {
  t.match(readFileSync('docs/coming-from.md', 'utf8'), 'test/docs/scikit-learn.test.ts')
  t.end()
})
