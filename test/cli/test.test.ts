import type { ChildProcess } from 'node:child_process'
import { existsSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type Test, test } from 'tap'
import { testCommand } from '../../dist/cli/test.js'
import { filesOf } from '../../dist/cli/watched-files.js'
import { watchFiles } from '../../dist/cli/watcher.js'
import { temporary } from '../stages/harness.js'
import { millrace } from './in-process.js'
import { spawnMillrace } from './millrace.js'
import { printed } from './printed.js'

const stage = (factor: number) => `
import { defineStage, wire, z } from 'millrace/stage'
import { tap } from 'rxjs'
import './helper.mjs'
export default defineStage({
  name: 'shown', summary: 'Says a number.', options: z.strictObject({}), inputs: { metrics: wire.metrics }, outputs: {}, example: '',
  run: (_, { note }) => tap(() => note('factor ${factor}')),
})
`
const base = `vars: { epochs: 1 }
stages:
  - use: load/synthetic
    with: { kind: blobs, rows: 60 }
  - { use: batch/rows, with: { split: train, size: 10, epochs: "\${epochs}" } }
  - { id: shuffle, use: shuffle/none }
  - { id: model, use: gradient-step/softmax, with: { eta: 0.1 } }
  - { id: metrics, use: evaluate/classification, from: { parameters: model, examples: synthetic } }
  - { use: sink/csv }
`
const pipeline = `name: small
extends: ./base.yaml
vars: { epochs: 1 }
patch:
  - { insertAfter: metrics, id: shown, use: ./shown.mjs }
tests:
  - name: one epoch
    expect: { from: metrics, count: 1 }
`

/** A folder with a pipeline that has a stage file. */
function folderOf(t: Test): string {
  return temporary(t, { 'base.yaml': base, 'small.yaml': pipeline, 'shown.mjs': stage(1), 'helper.mjs': '' })
}

test('exit codes, files for results, and refusals', async (t) => {
  const cwd = folderOf(t)
  t.match(await millrace(['test', '--format', 'tap', '--out', 'out.tap'], cwd), {
    code: 0,
    stdout: '1 passed; out.tap\n',
  })
  writeFileSync(
    join(cwd, 'small.test.yaml'),
    'pipeline: ./small.yaml\ntests: [{ name: two, expect: { from: metrics, count: 2 } }]\n',
  )
  t.match(await millrace(['test', 'small.yaml'], cwd), {
    code: 1,
    stdout: /^small\.yaml\n {2}ok {4}one epoch.*\nsmall\.test\.yaml\n {2}FAIL {2}two[\s\S]*1 passed, 1 failed\n$/,
    stderr: '1 of 2 tests failed\n',
  })
  const run = (names: string[], more: object = {}) =>
    printed((output) =>
      testCommand(
        names.map((name) => join(cwd, name)),
        { set: [], format: 'spec', ...more },
        output,
      ),
    )
  await t.rejects(run(['small.yaml'], { filter: 'tow' }), {
    code: 'ARGUMENTS',
    message: 'no test has "tow" in its name; did you mean "two"?',
  })
  t.match(await run(['small.yaml'], { filter: 'two', update: true }), /1 expected value replaced\n$/)
  t.match(await run(['small.yaml'], { filter: 'TWO' }), /\n1 passed\n$/)
  await t.rejects(run(['small.yaml'], { create: true }), {
    code: 'ARGUMENTS',
    message: /small\.test\.yaml exists already; --force/,
  })
  await t.rejects(run([], { create: true }), { code: 'ARGUMENTS', message: /--create: expected one pipeline, got 0/ })
  rmSync(join(cwd, 'small.test.yaml'))
  t.match(await run(['small.yaml'], { create: true }), /small\.test\.yaml: made from one epoch of/)
  await t.rejects(run(['helper.mjs'], {}), {
    code: 'ARGUMENTS',
    message: /helper\.mjs has no tests: expected "tests:" in it, or a file/,
  })
  await t.rejects(run(['nowhere.yaml'], {}), {
    code: 'DEFINITION',
    message: /cannot read the definition .*nowhere\.yaml/,
  })
})

