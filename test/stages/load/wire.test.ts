import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { tableFromArrays, tableFromIPC, tableToIPC } from 'apache-arrow'
import t from 'tap'
import { Pipeline, run } from '../../../dist/index.js'
import { arrowFile, modelOf, predictionsTable } from '../../../dist/pipeline/stage-kit.js'
import { errorOf, failureOf, problemsOf, runStage, temporary } from '../harness.js'
import { countedBatches, examples, parameters } from '../tables.js'

const digits = `
  - { id: examples, use: load/digits }
  - { id: floats, use: normalize/standardize }
  - { use: sink/arrow, id: a }
  - { id: rows, use: batch/rows, from: floats, with: { size: 300, epochs: 2 } }
  - { id: shuffled, use: shuffle/rows }
  - { use: sink/arrow, id: b }
  - { id: model, use: gradient-step/softmax, with: { eta: 0.01 } }
  - { use: sink/arrow, id: c, from: model }
  - { id: metrics, use: evaluate/classification, from: { parameters: model, examples: floats } }
  - { use: sink/arrow, id: d }
  - { use: sink/csv, from: metrics }
  - { use: sink/parameters, from: model }`

const replay = (run: string) => `
  - { id: floats, use: load/wire, with: { path: ${run}/floats.arrows, wire: examples } }
  - { id: shuffled, use: load/wire, with: { path: ${run}/shuffled.arrows, wire: batch } }
  - { id: model, use: gradient-step/softmax, with: { eta: 0.01 } }
  - { id: metrics, use: evaluate/classification, from: { parameters: model, examples: floats } }
  - { use: sink/csv }
  - { use: sink/parameters, from: model }
  - { id: recorded, use: load/wire, with: { path: ${run}/model.arrows, wire: parameters } }
  - { use: sink/arrow, id: again, with: { path: model.arrows } }
  - { id: scored, use: evaluate/classification, from: { parameters: recorded, examples: floats } }
  - { use: sink/csv, id: e, with: { path: scored.csv } }
  - { id: seen, use: load/wire, with: { path: ${run}/metrics.arrows, wire: metrics } }
  - { use: sink/csv, id: f, with: { path: seen.csv } }`

t.test('each wire is recorded under its own name, and replayed it gives the same bytes', async (t) => {
  const folder = temporary(t)
  const [first, second] = ['first', 'second'].map((name) => join(folder, name)) as [string, string]
  for (const [out, stages] of [
    [first, digits],
    [second, replay(first)],
  ] as const) {
    writeFileSync(join(folder, 'p.yaml'), `stages:${stages}\n`)
    await run(await Pipeline.load(join(folder, 'p.yaml')), { out, kernel: 'reference' })
  }
  const pairs = [
    ['parameters.arrow', 'parameters.arrow'],
    ['model.arrows', 'model.arrows'],
    ...['metrics.csv', 'scored.csv', 'seen.csv'].map((name) => ['metrics.csv', name]),
  ] as [string, string][]
  for (const [before, after] of pairs)
    t.ok(readFileSync(join(first, before)).equals(readFileSync(join(second, after))), `${before} as ${after}`)
})

t.test('a replayed table has the learning rate of its own step, and predictions may lack labels', async (t) => {
  const folder = temporary(t)
  const file = join(folder, 'p.yaml')
  const runOf = async (name: string, stages: string) => {
    writeFileSync(file, `stages:${stages}\n`)
    const out = join(folder, name)
    await run(await Pipeline.load(file), { out, kernel: 'reference' })
    return out
  }
  const first = await runOf(
    'first',
    `
  - { use: load/digits }
  - { use: batch/rows, with: { size: 300, epochs: 2 } }
  - { id: model, use: gradient-step/network, with: { hidden: [4], dropout: 0.5, eta: { start: 0.01, factor: 0.5, every: 1 } } }
  - { use: sink/arrow }
  - { use: sink/parameters, from: model }`,
  )
  const recorded = tableFromIPC(readFileSync(join(first, 'model.arrows')))
  const etas = new Set(recorded.getChild('eta'))
  t.ok(etas.size > 1, 'the learning rate changes')
  t.equal(
    new Set(recorded.getChild('draw')).size,
    new Set(recorded.getChild('step')).size,
    'each step draws its number',
  )
  const { tables } = await runStage(t, `- use: load/wire\n  with: { path: ${first}/model.arrows, wire: parameters }`)
  t.strictSame(new Set(tables.map((table) => modelOf(table).eta)), etas)
  t.equal(new Set(tables.map((table) => modelOf(table).draw)).size, tables.length)

  const predicted = await runStage(t, '- { use: sink/arrow, with: { path: x.arrows } }', {
    tables: [
      predictionsTable(
        {
          classes: ['a', 'b'],
          kind: 'probability',
          rows: Int32Array.of(0, 1, 2),
          labels: Int32Array.of(1, -1, 0),
          predicted: Int32Array.of(1, 0, 0),
          values: Float64Array.of(0.25, 0.75, 0.5, 0.5, 1, 0),
        },
        'data',
        { epoch: 1, step: 1, epochs: 1, steps: 1 },
      ),
    ],
  })
  const path = join(predicted.directory, 'x.arrows')
  const again = await runStage(t, `- use: load/wire\n  with: { path: ${path}, wire: predictions }`)
  t.strictSame([...again.tables[0]!.getChild('label')!], ['b', null, 'a'])
})

