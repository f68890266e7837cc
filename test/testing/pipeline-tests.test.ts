import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { type Test, test } from 'tap'
import { Pipeline } from '../../dist/index.js'
import type { PipelineError } from '../../dist/pipeline/base/errors.js'
import { createTests } from '../../dist/testing/create.js'
import { failureLines } from '../../dist/testing/failure-text.js'
import { reportOf } from '../../dist/testing/reports.js'
import type { TestResult } from '../../dist/testing/run-test.js'
import { runTests } from '../../dist/testing/run-tests.js'
import { findTests, readTests } from '../../dist/testing/test-file.js'
import { updateTests } from '../../dist/testing/update.js'
import { testPipeline } from '../../dist/testing.js'
import { temporary } from '../stages/harness.js'

const root = fileURLToPath(new URL('../..', import.meta.url))

const pipeline = `name: small
seed: 1
stages:
  - use: load/csv
    with: { path: data.csv, fractions: { train: 1 } }
  - { id: scaled, use: normalize/standardize, with: { fit: train } }
  - { use: batch/rows, with: { split: train, size: 2, epochs: 2 } }
  - { id: shuffle, use: shuffle/none }
  - { id: model, use: gradient-step/softmax, with: { eta: 0.1 } }
  - { id: metrics, use: evaluate/classification, from: { parameters: model, examples: scaled }, with: { splits: [train] } }
  - { id: sink-csv, use: sink/csv }
`
const data = 'x,y,label\n1,2,a\n3,4,b\n5,6,a\n7,9,b\n'

/** Writes tests beside the pipeline, and returns their file. */
function written(t: Test, tests: string, more: Readonly<Record<string, string>> = {}): string {
  const folder = temporary(t, {
    'small.yaml': pipeline,
    'data.csv': data,
    'small.test.yaml': `pipeline: ./small.yaml\ntests:\n${tests}`,
    ...more,
  })
  return join(folder, 'small.test.yaml')
}

/** What fails of one test, as lines without the path of the file. */
async function failures(t: Test, lines: string, more?: Readonly<Record<string, string>>): Promise<string[]> {
  const file = written(t, `  - name: x\n${lines.replaceAll(/^/gm, '    ')}\n`, more)
  const [result] = await testPipeline(file)
  return result!.failures.map(
    ({ where, message }) =>
      `${where.replace(/^.*small\.test\.yaml:/, '')} ${message.replaceAll(/\S*\/(?=\w+\.\w+)/g, '')}`,
  )
}

const two = 'insert: { into: scaled, rows: [{ features: [1, 5], label: a }, { features: [3, 5], label: b }] }'

test('what is expected and comes out passes', async (t) => {
  for (const lines of [
    `${two}\nexpect: { rows: [{ features: [-1, 0] }, { label: b, features: [[1], [0]] }] }`,
    `${two}\nexpect: { rows: [{ features: [1, { atMost: 0 }], stored: [1, 0] }], match: last }`,
    `${two}\nexpect: { rows: [{ label: { not: a } }], match: some, splits: [train] }`,
    `${two}\nexpect: { rows: [{ features: { atLeast: -1, below: 1.5 } }], where: { label: b }, count: 1, tables: { above: 0 } }`,
    `${two}\nexpect: { rows: rows.csv }`,
    `${two}\nexpect: { rows: rows.jsonl, tolerance: { relative: 0.1 } }`,
    'insert: { wire: csv, rows: [{ x: 0.1, y: 2, split: train }, { x: 0.3, y: 1, split: test }] }\nexpect: { from: csv.examples, rows: [{ x: 0.1 }, { x: 0.3 }] }'.replace(
      'wire: load',
      'wire: csv',
    ),
    'insert: { into: shuffle, use: load/synthetic, with: { kind: blobs, rows: 10 }, size: 4, epochs: 2 }\nexpect: { from: shuffle, tables: { atLeast: 2 }, splits: { train: { atLeast: 8 } } }',
    'expect:\n  - { metrics: { train_accuracy: { atLeast: 0, atMost: 1 } } }\n  - { from: metrics, count: 2, rows: [{ epoch: 2, step: 4 }], match: last }',
    'set: { rows.epochs: 1 }\nexpect: { from: metrics, count: 1 }',
    'expect: { gradient: { examples: 4, features: all } }',
    'expect: { files: { metrics.csv: { includes: "epoch,step,train_loss" } } }',
    'insert: { into: model, rows: [{ features: [1], label: a }] }\nexpect: { error: { code: DATA, message: at least 2 classes, stage: model } }',
    'insert: { into: scaled, rows: [{ features: [1], split: test }] }\nexpect: { error: { code: DEFINITION, stage: scaled } }'.replace(
      ', stage: scaled',
      '',
    ),
    'insert: { into: sink-csv, rows: [{ epoch: 1, step: 1, loss: 0.5 }] }\nexpect: { files: { metrics.csv: "epoch,step,loss\\n1,1,0.5\\n" }, from: csv-2 }'.replaceAll(
      'csv-2',
      'sink-csv',
    ),
    'skip: later\nexpect: { count: 1, from: scaled }',
  ])
    t.strictSame(
      await failures(t, lines, {
        'rows.csv': 'label,split\na,train\nb,train\n',
        'rows.jsonl': '{"features":[-1.05,0]}\n{"features":[1,0]}\n',
      }),
      [],
      lines,
    )
})

