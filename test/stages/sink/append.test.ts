import { existsSync, mkdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { Schema, Table } from 'apache-arrow'
import { concat, from, lastValueFrom, NEVER, throwError } from 'rxjs'
import t from 'tap'
import { makeRunDirectory } from '../../../dist/pipeline/directory/run-directory.js'
import type { StageContext } from '../../../dist/pipeline/stage-kit.js'
import { appended } from '../../../dist/stages/sink/append.js'
import { errorOf, openFilesIn, problemsOf, temporary } from '../harness.js'

function place(t: Parameters<typeof temporary>[0], allowAbsolutePaths = false) {
  const { path, file } = makeRunDirectory('', { out: join(temporary(t), 'run'), allowAbsolutePaths })
  const state: StageContext['state'] = (_, hooks) => hooks.begin?.()
  return { path, context: { file, state } as StageContext }
}

/** Tables that say something each. */
const tables = (...texts: string[]) => texts.map((text) => new Table(new Schema([], new Map([['text', text]]))))
const textOf = (table: Table) => table.schema.metadata.get('text')!

const lines = (context: StageContext, path: string) =>
  appended(context, path, (table, file, index) => file.append(`${index} ${textOf(table)}\n`))

t.test('appended has each piece on disk as soon as it passes, in folders it makes', (t) => {
  const { path, context } = place(t)
  const subscription = concat(tables('one', 'two'), NEVER).pipe(lines(context, 'a/b.txt')).subscribe()
  t.equal(readFileSync(join(path, 'a/b.txt'), 'utf8'), '0 one\n1 two\n')
  subscription.unsubscribe()
  t.end()
})

t.test('appended takes bytes as they are, and text as UTF-8', async (t) => {
  const { path, context } = place(t)
  const write = appended(context, 'a', (table, file) => {
    file.append(textOf(table))
    file.append(Uint8Array.of(0, 255))
  })
  await lastValueFrom(from(tables('é')).pipe(write), { defaultValue: undefined })
  t.strictSame([...readFileSync(join(path, 'a'))], [0xc3, 0xa9, 0, 255])
})

t.test('the file is there from the start, and a former one of its name is gone', (t) => {
  const { path, context } = place(t)
  for (const pieces of [from(tables('one')), NEVER]) pieces.pipe(lines(context, 'a.txt')).subscribe().unsubscribe()
  t.equal(readFileSync(join(path, 'a.txt'), 'utf8'), '')
  t.end()
})

const blind = openFilesIn('') === undefined && 'this system does not tell which files are open'

t.test('the file is open while tables may come, and closed however the run ends', { skip: blind }, async (t) => {
  const { path, context } = place(t)
  const running = concat(tables('one'), NEVER).pipe(lines(context, 'a.txt')).subscribe()
  t.strictSame(openFilesIn(path), ['a.txt'])
  running.unsubscribe()
  t.strictSame(openFilesIn(path), [], 'unsubscribed')
  await lastValueFrom(from(tables('one')).pipe(lines(context, 'a.txt')), { defaultValue: undefined })
  t.strictSame(openFilesIn(path), [], 'completed')
  const error = new Error('upstream')
  await t.rejects(
    lastValueFrom(
      concat(
        from(tables('one')),
        throwError(() => error),
      ).pipe(lines(context, 'a.txt')),
    ),
    error,
  )
  t.strictSame(openFilesIn(path), [], 'failed upstream')
  const failing = appended(context, 'a.txt', () => {
    throw error
  })
  await t.rejects(lastValueFrom(from(tables('one')).pipe(failing)), error)
  t.strictSame(openFilesIn(path), [], 'failed in the sink')
})

t.test('a file that cannot be opened is a WRITE error that says why', async (t) => {
  const { path, context } = place(t)
  mkdirSync(join(path, 'a.txt'))
  const [code, message] = await errorOf(lastValueFrom(from(tables('one')).pipe(lines(context, 'a.txt'))))
  t.equal(code, 'WRITE')
  t.match(message, /^cannot write .*a\.txt: it is a directory, expected a file$/)
})

const noFull = !existsSync('/dev/full') && 'this system has no /dev/full'

t.test('a full disk is a WRITE error that says so', { skip: noFull }, async (t) => {
  const { context } = place(t, true)
  const [code, message] = await errorOf(lastValueFrom(from(tables('one')).pipe(lines(context, '/dev/full'))))
  t.equal(code, 'WRITE')
  t.match(message, /^cannot write \/dev\/full: no space left on the device$/)
  t.strictSame(openFilesIn('/dev/full'), [], 'and it is closed')
})

t.test('two stages cannot write the same file, nor one that the run itself writes', async (t) => {
  const above = [
    '- id: examples\n  use: load/digits',
    '- use: batch/rows\n  with: { size: 1000, epochs: 1 }',
    '- id: model\n  use: gradient-step/softmax\n  with: { eta: 0.1 }',
    '- id: metrics\n  use: evaluate/classification\n  from: { parameters: model, examples: examples }\n',
  ].join('\n')
  const csv = (id: string, path: string) => `- id: ${id}\n  use: sink/csv\n  from: metrics\n  with: { path: ${path} }\n`
  const cases: [sinks: string, message: string][] = [
    [
      csv('a', 'x/m') + csv('b', './x/M'),
      './x/M is already written by stages[4] sink/csv at pipeline.yaml:12:5; give another path',
    ],
    [csv('a', 'run.json'), 'run.json is already written by the run itself; give another path'],
    [csv('a', './run.json'), './run.json is already written by the run itself; give another path'],
  ]
  for (const [sinks, message] of cases)
    t.equal((await problemsOf(t, above + sinks)).replace(/^.*sink\/csv: path: /, ''), message)
})
