import { join } from 'node:path'
import t from 'tap'
import { changesBetween, compareRuns, type StoredRecord } from '../../dist/report/index.js'
import { temporary } from '../stages/harness.js'

const head = 'epoch,step,cost'
const whole = { status: 'done', files: [] } as const

function compared(before: string[], after: string[], record: Pick<StoredRecord, 'status' | 'files'> = whole) {
  const text = (lines: string[]): string => `${[head, ...lines].join('\n')}\n`
  const [a, b] = [before, after].map((lines) => temporary(t, { 'metrics.csv': text(lines) }))
  return compareRuns(a!, b!, record)
}

t.test('the first cell that differs is found, with where it is', async (t) => {
  t.strictSame(compared(['1,5,2', '2,10,1'], ['1,5,2', '2,10,1.25']), {
    rows: 2,
    files: ['metrics.csv'],
    differing: ['metrics.csv'],
    first: {
      file: 'metrics.csv',
      row: 2,
      at: { epoch: '2', step: '10' },
      column: 'cost',
      before: '1',
      after: '1.25',
      relative: 0.2,
    },
  })
  t.equal(compared(['1,5,2'], ['1,5,2']).first, undefined)
})

t.test('a row that is missing differs, unless the run did not end', async (t) => {
  const rows = ['1,5,2', '2,10,1']
  t.match(compared(rows, rows.slice(1)).first, { row: 1, column: 'epoch' })
  t.match(compared(rows, rows.slice(0, 1)).first, { row: 2, at: { epoch: '2' }, before: 'a row', after: undefined })
  t.match(compared(rows.slice(0, 1), rows).first, { row: 2, before: undefined, after: 'a row' })
  const failed = { status: 'failed', files: [] } as const
  t.strictSame(compared(rows.slice(0, 1), rows, failed).differing, [])
  t.match(compared(rows, rows.slice(0, 1), failed).first, { row: 2 })
})

t.test('what is not a number has no relative difference', async (t) => {
  t.match(compared(['1,5,NaN'], ['1,5,2']).first, { before: 'NaN', after: '2', relative: undefined })
  t.match(compared(['1,5,Infinity'], ['1,5,2']).first, { relative: undefined })
})

t.test('the files are those of the run: what else lies there is left out', async (t) => {
  const a = temporary(t, { 'a.svg': 'x', 'mine.txt': '1', 'pipeline.yaml': '1', 'run.json': '1' })
  const b = temporary(t, { 'a.svg': 'y', 'pipeline.yaml': '2', 'run.json': '2' })
  const files = ['a.svg', 'pipeline.yaml', 'run.json', 'gone.csv']
  t.strictSame(compareRuns(a, b, { status: 'done', files }), {
    rows: 0,
    files: ['a.svg'],
    differing: ['a.svg'],
    first: undefined,
  })
  t.throws(() => compareRuns(join(a, 'nowhere'), b, whole), { code: 'DATA' })
})

t.test('changes are those between two records', async (t) => {
  const record: StoredRecord = {
    status: 'done',
    name: 'a',
    seed: 1,
    versions: { millrace: '1.0.0', node: '20.19.0' },
    machine: { platform: 'linux-x64', cpu: 'one', cores: 2 },
    kernel: { name: 'native', detail: 'avx2', threads: 2 },
    definition: 'abc',
    data: [
      { path: 'x', bytes: 1, sha256: '11' },
      { path: 'y', bytes: 1, sha256: '22' },
    ],
    notes: [],
    files: [],
  }
  t.strictSame(changesBetween(record, record, 'abc'), [])
  t.strictSame(changesBetween({ ...record, definition: undefined, machine: undefined }, record, 'abc'), [])
  const after: StoredRecord = {
    ...record,
    seed: 2,
    versions: { millrace: '1.1.0', node: '22.0.0' },
    machine: { platform: 'darwin-arm64', cpu: 'other', cores: 8 },
    kernel: { name: 'native', detail: 'avx512', threads: 8 },
    data: [
      { path: 'x', bytes: 2, sha256: '12' },
      { path: 'z', bytes: 1, sha256: '33' },
    ],
  }
  t.strictSame(changesBetween(record, after, 'abd'), [
    'definition: pipeline.yaml is not what the run was made from',
    'seed: was 1, is 2',
    'data: x was 1 byte, SHA-256 11; is 2 bytes, 12',
    'data: y was read, is not any more',
    'data: z was not read, is now',
    'kernel: was native (avx2), is native (avx512)',
    'millrace: was 1.0.0, is 1.1.0',
    'node: was 20.19.0, is 22.0.0',
    'platform: was linux-x64, is darwin-arm64',
    'processor: was one, is other',
  ])
})
