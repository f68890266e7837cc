import type { Test } from 'tap'
import t from 'tap'
import type { MetricInfo } from '../../dist/pipeline/wires/metrics.js'
import { formats, reportOf, tablesOf } from '../../dist/report/index.js'
import { type Given, published, runFiles } from './runs.js'

function tables(t: Test, ...given: Given[]): Map<string, ReturnType<typeof tablesOf>[number]> {
  return new Map(tablesOf(reportOf(given.map((each) => runFiles(t, each)))).map((table) => [table.id, table]))
}
const texts = (table: ReturnType<typeof tablesOf>[number] | undefined): string[][] => [
  table!.columns.map(({ name }) => name),
  ...table!.rows.map((row) => row.map(({ text }) => text)),
]

t.test('the tables of a run', (t) => {
  const all = tables(t, {})
  t.same([...all.keys()], ['parameters', 'final-cost', 'final-accuracy'])
  t.same(texts(all.get('parameters')), [
    ['Experiment', 'seed', 'batch size', 'epochs', 'lambda', 'eta'],
    ['a', '1', '100', '2', '0', '0.1'],
  ])
  t.same(texts(all.get('final-cost')), [
    ['Experiment', 'training cost', 'test cost'],
    ['a', '1.6000', '1.8000'],
  ])
  t.same(texts(all.get('final-accuracy')), [
    ['Experiment', 'training accuracy', 'test accuracy'],
    ['a', '40.00 %', '35.00 %'],
  ])
  t.end()
})

t.test('parameters of networks: layers, loss, update rule and schedule', (t) => {
  const network = (options: string) => ({ training: `use: gradient-step/network, with: { ${options} }` })
  const all = tables(
    t,
    {},
    { training: 'use: gradient-step/hinge, with: { eta: 1, l1: 0.1, classWeights: balanced }' },
    network(
      'hidden: [50, 30], batchNorm: true, dropout: [0.1, 0.5], freeze: [1], smoothing: 0.1, eta: 1, update: adam',
    ),
    network('hidden: [9], loss: hinge, eta: { cyclical: { min: 0, max: 0.1 } }, update: { momentum: 0.9 }, clip: 1'),
    {
      training: 'use: ./margin.js, with: { eta: 1 }',
      metricInfos: { train_loss: { name: 'loss', split: 'train', title: 'squared hinge loss' } },
    },
  )
  const [head, ...rows] = texts(all.get('parameters'))
  t.same(head!.slice(5), ['eta', 'layers', 'loss', 'update'])
  t.same(
    rows.map((row) => row.slice(5)),
    [
      ['0.1', '–', '–', '–'],
      ['1', '–', 'hinge, class weights balanced, l1 0.1', '–'],
      ['1', '50-30, batch norm, dropout 0.1 0.5, frozen 1', 'smoothing 0.1', 'adam'],
      ['cyclical (min 0, max 0.1)', '9', 'hinge', 'momentum 0.9, clip 1'],
      ['1', '–', 'squared hinge loss', '–'],
    ],
  )
  t.end()
})

t.test('published beside reproduced, with the misprint corrected', (t) => {
  const block = published(
    'train_cost: { value: 0.39, corrected: 1.59, tolerance: 0.02, note: a misprint }',
    'test_accuracy: { value: 0.36, tolerance: 0.001 }',
  )
  const all = tables(t, { published: block })
  t.same(texts(all.get('published')), [
    ['Experiment', 'quantity', 'published', 'reproduced', 'difference', 'tolerance', 'verdict'],
    ['a', 'training cost', '0.39 (should be 1.59)', '1.6000', '+0.0100', '± 0.02', 'reproduced'],
    ['a', 'test accuracy', '36.00 %', '35.00 %', '−1.00 points', '± 0.10 points', 'differs'],
  ])
  t.same(all.get('published')!.notes, ['a misprint'])
  t.same(texts(all.get('final-cost'))[1], ['a', '0.39 (should be 1.59)', '1.6000', '1.8000'])
  t.end()
})

t.test('several seeds are a mean and a standard deviation', (t) => {
  const all = tables(t, { seed: 7 }, { seed: 6, metrics: ['epoch,step,train_cost,train_accuracy', '2,20,1.8,0.5'] })
  t.equal(all.get('parameters')!.rows[0]![1]!.text, '6–7')
  t.equal(all.get('final-cost')!.rows[0]![1]!.text, '1.7000 ± 0.1414')
  t.equal(all.get('final-accuracy')!.rows[0]![1]!.text, '45.00 ± 7.07 %')
  t.match(all.get('final-cost')!.caption, /mean ± standard deviation/)
  t.match(
    formats.csv(all.get('final-cost')!),
    /^Experiment,training cost,"training cost, standard deviation",test cost\n/,
  )
  t.end()
})

t.test('seeds that do not follow each other are listed', (t) => {
  t.equal(tables(t, { seed: 9 }, { seed: 3 }).get('parameters')!.rows[0]![1]!.text, '3, 9')
  t.end()
})

