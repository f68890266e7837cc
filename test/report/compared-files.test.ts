import { execFileSync } from 'node:child_process'
import { symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { Schema, Table, tableFromArrays, tableToIPC, vectorFromArray } from 'apache-arrow'
import t from 'tap'
import { arrowFile } from '../../dist/pipeline/wires/arrow-internals.js'
import { comparedFiles, differingFiles } from '../../dist/report/compared-files.js'
import { temporary } from '../stages/harness.js'

t.test('equal directories have no differing files, whatever times, checkpoints and locks say', async (t) => {
  const same = (): object => ({ 'metrics.csv': 'epoch\n1\n', figures: { 'a.png': 'x' } })
  const folder = t.testdir({
    a: { ...same(), 'run.json': '1', checkpoint: { '1.bin': 'a' }, 'run.lock': '', 'parameters.arrow.part': '' },
    b: { ...same(), 'run.json': '2', 'timings.csv': '' },
  })
  t.strictSame(differingFiles(join(folder, 'a'), join(folder, 'b')), [])
})

t.test('differing files are named: other bytes, other lengths, missing ones, on either side', async (t) => {
  const long = 'x'.repeat(3 << 20)
  const folder = t.testdir({
    a: { 'run.csv': '1', same: long, late: `${long}a`, length: 'a', figures: { 'only-a.png': '', 'run.json': '1' } },
    b: { 'run.csv': '2', same: long, late: `${long}b`, length: 'ab', 'only-b': '', figures: { 'run.json': '2' } },
  })
  const [a, b] = [join(folder, 'a'), join(folder, 'b')]
  const names = ['figures/only-a.png', 'figures/run.json', 'late', 'length', 'only-b', 'run.csv']
  t.strictSame(differingFiles(a, b), names)
  t.strictSame(differingFiles(b, a), names)
})

t.test('Arrow files are compared by their tables, because version 0.1.0 wrote other bytes', async (t) => {
  const table = (value: number, name: string) =>
    new Table(new Schema(tableFromArrays({ x: [0] }).schema.fields, new Map([['name', name]])), {
      x: vectorFromArray([value, 2]),
    })
  const old = Buffer.from(tableToIPC(table(1, 'a'), 'file'))
  const now = Buffer.from(arrowFile(table(1, 'a')))
  t.notOk(old.equals(now))
  const folder = t.testdir({
    a: { 'same.arrow': old, 'value.arrow': old, 'name.arrow': old, 'same.bin': old, 'damaged.arrow': old.subarray(9) },
    b: {
      'same.arrow': now,
      'value.arrow': Buffer.from(arrowFile(table(3, 'a'))),
      'name.arrow': Buffer.from(arrowFile(table(1, 'b'))),
      'same.bin': now,
      'damaged.arrow': now.subarray(9),
    },
  })
  t.strictSame(differingFiles(join(folder, 'a'), join(folder, 'b')), [
    'damaged.arrow',
    'name.arrow',
    'same.bin',
    'value.arrow',
  ])
})

t.test('what is no file differs, and is not read', async (t) => {
  const folder = t.testdir({ a: {}, b: {} })
  const [a, b] = [join(folder, 'a'), join(folder, 'b')]
  execFileSync('mkfifo', [join(a, 'pipe'), join(b, 'pipe')])
  t.strictSame(differingFiles(a, b), ['pipe'])
})

t.test('a directory that is not there is an error', async (t) => {
  const folder = t.testdir({})
  t.throws(() => differingFiles(join(folder, 'no'), folder), {
    code: 'DATA',
    message: /^cannot read the directory .*no: no such file or directory$/,
  })
})

t.test(
  'links, also to equal content, differ and are not followed',
  { skip: process.platform === 'win32' },
  async (t) => {
    const [a, b] = [temporary(t, { x: '1', y: '2' }), temporary(t, { x: '1' })]
    symlinkSync(join(a, 'y'), join(b, 'y'))
    symlinkSync(a, join(b, 'z'))
    t.strictSame([...comparedFiles(b)], ['x', 'y', 'z'])
    t.strictSame(differingFiles(a, b), ['y', 'z'])
  },
)