test('a pipeline is watched with all files that make it', async (t) => {
  const cwd = folderOf(t)
  const files = filesOf(join(cwd, 'small.yaml'), {}).map((file) => file.replace(`${cwd}/`, ''))
  t.strictSame(files.sort(), ['base.yaml', 'helper.mjs', 'shown.mjs', 'small.yaml'])
  writeFileSync(join(cwd, 'small.yaml'), 'extends: ./base.yaml\nstages: [')
  t.match(filesOf(join(cwd, 'small.yaml'), {}), [/small\.yaml/, /base\.yaml/], 'also if it is broken')
})

test('a watcher sees files replaced, made and removed, and no others', async (t) => {
  const cwd = folderOf(t)
  const names = ['shown.mjs', 'new.js'].map((name) => join(cwd, name))
  for (const [name, change] of [
    ['shown.mjs', () => writeFileSync(join(cwd, 'shown.mjs'), 'x')],
    [
      'shown.mjs',
      () => {
        writeFileSync(join(cwd, 'part'), 'y')
        renameSync(join(cwd, 'part'), join(cwd, 'shown.mjs'))
      },
    ],
    ['new.js', () => writeFileSync(join(cwd, 'new.js'), '')],
    ['new.js', () => rmSync(join(cwd, 'new.js'))],
  ] as const) {
    const watcher = watchFiles(names)
    writeFileSync(join(cwd, 'other.js'), name)
    const other = await Promise.race([watcher.changed, new Promise((resolve) => setTimeout(resolve, 200, 'nothing'))])
    t.equal(other, 'nothing')
    change()
    t.equal(await watcher.changed, join(cwd, name))
    watcher.close()
  }
})

/** Resolves when a process has printed a text after what it had printed before. */
function printsOf(child: ChildProcess): (part: string) => Promise<void> {
  let text = ''
  let look = (): void => {}
  for (const stream of [child.stdout!, child.stderr!])
    stream.setEncoding('utf8').on('data', (more: string) => {
      text += more
      look()
    })
  return (part) =>
    new Promise((resolve) => {
      look = () => {
        const at = text.indexOf(part)
        if (at < 0) return
        text = text.slice(at + part.length)
        resolve()
      }
      look()
    })
}

test('run --watch runs new code in a directory of its own, and stops the run under way', async (t) => {
  const cwd = folderOf(t)
  t.match(await millrace(['run', 'small.yaml', '--watch', '--out', 'x'], cwd), {
    code: 2,
    stderr: /--watch --out x: .* add --force/,
  })
  const child = spawnMillrace(['run', 'small.yaml', '--watch', '--checkpoint', 'none'], cwd)
  t.teardown(() => child.kill('SIGKILL'))
  const prints = printsOf(child)
  await prints('note: shown: factor 1')
  await prints('watching 4 files in 1 folder')
  writeFileSync(join(cwd, 'shown.mjs'), stage(2))
  await prints('shown.mjs has changed')
  await prints('note: shown: factor 2')
  await prints('watching')
  // A long run is stopped, and goes on as a short one.
  writeFileSync(join(cwd, 'small.yaml'), pipeline.replace('epochs: 1', 'epochs: 100000'))
  await prints('writing runs/small-003')
  await prints('factor 2')
  writeFileSync(join(cwd, 'small.yaml'), pipeline)
  await prints('interrupted')
  await prints('writing runs/small-004')
  await prints('watching')
  const ended = new Promise((resolve) => child.on('close', resolve))
  child.kill('SIGINT')
  t.equal(await ended, 130)
  t.strictSame(readdirSync(join(cwd, 'runs')), ['small-001', 'small-002', 'small-003', 'small-004'])
  t.ok(existsSync(join(cwd, 'runs/small-004/metrics.csv')))
})
