import { readFileSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import type { Table } from 'apache-arrow'
import { lastValueFrom, map, toArray } from 'rxjs'
import t, { type Test } from 'tap'
import type { Kernels } from '../../dist/kernels/index.js'
import { referenceKernels } from '../../dist/kernels/reference.js'
import { network } from '../../dist/learners/index.js'
import { randomStream } from '../../dist/pipeline/base/random.js'
import { arraysOf, copyParameters, modelOf, parametersTables, positionOf } from '../../dist/pipeline/stage-kit.js'
import { examples as plainExamples } from '../../dist/pipeline/wires/plain-rows.js'
import { gradientChecks } from '../../dist/stages/check/table.js'
import { gradientStep } from '../../dist/stages/index.js'
import { openStage as openAnyStage } from '../../dist/testing.js'
import { runStage, temporary } from '../stages/harness.js'

/** A mistake in the code of the reference kernel: what is written there, what is written instead, and who shows it. */
interface Mistake {
  readonly name: string
  readonly file: 'reference-network' | 'loss'
  readonly right: string
  readonly wrong: string
  readonly options?: string
  /** Whether the rows have weights of their own. */
  readonly weighted?: boolean
  /** The arrays whose gradients are wrong. */
  readonly caught: readonly string[]
  /** Which of the two gradients are wrong. Default: both. */
  readonly gradients?: readonly string[]
}

const mistakes: Mistake[] = [
  {
    name: 'no 2 in the derivative of the penalty',
    file: 'reference-network',
    right: "kind === 'weights' ? 2 * lambda : 0",
    wrong: "kind === 'weights' ? lambda : 0",
    caught: ['W1', 'W2', 'W3'],
  },
  {
    name: 'biases in the penalty',
    file: 'reference-network',
    right: "kind === 'weights' ? 2 * lambda : 0",
    wrong: '2 * lambda',
    caught: ['b1', 'b2', 'b3'],
  },
  {
    name: 'the mean of the batch as a constant',
    file: 'reference-network',
    right: 'slope[i] - plain / size - ',
    wrong: 'slope[i] - ',
    options: 'batchNorm: true',
    caught: ['W1', 'W2', 'b1', 'b2', 'beta1', 'gamma1'],
  },
  {
    name: 'the variance of the batch as a constant',
    file: 'reference-network',
    right: 'slope[i] - plain / size - (normal[i] * along) / size',
    wrong: 'slope[i] - plain / size',
    options: 'batchNorm: true',
    caught: ['W1', 'W2', 'beta1', 'gamma1'],
  },
  {
    name: 'no gamma on the way back',
    file: 'reference-network',
    right: '(gamma[k] / deviation[k])',
    wrong: '(1 / deviation[k])',
    options: 'batchNorm: true',
    caught: ['W1', 'W2', 'beta1', 'gamma1'],
  },
  {
    name: 'ReLU at the wrong side',
    file: 'reference-network',
    right: 'if (output[i] <= 0)',
    wrong: 'if (output[i] > 0)',
    caught: ['W1', 'W2', 'b1', 'b2'],
  },
  {
    name: 'smoothing forgotten in the term of the label',
    file: 'loss',
    right: '(k === label ? 1 - smoothing : 0) + each',
    wrong: '(k === label ? 1 : 0) + each',
    options: 'smoothing: 0.2',
    caught: ['W1', 'W2', 'W3', 'b1', 'b2', 'b3'],
  },
  {
    name: 'momentum in a step of plain gradient descent',
    file: 'reference-network',
    right: 'arrays[name][i] -= eta * slope[i]',
    wrong:
      '{ const own = ((shape.past ??= {})[name] ??= []); own[i] = 0.9 * (own[i] ?? 0) + slope[i]; arrays[name][i] -= eta * own[i] }',
    caught: ['W1', 'W2', 'W3', 'b1', 'b2', 'b3'],
    gradients: ['step'],
  },
  {
    name: 'the mask of dropout not on the way back',
    file: 'reference-network',
    right: 'dropOut(slope, mask, slope.length, dropout)',
    wrong: '{}',
    options: 'dropout: [0,0.4]',
    caught: ['W1', 'W2', 'b1', 'b2'],
  },
  {
    name: 'the weight of the class not in the slope',
    file: 'reference-network',
    right: 'own[k] *= weight',
    wrong: '{}',
    options: 'classWeights: [1, 3, 0.5]',
    caught: ['W1', 'W2', 'W3', 'b1', 'b2', 'b3'],
  },
  {
    name: 'the weight of the row not in the slope',
    file: 'reference-network',
    right: 'own[k] *= weight',
    wrong: '{}',
    options: 'batchNorm: true',
    weighted: true,
    caught: ['W1', 'W2', 'W3', 'b3', 'beta1', 'beta2', 'gamma1', 'gamma2'],
  },
  {
    name: 'hinge without the slope by the score of the label',
    file: 'loss',
    right: 'slope[label] -= 1',
    wrong: '{}',
    options: 'loss: hinge',
    caught: ['W1', 'W2', 'W3', 'b1', 'b2', 'b3'],
  },
]

const folder = resolve('dist/kernels')

/** Reference kernels whose code has a mistake in it; without one, they are a copy of the right ones. */
async function kernelsWith(t: Test, mistake: Mistake | undefined): Promise<Kernels> {
  const copies = temporary(t)
  for (const name of ['loss', 'reference-network'] as const) {
    let text = readFileSync(join(folder, `${name}.js`), 'utf8')
    if (mistake?.file === name) {
      t.equal(text.split(mistake.right).length, 2, `${name} has it once: ${mistake.right}`)
      text = text.replace(mistake.right, mistake.wrong)
    }
    text = text.replaceAll(/from '\.\/([\w-]+)\.js'/g, (_, other: string) =>
      other === 'loss' ? "from './loss.mjs'" : `from '${pathToFileURL(join(folder, `${other}.js`))}'`,
    )
    writeFileSync(join(copies, `${name}.mjs`), text)
  }
  const { referenceNetwork } = await import(String(pathToFileURL(join(copies, 'reference-network.mjs'))))
  return { ...referenceKernels(), network: referenceNetwork }
}

/** The same fifteen rows of six features in three classes, for two steps. */
function batches(weighted = false): Table[] {
  const random = randomStream(3, 'test', 'rows')
  const rows = Array.from({ length: 15 }, () => Array.from({ length: 6 }, () => random.normal()))
  const labels = rows.map((_, i) => i % 3)
  return [1, 2].map((step) =>
    plainExamples(
      {
        values: rows,
        labels,
        type: 'float32',
        classes: ['a', 'b', 'c'],
        ...(weighted && { weights: rows.map((_, i) => (i % 4) / 2) }),
      },
      { epoch: 1, step, epochs: 1, steps: 2 },
    ),
  )
}

/** Trains two steps and checks them. Returns `gradient array` for each that is wrong. */
async function wrongGradients(
  t: Test,
  kernels: Kernels,
  options = '',
  { change = (table: Table) => table, given = batches(), checked = given } = {},
): Promise<string[]> {
  const learner = { ...network, open: (_: Kernels, ...rest: [never, never]) => network.open(kernels, ...rest) }
  const stage = gradientStep({ name: 'gradient-step/network', summary: 'Trains.', learner, example: '' })
  const own = Object.fromEntries(
    options
      .split(/, (?=[a-z])/)
      .filter(Boolean)
      .map((each) => each.split(': '))
      .map(([key, value]) => [key, /^[a-z]+$/.test(value!) && value !== 'true' ? value : JSON.parse(value!)]),
  )
  const use = { use: stage, id: 'model', with: { hidden: [5, 4], init: 'he', eta: 0.05, lambda: 0.02, ...own } }
  const opened = openAnyStage(use as never, { batches: given } as never, { directory: join(temporary(t), 'run') })
  const parameters = await lastValueFrom(opened.tables.pipe(map(copyParameters), map(change), toArray()))
  const check = '- use: check/gradient\n  with: { kernels: [], lambdas: [0.02], h: [1.0e-5], onFailure: continue }'
  const { tables } = await runStage(t, check, { batches: checked, parameters }, { learners: [learner] })
  const centred = gradientChecks(tables[0]!).filter(({ method }) => method === 'centred')
  t.equal(new Set(centred.map(({ gradient }) => gradient)).size, 2)
  return centred.filter(({ verdict }) => verdict === 'fail').map(({ gradient, array }) => `${gradient} ${array}`)
}

for (const mistake of mistakes)
  t.test(`the gradient check finds: ${mistake.name}`, async (t) => {
    const { options, weighted, caught, gradients = ['step', 'reference'] } = mistake
    const rows = { given: batches(weighted) }
    t.strictSame(
      await wrongGradients(t, await kernelsWith(t, undefined), options, rows),
      [],
      'it passes without the mistake',
    )
    const found = await wrongGradients(t, await kernelsWith(t, mistake), options, rows)
    t.strictSame(
      found.toSorted(),
      gradients.flatMap((gradient) => caught.map((array) => `${gradient} ${array}`)).toSorted(),
    )
  })

t.test('the gradient check finds: a step without the penalty of magnitudes that its cost has', async (t) => {
  const kernels = await kernelsWith(t, undefined)
  t.strictSame(await wrongGradients(t, kernels, 'l1: 0.01'), [], 'it passes without the mistake')
  const claimed = (table: Table) => {
    const model = modelOf(table)
    t.ok(arraysOf(model).W1)
    return parametersTables({ ...model, l1: 0.01 })(positionOf(table), model.eta)
  }
  t.strictSame(await wrongGradients(t, kernels, '', { change: claimed }), ['step W1', 'step W2', 'step W3'])
})

t.test('the gradient check finds: a step that forgot the weights of its rows', async (t) => {
  const forgotten = { given: batches(), checked: batches(true) }
  t.strictSame(
    await wrongGradients(t, await kernelsWith(t, undefined), '', forgotten),
    ['W1', 'b1', 'W2', 'b2', 'W3', 'b3'].map((array) => `step ${array}`),
  )
})
