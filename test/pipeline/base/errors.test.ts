import t from 'tap'
import { outOfMemory } from '../../../dist/kernels/memory.js'
import {
  countProblems,
  fileProblem,
  inFileOrder,
  inStage,
  laterProblem,
  messageOf,
  PipelineError,
} from '../../../dist/pipeline/base/errors.js'

t.test('the message of a PipelineError has a line for each problem, with its position', async (t) => {
  const cause = new Error('deep')
  const error = new PipelineError('DATA', [{ where: 'a.yaml:1:2', message: 'one' }, { message: 'two' }], { cause })
  t.ok(error instanceof Error)
  t.equal(error.name, 'PipelineError')
  t.equal(error.code, 'DATA')
  t.equal(error.message, 'a.yaml:1:2  one\ntwo')
  t.equal(error.cause, cause)
  t.equal(new PipelineError('WRITE', 'full').message, 'full')
  t.notOk('cause' in new PipelineError('WRITE', 'full'))
})

t.test('inStage adds the stage and its position to an error, once', async (t) => {
  const cause = new PipelineError('DATA', 'no rows')
  const once = inStage(cause, 'stages[1] a/b', 'p.yaml:3:5')
  t.equal(once.message, 'p.yaml:3:5  stages[1] a/b: no rows')
  t.equal(once.code, 'DATA')
  t.equal(once.stage, 'stages[1] a/b')
  t.equal(once.cause, cause)
  t.equal(inStage(once, 'stages[2] c/d', 'p.yaml:9:5'), once)
})

t.test('inStage keeps the position of an error', async (t) => {
  const error = new PipelineError('DATA', [{ where: 'data.csv:7', message: 'ragged' }])
  t.equal(inStage(error, 'stages[0] load/csv', 'p.yaml:3:5').message, 'data.csv:7  stages[0] load/csv: ragged')
})

t.test('inStage gives other errors the code STAGE, whatever value was thrown', async (t) => {
  for (const [thrown, message] of [
    [new TypeError('x is not a function'), 'x is not a function'],
    [new Error(), 'failed without a message'],
    ['text', 'text'],
    ['', 'failed without a message'],
    [undefined, 'undefined'],
    [null, 'null'],
    [{ toString: () => 'odd' }, 'odd'],
  ] as const) {
    const error = inStage(thrown, 's', undefined)
    t.equal(error.message, `s: ${message}`)
    t.equal(error.code, 'STAGE')
    t.equal(error.cause, thrown)
  }
})

t.test('inStage gives the code KERNEL to an error of a kernel that could not allocate memory', async (t) => {
  const error = inStage(outOfMemory(7, 'it is full'), 's', undefined)
  t.equal(error.message, 's: cannot allocate 7 bytes: it is full')
  t.equal(error.code, 'KERNEL')
})

t.test('messageOf returns the message of an error, or the text of another value', async (t) => {
  t.equal(messageOf(new Error('a')), 'a')
  t.equal(messageOf(3), '3')
})

t.test('fileProblem names the action, the file and the reason', async (t) => {
  const coded = (code: string) => Object.assign(new Error(`${code}: jargon`), { code })
  for (const [error, reason] of [
    [coded('ENOENT'), 'no such file or directory'],
    [coded('EACCES'), 'permission denied'],
    [coded('EISDIR'), 'it is a directory, expected a file'],
    [coded('ENOSPC'), 'no space left on the device'],
    [coded('EWHAT'), 'EWHAT: jargon'],
    ['text', 'text'],
    [undefined, 'undefined'],
  ] as const)
    t.equal(fileProblem('read', 'a.csv', error), `cannot read a.csv: ${reason}`)
})

t.test('inFileOrder sorts by file, line and column, removes duplicates, and puts other problems last', async (t) => {
  const at = (where: string | undefined, message = 'm') => ({ where, message })
  const sorted = inFileOrder([
    at('--set b=1'),
    at(undefined, 'nowhere'),
    at('b.yaml:1:1'),
    at('a.yaml:10:2'),
    at('a.yaml:9:12 ($NAME)'),
    at('a.yaml:9:3', 'second'),
    at('a.yaml:9:3', 'first'),
    at('a.yaml:9:3', 'second'),
    at('--set a=1'),
  ])
  t.strictSame(
    sorted.map(({ where, message }) => `${where} ${message}`),
    [
      'a.yaml:9:3 second',
      'a.yaml:9:3 first',
      'a.yaml:9:12 ($NAME) m',
      'a.yaml:10:2 m',
      'b.yaml:1:1 m',
      '--set b=1 m',
      'undefined nowhere',
      '--set a=1 m',
    ],
  )
})

t.test(
  'inFileOrder tells the first hundred problems, counts the others, and makes no message that is not told',
  (t) => {
    let made = 0
    const problems = Array.from({ length: 500 }, (_, i) =>
      laterProblem(`a.yaml:${500 - i}:1`, () => {
        made++
        return `problem\n${i}`
      }),
    )
    const found = inFileOrder(problems)
    t.equal(found.length, 101)
    t.strictSame(found[0], { where: 'a.yaml:1:1', message: 'problem\\u000a499' })
    t.strictSame(found[100], { where: 'a.yaml:101:1', message: 'and 400 more problems', more: 400 })
    t.equal(made, 100)
    t.equal(countProblems(found), 500)
    t.strictSame(inFileOrder([...found, { message: 'x' }]).at(-1), {
      where: undefined,
      message: 'and 401 more problems',
      more: 401,
    })
    t.equal(countProblems(inFileOrder(problems.slice(0, 101))), 101)
    t.end()
  },
)