t.test('a run that failed shows its status and how far it came', (t) => {
  const all = tables(t, { status: 'failed' })
  t.same(texts(all.get('parameters'))[1], ['a', '1', '100', '2', '0', '0.1', 'failed'])
  t.equal(all.get('final-cost')!.rows[0]![1]!.text, '1.6000')
  t.end()
})

t.test('a run without metrics has parameters only; other splits of other runs stay empty', (t) => {
  t.same([...tables(t, { metrics: [] }).keys()], ['parameters'])
  const all = tables(t, {}, { name: 'b', metrics: ['epoch,step,train_cost', '1,10,3e9'] })
  t.same(texts(all.get('final-cost'))[2], ['b', '3.000e+9', '–'])
  t.end()
})

t.test('names from files are text in every format', (t) => {
  const [table] = tablesOf(reportOf([runFiles(t, { name: '=cmd|<b>_x_&$%' })]))
  t.match(formats.md(table!), '| =cmd\\|\\<b\\>\\_x\\_\\&\\$% |')
  t.match(formats.csv(table!), "\n'=cmd|<b>_x_&$%,1,")
  t.match(formats.tex(table!), '  =cmd\\textbar{}\\textless{}b\\textgreater{}\\_x\\_\\&\\$\\% & 1 &')
  t.end()
})

t.test('Markdown and LaTeX carry the notes', (t) => {
  const block = published('train_cost: { value: 1.6, tolerance: 0.1, note: 50 % luck }')
  const table = tables(t, { published: block }).get('published')!
  t.match(formats.md(table), '| reproduced (1) |\n\n1. 50 % luck\n')
  t.match(formats.tex(table), 'reproduced$^{1}$ \\\\')
  t.match(formats.tex(table), '$^{1}$ 50 \\% luck')
  t.match(formats.csv(table), ',reproduced,50 % luck\n')
  t.end()
})

t.test('each metric has a table, with the title and the unit of its metadata', (t) => {
  const info = (split: string | undefined, name: string, more: Partial<MetricInfo>): MetricInfo => ({
    ...(split && { split }),
    name,
    title: name,
    ...more,
  })
  const given: Given = {
    metrics: ['epoch,step,loss,train_f1,test_f1,top_accuracy,eta,words', '1,10,0.5,0.5,0.25,0.125,0.1,7'],
    metricInfos: {
      loss: info('train', 'loss', { better: 'lower' }),
      train_f1: info('train', 'f1', { title: 'F1', unit: 'share', better: 'higher' }),
      test_f1: info('test', 'f1', { title: 'F1', unit: 'share', better: 'higher' }),
      top_accuracy: info(undefined, '../accuracy', { title: 'accuracy', better: 'higher' }),
      eta: info(undefined, 'eta', {}),
    },
    published: published('test_f1: { value: 0.26, tolerance: 0.02 }', 'other_loss: { value: 1 }'),
  }
  const all = tables(t, given)
  t.same([...all.keys()], ['parameters', 'final-loss', 'final-f1', 'final-accuracy-7b926c48', 'published'])
  t.same(texts(all.get('final-loss')), [
    ['Experiment', 'training loss'],
    ['a', '0.5000'],
  ])
  t.equal(all.get('final-f1')!.caption, 'Final F1 of the experiments')
  t.same(texts(all.get('final-f1')), [
    ['Experiment', 'training F1', 'test F1, published', 'test F1, reproduced'],
    ['a', '50.00 %', '26.00 %', '25.00 %'],
  ])
  t.same(
    texts(all.get('final-accuracy-7b926c48'))[1],
    ['a', '0.1250'],
    'per cent is for shares alone, whatever the name',
  )
  t.same(
    texts(all.get('published')).map((row) => row.slice(1, 5)),
    [
      ['quantity', 'published', 'reproduced', 'difference'],
      ['test F1', '26.00 %', '25.00 %', '−1.00 points'],
      ['other loss', '1', '–', '–'],
    ],
  )
  t.end()
})

t.test('the tables of two classes have two names, whatever the classes are called', (t) => {
  const names = ['accuracy_猫', 'accuracy_犬', 'accuracy_a b', 'accuracy_a-b']
  const metricInfos: Record<string, MetricInfo> = Object.fromEntries(
    names.map((name) => [`test_${name}`, { split: 'test', name, title: name, unit: 'share', better: 'higher' }]),
  )
  const metrics = [`epoch,step,${names.map((name) => `test_${name}`).join()}`, '1,10,0.1,0.2,0.3,0.4']
  const ids = [...tables(t, { metrics, metricInfos }).keys()].filter((id) => id.startsWith('final-'))
  t.equal(ids.length, 4)
  t.ok(ids.every((id) => /^[\w-]+$/.test(id)))
  t.ok(ids.includes('final-accuracy_a-b'))
  t.end()
})
