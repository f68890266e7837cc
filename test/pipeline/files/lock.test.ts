import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readdirSync, writeFileSync } from 'node:fs'
import { hostname } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { lockDirectory } from '../../../dist/pipeline/files/lock.js'
import { checkFigures } from '../../docs/figures.js'

const module = new URL('../../../dist/pipeline/files/lock.js', import.meta.url).href
const taking = (directory: string, then: string) =>
  spawn(
    process.execPath,
    [
      '--input-type=module',
      '-e',
      `import { lockDirectory } from ${JSON.stringify(module)}\nlockDirectory(${JSON.stringify(directory)})\n${then}`,
    ],
    { stdio: ['ignore', 'pipe', 'pipe'] },
  )

t.test('a directory can be locked again once the lock is released', async (t) => {
  const directory = t.testdir({})
  const release = lockDirectory(directory)
  t.throws(() => lockDirectory(directory), {
    code: 'ARGUMENTS',
    message: /^process \d+ is writing in .*; wait for its end$/,
  })
  release()
  lockDirectory(directory)()
  t.strictSame(readdirSync(directory), [])
})

t.test('a lock is valid until its process ends, even by a kill', async (t) => {
  const directory = t.testdir({})
  const child = taking(directory, "console.log('taken'); setInterval(() => {}, 1000)")
  await once(child.stdout!, 'data')
  t.throws(() => lockDirectory(directory), { message: new RegExp(`^process ${child.pid} is writing in`) })
  child.kill('SIGKILL')
  await once(child, 'close')
  t.ok(existsSync(join(directory, 'lock')), 'the lock is left behind')
  lockDirectory(directory)()
  t.strictSame(readdirSync(directory), [])
})

t.test(
  'a lock is void if its process id now belongs to another process',
  { skip: !existsSync('/proc/self/stat') },
  async (t) => {
    const directory = t.testdir({})
    writeFileSync(join(directory, 'lock'), JSON.stringify({ pid: process.pid, host: hostname(), began: '1' }))
    lockDirectory(directory)()
    t.strictSame(readdirSync(directory), [])
  },
)

t.test(
  'a pipe in the place of a lock is replaced without waiting',
  { skip: process.platform === 'win32' },
  async (t) => {
    const directory = t.testdir({})
    execFileSync('mkfifo', [join(directory, 'lock')])
    lockDirectory(directory)()
    t.strictSame(readdirSync(directory), [])
  },
)

t.test('an incomplete lock is replaced', async (t) => {
  for (const text of ['', '{"pid":', 'null', '{}']) {
    const directory = t.testdir({ lock: text })
    lockDirectory(directory)()
    t.strictSame(readdirSync(directory), [], text)
  }
})

t.test('a lock of a process on another machine is kept, because the process may run', async (t) => {
  const directory = t.testdir({})
  writeFileSync(join(directory, 'lock'), JSON.stringify({ pid: 1, host: 'elsewhere', began: '1' }))
  t.throws(() => lockDirectory(directory), {
    message: /^process 1 on elsewhere is writing in .*; wait for its end, or remove .*lock if it is gone$/,
  })
})

t.test('if many processes find the lock of a dead process, exactly one gets it', async (t) => {
  const directory = t.testdir({})
  writeFileSync(join(directory, 'lock'), JSON.stringify({ pid: 2 ** 22, host: hostname(), began: '1' }))
  const children = Array.from({ length: 6 }, () => taking(directory, 'setInterval(() => {}, 1000)'))
  t.teardown(() => {
    for (const child of children) child.kill('SIGKILL')
  })
  const alive = () => children.filter((child) => child.exitCode === null).length
  for (let tries = 0; alive() > 1 && tries < 400; tries++) await sleep(50)
  await sleep(300)
  t.equal(alive(), 1)
  checkFigures(t, 'test/pipeline/files/lock.test.ts', [1, children.length])
})