t.test('two recordings under one name are refused before the run', async (t) => {
  const twice = '- { id: x, use: load/digits }\n- { use: sink/arrow, id: a }\n- { use: sink/arrow, id: b, from: x }'
  t.match(
    await problemsOf(t, twice),
    /stages\[2\] sink\/arrow: .*x\.arrows is already written by stages\[1\] sink\/arrow/,
  )
})

t.test('the output is a wire of the type that was recorded', async (t) => {
  const folder = temporary(t, { 'x.arrows': '' })
  const problems = await problemsOf(
    t,
    `- { use: load/wire, with: { path: ${folder}/x.arrows, wire: batch } }\n- { use: normalize/scale }`,
  )
  t.match(problems, /the input "examples" takes an "examples" wire, got a "batch" wire from the output "tables"/)
})

t.test(
  'files that cannot be replayed are told, and a recording that was cut off is replayed as far as it goes',
  async (t) => {
    const { directory } = await runStage(t, '- use: sink/arrow\n  with: { path: x.arrows }', {
      tables: countedBatches([2, 1], 2),
    })
    const whole = readFileSync(join(directory, 'x.arrows'))
    const wrongLabel = examples([[1, 2]], [7], { position: { epoch: 1, step: 1, epochs: 1, steps: 1 } })
    const { directory: other } = await runStage(t, '- use: sink/arrow\n  with: { path: x.arrows }', {
      tables: [wrongLabel],
    })
    const flipped = Uint8Array.from(whole)
    flipped.fill(0xff, 8, 24)
    const files = {
      'empty.arrows': '',
      'text.arrows': 'epoch,step\n1,2\n',
      'schema.arrows': whole.subarray(0, whole.indexOf(Buffer.from([0xff, 0xff, 0xff, 0xff]), 8)),
      'flipped.arrows': flipped,
      'model.arrow': arrowFile(parameters([[1]], [0], { epoch: 1, step: 1, epochs: 1, steps: 1 })),
      'foreign.arrows': tableToIPC(tableFromArrays({ x: Float32Array.of(1) }), 'stream'),
      'label.arrows': readFileSync(join(other, 'x.arrows')),
    }
    const folder = temporary(t, files)
    mkdirSync(join(folder, 'folder'))
    const cases: [name: string, message: RegExp][] = [
      ['empty.arrows', /empty\.arrows is empty/],
      ['text.arrows', /text\.arrows cannot be replayed: there is no message/],
      ['schema.arrows', /schema\.arrows has no tables/],
      ['flipped.arrows', /flipped\.arrows cannot be replayed: /],
      ['model.arrow', /it holds parameters, expected batch; set `wire: parameters`/],
      ['foreign.arrows', /expected batch with the columns features, label, epoch and step, found the columns x/],
      ['label.arrows', /it has the label 7, expected one of 3 classes/],
      ['folder', /cannot read .*folder: it is a directory, expected a file/],
    ]
    for (const [name, message] of cases) {
      const [code, found] = await failureOf(
        t,
        `- { use: load/wire, with: { path: ${folder}/${name}, wire: batch } }\n- { use: sink/arrow }`,
      )
      t.equal(code, 'DATA', name)
      t.match(found, message)
    }
    t.match(
      await problemsOf(
        t,
        `- { use: load/wire, with: { path: ${folder}/missing, wire: batch } }\n- { use: sink/arrow }`,
      ),
      '',
      'a missing file is told when the run starts',
    )
    for (const [cut, count] of [
      [whole.length - 3, 3],
      [whole.length, 4],
    ] as const) {
      writeFileSync(join(folder, 'cut.arrows'), whole.subarray(0, cut))
      const entry = `- use: load/wire\n  with: { path: ${folder}/cut.arrows, wire: batch }`
      const { tables, notes } = await runStage(t, entry)
      t.equal(tables.length, count)
      t.equal(notes.length, count === 4 ? 0 : 1)
      if (count === 3)
        t.match(notes[0], /ends within a table: the recording was cut off, what is replayed ends with table 3/)
    }
    t.match(await errorOf(runStage(t, `- use: load/wire\n  with: { path: ${folder}/no, wire: batch }`)), [
      'DATA',
      /no such file.*; record a wire with `sink\/arrow`/,
    ])
  },
)
