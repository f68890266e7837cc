import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readdirSync, writeFileSync } from 'node:fs'
import { hostname } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { lockDirectory } from '../../../dist/pipeline/files/lock.js'

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

t.test('one at a time: the next one may when the first has let go', async (t) => {
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

t.test('another process has it until it ends, however it ends', async (t) => {
  const directory = t.testdir({})
  const child = taking(directory, "console.log('taken'); setInterval(() => {}, 1000)")
  await once(child.stdout!, 'data')
  t.throws(() => lockDirectory(directory), { message: new RegExp(`^process ${child.pid} is writing in`) })
  child.kill('SIGKILL')
  await once(child, 'close')
  t.ok(existsSync(join(directory, 'lock')), 'it could not clean up')
  lockDirectory(directory)()
  t.strictSame(readdirSync(directory), [])
})

t.test(
  'a number that belongs to another process by now is no lock',
  { skip: !existsSync('/proc/self/stat') },
  async (t) => {
    const directory = t.testdir({})
    writeFileSync(join(directory, 'lock'), JSON.stringify({ pid: process.pid, host: hostname(), began: '1' }))
    lockDirectory(directory)()
    t.strictSame(readdirSync(directory), [])
  },
)

t.test(
  'a lock that is a pipe is nobody’s, and nobody waits for it',
  { skip: process.platform === 'win32' },
  async (t) => {
    const directory = t.testdir({})
    execFileSync('mkfifo', [join(directory, 'lock')])
    lockDirectory(directory)()
    t.strictSame(readdirSync(directory), [])
  },
)

t.test('a lock that was not written to its end is nobody’s', async (t) => {
  for (const text of ['', '{"pid":', 'null', '{}']) {
    const directory = t.testdir({ lock: text })
    lockDirectory(directory)()
    t.strictSame(readdirSync(directory), [], text)
  }
})

t.test('of a process on another machine nobody knows whether it lives', async (t) => {
  const directory = t.testdir({})
  writeFileSync(join(directory, 'lock'), JSON.stringify({ pid: 1, host: 'elsewhere', began: '1' }))
  t.throws(() => lockDirectory(directory), {
    message: /^process 1 on elsewhere is writing in .*; wait for its end, or remove .*lock if it is gone$/,
  })
})

t.test('of many that find the lock of a dead process, one takes it', async (t) => {
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
})
