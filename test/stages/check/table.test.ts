import { tableFromIPC, tableToIPC } from 'apache-arrow'
import t from 'tap'
import { positionOf } from '../../../dist/pipeline/stage-kit.js'
import {
  formatFailure,
  type GradientCheck,
  gradientChecks,
  gradientCheckTable,
} from '../../../dist/stages/check/table.js'

const position = { epoch: 1, step: 2, epochs: 1, steps: 2 }
const difference: GradientCheck = {
  gradient: 'step',
  lambda: 0.1,
  array: 'W',
  method: 'centred',
  h: 1e-5,
  examples: 20,
  count: 30,
  kinks: 0,
  size: 120,
  max_absolute_error: 0.1 + 0.2,
  mean_absolute_error: Number.NaN,
  max_relative_error: Number.POSITIVE_INFINITY,
  mean_relative_error: 5e-324,
  worst: [3, 17],
  analytic: 0.5,
  expected: 0.2,
  threshold: 1e-6,
  verdict: 'fail',
}
const kernel: GradientCheck = {
  ...difference,
  gradient: 'wasm',
  array: 'b',
  method: 'reference',
  h: null,
  max_relative_error: 0.25,
  worst: [2],
}
const curve: GradientCheck = { ...difference, h: 0.1, verdict: null }

t.test('gradient checks keep every digit, what is missing, and their position, through a file too', async (t) => {
  const table = gradientCheckTable(position, [difference, kernel, curve])
  for (const each of [table, tableFromIPC(tableToIPC(table, 'file'))]) {
    t.strictSame(gradientChecks(each), [difference, kernel, curve])
    t.strictSame(Object.keys(gradientChecks(each)[0]!), Object.keys(difference))
    t.strictSame(positionOf(each), position)
    t.equal(each.schema.metadata.get('wire'), 'gradient-check')
  }
})

t.test('a failure says which element is wrong, by how much and how much is allowed', async (t) => {
  t.equal(
    formatFailure(difference),
    'W[3, 17]: the gradient of the step is 0.5 (lambda 0.1), centred differences (h = 0.00001) give 0.2; the error is 3.0e-1 absolute, allowed 0.000001',
  )
  t.equal(
    formatFailure(kernel),
    'b[2]: the gradient of the wasm kernel is 0.5 (lambda 0.1), the reference kernel gives 0.2; the error is 2.5e-1 of the largest magnitude, allowed 0.000001',
  )
})