test('what is expected beside a gradient is looked at, too', async (t) => {
  const gradient = 'gradient: { examples: 4, features: all }'
  t.strictSame(await failures(t, `expect: { ${gradient}, metrics: { train_accuracy: { atLeast: 0 } } }`), [])
  t.match(await failures(t, `expect: { ${gradient}, metrics: { train_accuracy: { above: 1 } } }`), [/train_accuracy/])
})

test('what is not as expected is told with its place, what was expected and what came out', async (t) => {
  for (const [lines, ...messages] of [
    [
      `${two}\nexpect: { rows: [{ features: [-1, 0] }, { features: [1, 0.5], label: c }] }`,
      '5:21 scaled.examples: rows[1].features[1]: expected 0.5, got 0; and 1 more',
    ],
    [
      `${two}\nexpect: { rows: [{ lable: a }, {}] }`,
      '5:21 scaled.examples: rows[0].lable: there is no such column; did you mean "label"?',
    ],
    [`${two}\nexpect: { rows: [{ features: [1] }] }`, '5:21 scaled.examples: expected 1 row, got 2'],
    [
      `${two}\nexpect: { rows: [{ features: [1] }], match: first }`,
      '5:21 scaled.examples: rows[0].features: expected 1 number, got 2',
    ],
    [`${two}\nexpect: { rows: [{ label: z }], match: some }`, '5:21 scaled.examples: none of 2 rows is { label: "z" }'],
    [
      `${two}\nexpect: { count: 3, splits: { train: 1 } }`,
      '5:22 scaled.examples: expected 3 rows, got 2',
      '5:42 scaled.examples: expected 1 row of train, got 2',
    ],
    [`${two}\nexpect: { splits: [test] }`, '5:23 scaled.examples: expected the splits test, got train'],
    [`${two}\nexpect: { tables: { above: 1 } }`, '5:23 scaled.examples: expected more than 1 table, got 1'],
    [`${two}\nexpect: { error: DATA }`, '5:22 expected an error with the code DATA, but the run is done'],
    [`${two}\nexpect: { notes: [nothing] }`, /notes: |5:22 expected a note with "nothing", got /],
    [
      'expect: { metrics: { train_accuracy: { above: 1 } } }',
      /^4:42 metrics\.metrics: train_accuracy: expected more than 1, got [\d.]+$/,
    ],
    [
      'expect: { files: { metrics.csv: x, none.csv: y } }',
      /^4:22 metrics.csv: line 1: expected "x", got "epoch,step,/,
      '4:22 the run wrote no file none.csv',
    ],
    [
      'insert: { into: scaled, rows: [{ features: [a] }] }\nexpect: { count: 1 }',
      /^3:5 failed with DATA: \S+:4:35 {2}insert: rows\[0\]: features: expected numbers, got "a"$/,
    ],
    [
      'insert: { into: scaled, type: uint8, rows: [{ features: [0.5] }] }\nexpect: { count: 1 }',
      /whole numbers from 0 to 255, got 0\.5/,
    ],
    [
      'insert: { into: scaled, rows: [{ features: [1], label: a }, { features: [2] }] }\nexpect: { count: 1 }',
      /rows\[1\]: label is required, because other rows have one/,
    ],
    [
      'insert: { into: scaled, rows: none.csv }\nexpect: { count: 1 }',
      /insert: cannot read the rows in none\.csv: no such file/,
    ],
    [
      'insert: { into: scaled, rows: rows.jsonl }\nexpect: { count: 1 }',
      /insert: rows\.jsonl:3: expected an object of values by their columns, got \[5\]/,
    ],
    [
      'insert: { into: scaled, rows: cut.jsonl }\nexpect: { count: 1 }',
      /insert: cut\.jsonl:1: expected an object in JSON: /,
    ],
    [`${two}\nexpect: { rows: rows.jsonl }`, /rows\.jsonl:3: expected an object/],
    [
      'insert: { wire: csv, rows: [{ features: [1] }] }\nexpect: { from: metrics, error: STAGE }',
      /expected an error with the code STAGE, got DATA: .*expected at least 2 classes/,
    ],
    [
      'insert: { into: sink-csv, rows: [{ epoch: 1, step: 1, a: 1 }] }\nexpect: { from: scaled, count: 4 }',
      /nothing that the test looks at reads sink-csv\./,
    ],
  ] as const) {
    const found = await failures(t, lines, {
      'rows.jsonl': '{"features":[1]}\n\n[5]\n',
      'cut.jsonl': '{"features":[1\n',
    })
    t.equal(found.length, messages.length, lines)
    for (const [i, message] of messages.entries()) t.match(found[i], message, lines)
  }
})

