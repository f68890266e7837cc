import { lstatSync, mkdtempSync, openSync, readdirSync } from 'node:fs'
import t from 'tap'
import { asPipelineError, inStage, messageOf } from '../../../dist/pipeline/base/errors.js'
import { systemMessage, UnfitFile } from '../../../dist/pipeline/base/system-errors.js'
import { readRegularFile } from '../../../dist/pipeline/files/regular-file.js'

/** The error that an operation throws. */
function errorOf(operation: () => unknown): unknown {
  try {
    operation()
  } catch (error) {
    return error
  }
  throw new Error('expected an error')
}

const long = 'n'.repeat(300)

t.test('errors of the system say what and where, and are no defects', async (t) => {
  for (const [operation, message] of [
    [() => openSync('nowhere/a', 'r'), 'cannot open nowhere/a: no such file or directory'],
    [
      () => readdirSync('package.json'),
      'cannot read the directory package.json: a part of the path is not a directory',
    ],
    [() => lstatSync(long), `cannot find ${long}: the name is too long`],
    [() => mkdtempSync('nowhere/x-'), 'cannot make a temporary directory nowhere/x-XXXXXX: no such file or directory'],
    [() => readRegularFile('.', 9), 'cannot read .: it is a directory, expected a file'],
    [() => readRegularFile('package.json', 9), 'cannot read package.json: it is too large: expected at most 9 bytes'],
  ] as const) {
    const error = asPipelineError(errorOf(operation))
    t.match(error, { code: 'SYSTEM', message })
  }
  t.equal(asPipelineError(new TypeError('x is not a function')).code, 'INTERNAL')
})

t.test('the same words stand in the error of a stage', async (t) => {
  const error = errorOf(() => openSync('nowhere/a', 'r'))
  t.equal(
    inStage(error, 'stages[1] mine', 'p.yaml:3:5').message,
    'p.yaml:3:5  stages[1] mine: cannot open nowhere/a: no such file or directory',
  )
  t.equal(messageOf(new UnfitFile('a', 'it is a device')), 'it is a device', 'the caller names the file')
})

t.test('every limit that a user may meet has words', async (t) => {
  for (const code of [
    'EACCES',
    'EDQUOT',
    'EFBIG',
    'EIO',
    'EISDIR',
    'ELOOP',
    'EMFILE',
    'ENFILE',
    'ENOSPC',
    'EROFS',
    'ESTALE',
  ]) {
    const error = Object.assign(new Error(`${code}: words of Node`), { code, syscall: 'write', path: '/x/y' })
    t.match(systemMessage(error), /^cannot write \/x\/y: [^:]+$/, code)
    t.notMatch(systemMessage(error), code)
  }
  t.match(
    systemMessage(Object.assign(new Error('ENOENT'), { code: 'ENOENT', syscall: 'uv_cwd' })),
    /current folder does not exist/,
  )
})

t.test('memory that is short is told from other range errors', async (t) => {
  const { WebAssembly } = globalThis as unknown as { WebAssembly: { Memory: new (size: object) => unknown } }
  t.match(
    systemMessage(errorOf(() => new ArrayBuffer(2 ** 52))),
    /^there is not enough memory: Array buffer allocation failed; /,
  )
  t.ok(WebAssembly.Memory)
  t.match(
    systemMessage(new RangeError('WebAssembly.instantiate(): Out of memory: Cannot allocate Wasm memory')),
    /ulimit -v/,
  )
  t.equal(systemMessage(new RangeError('Invalid array length')), undefined)
  t.equal(systemMessage('text'), undefined)
  t.equal(systemMessage(null), undefined)
})

t.test('a module of Millrace that does not load is no defect', async (t) => {
  const error = Object.assign(new Error("Cannot find package 'x' imported from y.js"), { code: 'ERR_MODULE_NOT_FOUND' })
  t.match(asPipelineError(error), {
    code: 'SYSTEM',
    message: /^a part of Millrace does not load: Cannot find package .*ulimit -n/,
  })
  t.match(messageOf(error), /^Cannot find package/, 'a stage file that does not load has words of its own')
})
