import { execFileSync, spawnSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { Pipeline, run } from '../../../dist/index.js'
import { randomStream } from '../../../dist/pipeline/base/random.js'
import { temporary } from '../harness.js'

// Debian's scikit-learn belongs to the Python of the system.
const python = ['python3', '/usr/bin/python3'].find((each) => spawnSync(each, ['-c', 'import sklearn']).status === 0)
const skip = python === undefined && 'python3 with scikit-learn is not installed'

const jobs = ['Private', 'Self-emp', 'Gov', 'Without-pay']
const schools = ['Bachelors', 'HS-grad', 'Masters', '9th', 'Doctorate']
const countries = ['United-States', 'Mexico', 'Outlying-US(Guam-USVI-etc)', 'India']

/** Rows as those of the census data of UCI: blanks after commas, `?` for a missing cell, perhaps a full stop at the end. */
function census(count: number, seed: number, stop: string): string {
  const random = randomStream(seed, 'census', 'rows')
  const pick = (list: readonly string[]): number =>
    Math.min(list.length - 1, Math.floor(random.uniform() ** 2 * list.length))
  const hole = (cell: string | number): string => (random.uniform() < 0.05 ? '?' : `${cell}`)
  const lines = Array.from({ length: count }, () => {
    const age = 17 + Math.floor(60 * random.uniform())
    const [job, school, country] = [pick(jobs), pick(schools), pick(countries)]
    const hours = 20 + Math.floor(40 * random.uniform())
    const score =
      0.04 * (age - 45) + 0.06 * (hours - 40) + [0.2, 0.8, -0.4, -2][job]! + [1, -0.5, 1.6, -1.5, 2][school]!
    const label = score + 2 * (random.uniform() - 0.5) > 0.8 ? '>50K' : '<=50K'
    return [age, hole(jobs[job]!), hole(schools[school]!), hole(hours), hole(countries[country]!), label + stop].join(
      ', ',
    )
  })
  return `${lines.join('\n')}\n\n`
}

/** Prints the accuracy of the pipeline that scikit-learn's documentation gives for such data, on the test rows. */
const reference = `
import csv, numpy as np
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
def read(path):
    rows = [[cell.strip() for cell in row] for row in csv.reader(open(path)) if row]
    x = np.array([[None if cell == '?' else cell for cell in row[:-1]] for row in rows], dtype=object)
    for j in (0, 3): x[:, j] = [np.nan if cell is None else float(cell) for cell in x[:, j]]
    for j in (1, 2, 4): x[:, j] = [np.nan if cell is None else cell for cell in x[:, j]]
    return x, np.array([row[-1].rstrip('.') for row in rows])
x, y = read('adult.data')
columns = ColumnTransformer([
    ('numbers', make_pipeline(SimpleImputer(strategy='mean'), StandardScaler()), [0, 3]),
    ('texts', make_pipeline(SimpleImputer(strategy='most_frequent'), OneHotEncoder(handle_unknown='ignore')), [1, 2, 4])])
model = make_pipeline(columns, LogisticRegression(C=1000, max_iter=10000)).fit(x, y)
print(model.score(*read('adult.test')))`

t.test('data as the census of UCI is classified as well as by scikit-learn', { skip }, async (t) => {
  const cwd = temporary(t, {
    'adult.data': census(3000, 1, ''),
    'adult.test': `|1x3 Cross validator\n${census(1500, 2, '.')}`.replace(/^.*\n/, ''),
    'p.yaml': `stages:
  - use: load/csv
    with:
      files: { train: "\${here}/adult.data", test: "\${here}/adult.test" }
      header: false
      text: one-hot
      missing: mean
      merge: [stops]
      unseen: ignore
  - { id: examples, use: normalize/standardize, with: { fit: train } }
  - { use: batch/rows, with: { split: train, size: 3000, epochs: 150 } }
  - { id: model, use: gradient-step/softmax, with: { eta: 0.5, init: zeros, update: { nesterov: 0.9 } } }
  - use: evaluate/classification
    from: { parameters: model, examples: examples }
    with: { splits: [train, test], every: 150 epochs }
`,
  })
  const { history } = await run(await Pipeline.load(join(cwd, 'p.yaml')), { out: join(cwd, 'run'), kernel: 'wasm' })
  writeFileSync(join(cwd, 'reference.py'), reference)
  const expected = Number(execFileSync(python!, ['reference.py'], { cwd, encoding: 'utf8' }))
  const found = history.at(-1)!.test_accuracy!
  t.ok(expected > 0.75, `scikit-learn ${expected}`)
  t.ok(Math.abs(found - expected) <= 0.003, `accuracy ${found}, scikit-learn ${expected}`)
})