test('mistakes in tests are found before anything runs, all of them', async (t) => {
  const file = written(
    t,
    `  - name: a
    insert: { into: scaledd, rows: [{ features: [1] }] }
    expect: { from: model.weights, count: 1 }
  - name: b
    insert: { into: metrics, rows: [{ features: [1] }] }
    expect: { count: 1, error: { code: DATUM } }
  - name: c
    insert: { wire: sink-csv, rows: [{ a: 1 }] }
    expect: [{ from: sink-csv, count: 1 }, { count: 2 }]
`,
  )
  await t.rejects(readTests([file]), { code: 'DEFINITION' })
  const { message } = await readTests([file]).catch((error: PipelineError) => error as never)
  for (const part of [
    '4:21  test "a": insert: into: no stage with id "scaledd"; did you mean "scaled"?',
    '5:21  test "a": expect: "model" has no output named "weights"',
    '7:21  test "b": insert: into: "metrics" has the inputs parameters, examples; name one: metrics.parameters',
    '8:32  test "b": expect: error: code: no error code "DATUM"; did you mean "DATA"?',
    '10:21  test "c": insert: wire: "sink-csv" is a sink and has no output',
    '11:22  test "c": expect: from: "sink-csv" is a sink: expect its files, notes or an error',
    'test "c": expect: from is required: expected the stage whose output is looked at',
  ])
    t.ok((message as string).includes(part), `${part}\n${message}`)
  for (const [text, part] of [
    ['  - name: a\n    expect: {}\n', 'expected what is expected: rows, count, metrics, error'],
    ['  - name: a\n    expect: { cuont: 1 }\n', 'unknown key "cuont"; did you mean "count"?'],
    [
      '  - name: a\n    insert: { into: x }\n    expect: { count: 1 }\n',
      'expected `rows`, or `use` for a load stage that makes them',
    ],
  ] as const)
    await t.rejects(readTests([written(t, text)]), {
      code: 'DEFINITION',
      message: new RegExp(part.replace(/[?`.]/g, '\\$&')),
    })
})

test('a failure shows the input, and what is expected and came beside each other', async (t) => {
  const file = written(
    t,
    `  - name: x\n    ${two}\n    expect: { rows: [{ features: [-1, 0], label: a }, { features: [1, 0.5], label: c }] }\n`,
  )
  const [
    {
      failures: [failure],
    },
  ] = (await testPipeline(file)) as unknown as [TestResult]
  t.strictSame(failureLines(failure!).slice(1), [
    '  input at scaled.examples (examples), 2 rows:',
    '    split  features  label',
    '    train  [1, 5]    a',
    '    train  [3, 5]    b',
    '  expected (-) and got (+), what differs between » and «:',
    '         features  label',
    '      0  [-1, 0]   a',
    '    - 1  [1, 0.5]  "c"',
    '    + 1  [1, »0«]  »b«',
  ])
})

test('values are updated, and all else stays as it is written', async (t) => {
  const text = `  - name: x   # why
    ${two}
    expect:
      # the rows
      - rows: [{ features: [9, 0], label: a }, { label: z }]   # here
      - count: 3
      - splits:
          test: 1
      - { rows: [{ label: "b" }], match: last, where: { label: b } }
  - name: y
    expect: { from: scaled, rows: [{ label: { not: a } }], match: first }
`
  const file = written(t, text)
  const [suite] = await readTests([file])
  const { values, left } = updateTests(suite!, await runTests([suite!]))
  t.strictSame([values, left], [4, ['y']])
  const expected = text
    .replace('[9, 0]', '[-1, 0]')
    .replace('label: z', 'label: b')
    .replace('count: 3', 'count: 2')
    .replace('test: 1', 'train: 2')
  t.equal(readFileSync(file, 'utf8'), `pipeline: ./small.yaml\ntests:\n${expected}`)
  t.strictSame(
    (await testPipeline(file)).map(({ status }) => status),
    ['passed', 'failed'],
  )
})

test('a file of tests is made from a run, and passes', async (t) => {
  const file = written(t, '')
  const text = await createTests(
    await Pipeline.load(join(file, '../small.yaml')),
    'small.yaml',
    new AbortController().signal,
  )
  writeFileSync(file, text)
  t.match(text, /splits: \{ train: 4 \}[\s\S]*set: \{ "rows\.epochs": 1 \}[\s\S]*train_accuracy: [\s\S]*gradient: \{\}/)
  t.strictSame(
    (await testPipeline(file)).map(({ status }) => status),
    ['passed', 'passed', 'passed'],
  )
})

test('results as TAP, JUnit and JSON', async (t) => {
  const file = written(
    t,
    `  - { name: "a <b> # c", skip: "no & yes", expect: { count: 1, from: scaled } }\n  - { name: two, expect: { count: 1, from: scaled } }\n  - { name: three, expect: { count: 4, from: scaled } }\n`,
  )
  const results = await testPipeline(file)
  t.match(
    reportOf(results, 'tap'),
    /^TAP version 14\n1\.\.3\nok 1 - \S+: a <b> \\# c # SKIP no & yes\nnot ok 2 - .*: two\n {2}---\n[\s\S]*\n {2}\.\.\.\nok 3 - /,
  )
  t.match(
    reportOf(results, 'junit'),
    /tests="3" failures="1" skipped="1"[\s\S]*name="a &lt;b&gt; # c"[\s\S]*<skipped message="no &amp; yes"\/>[\s\S]*<failure message="scaled\.examples: expected 1 row, got 4">/,
  )
  t.match(JSON.parse(reportOf(results, 'json')), {
    passed: 1,
    failed: 1,
    skipped: 1,
    tests: [{}, { failures: [{ message: 'scaled.examples: expected 1 row, got 4' }] }],
  })
  t.match(
    reportOf(results, 'spec'),
    /skip {2}a <b> # c: no & yes\n {2}FAIL {2}two.*\n[\s\S]*1 passed, 1 failed, 1 skipped\n$/,
  )
})

test('the tests that come with Millrace pass, and are found', async (t) => {
  const files = findTests([join(root, 'examples'), 'digits'])
  t.strictSame(
    files.map((file) => file.slice(root.length)),
    ['examples/hinge.test.yaml', 'examples/noise.test.yaml', 'configs/digits.test.yaml'],
  )
  for (const { name, status, failures } of await runTests(await readTests(files)))
    t.equal(status, 'passed', `${name} ${JSON.stringify(failures.map(({ message }) => message))}`)
})
