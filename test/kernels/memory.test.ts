import { spawnSync } from 'node:child_process'
import { totalmem } from 'node:os'
import t from 'tap'
import type { KernelName } from '../../dist/kernels/index.js'
import { allocating, isOutOfMemory, outOfMemory } from '../../dist/kernels/memory.js'
import { nativeMissing } from '../../dist/kernels/native/index.js'
import { helpersSource } from './problems.js'

const advice =
  'the machine does not have that much memory left; use fewer rows, features or classes, or a larger machine'

t.test('a failure to allocate says how much was asked for, and what to do', async (t) => {
  const refused = new RangeError(`cannot allocate 9007199254740991 bytes: ${advice}`)
  const bytes = Number.MAX_SAFE_INTEGER
  t.throws(() => allocating(bytes, () => new SharedArrayBuffer(bytes)), refused)
  t.throws(() => allocating(7, () => new Float64Array(-1)), new RangeError(`cannot allocate 7 bytes: ${advice}`))
  t.throws(() => allocating(7, () => allocating(5, () => new Float64Array(-1))), { message: /^cannot allocate 5 / })
  t.equal(
    allocating(7, () => 1),
    1,
  )
})

t.test('what the machine cannot have is not tried', async (t) => {
  const never = () => t.fail('tried')
  t.throws(() => allocating(totalmem() + 2 ** 30, never), { code: 'OUT_OF_MEMORY' })
})

t.test('other errors are left alone', async (t) => {
  const other = new TypeError('something else')
  t.throws(
    () =>
      allocating(7, () => {
        throw other
      }),
    other,
  )
  t.ok(isOutOfMemory(outOfMemory(1)))
  for (const error of [other, new RangeError('x'), { code: 'OUT_OF_MEMORY' }, undefined]) t.notOk(isOutOfMemory(error))
})

const limits = spawnSync('prlimit', ['--version']).status === 0 ? false : 'needs prlimit'

/** Runs `calls` in a process that opens kernels and then may take only 64 MiB more memory. Returns its output. */
function starved(kernel: KernelName, calls: string): string {
  const source = `
    import { execFileSync } from 'node:child_process'
    import { readFileSync } from 'node:fs'
    const { openKernels } = await import('${new URL('../../dist/kernels/index.js', import.meta.url)}')
    ${helpersSource}
    const kernels = await openKernels({ kernel: '${kernel}', threads: 1 })
    const held = 1024 * Number(/VmData:\\s*(\\d+)/.exec(readFileSync('/proc/self/status', 'utf8'))[1])
    execFileSync('prlimit', ['--pid', String(process.pid), '--data=' + (held + 2 ** 26)])
    const outcome = (call) => {
      try { call(); return 'done' } catch (error) { return error.name + ' ' + error.code + ' ' + error.message }
    }
    console.log([${calls}].map(outcome).join('\\n'))`
  const { stdout, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', source], {
    encoding: 'utf8',
    env: {},
    timeout: 30_000,
  })
  return `${stdout}${stderr}`
}

t.test(
  'native: memory that the system refuses is an error, and work goes on',
  {
    skip: limits || (nativeMissing() ?? false),
  },
  async (t) => {
    const calls = `() => network(kernels, 16, 300_000), () => kernels.allocate(2 ** 28), () => network(kernels, 16, 10)`
    const [classifier, rows, after] = starved('native', calls).split('\n')
    t.match(classifier, new RegExp(`^RangeError OUT_OF_MEMORY cannot allocate \\d{8,} bytes: ${advice}$`))
    t.equal(rows, `RangeError OUT_OF_MEMORY cannot allocate 268435456 bytes: ${advice}`)
    t.equal(after, 'done')
  },
)

t.test('wasm: memory that cannot grow is an error, and work goes on', { skip: limits }, async (t) => {
  const calls = `() => kernels.allocate(2 ** 28), () => network(kernels, 64, 300_000), () => network(kernels, 16, 10)`
  const [rows, classifier, after] = starved('wasm', calls).split('\n')
  for (const line of [rows, classifier])
    t.match(line, new RegExp(`^RangeError OUT_OF_MEMORY cannot allocate \\d{8,} bytes: ${advice}$`))
  t.equal(after, 'done')
})
