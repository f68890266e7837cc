import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { hostname } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { lockDirectory } from '../../../dist/pipeline/files/lock.js'
import { checkFigures } from '../../docs/figures.js'
import { lockModule as module, Scheduler } from './scheduler.js'

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
    message: /^process \d+ is writing in .*; wait for its end/,
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
  'a zombie has ended, although its parent does not ask for it',
  { skip: !existsSync('/proc/self/stat') },
  async (t) => {
    const directory = t.testdir({})
    const command = `import { lockDirectory } from ${JSON.stringify(module)}
    lockDirectory(${JSON.stringify(directory)}); process.kill(process.pid, 'SIGKILL')`
    // The shell starts the owner of the lock and becomes a program that never waits for it.
    const parent = spawn('sh', ['-c', '"$0" --input-type=module -e "$1" & exec sleep 60', process.execPath, command])
    t.teardown(() => parent.kill('SIGKILL'))
    const state = () => {
      const { pid } = JSON.parse(readFileSync(join(directory, 'lock'), 'utf8'))
      const fields = readFileSync(`/proc/${pid}/stat`, 'utf8')
        .replace(/^.*\) /, '')
        .split(' ')
      // Its other threads may still be ending.
      return Number(fields[17]) <= 1 ? fields[0] : 'ending'
    }
    for (let tries = 0; tries < 200; tries++) {
      await sleep(50)
      if (existsSync(join(directory, 'lock')) && state() === 'Z') break
    }
    t.equal(state(), 'Z')
    lockDirectory(directory)()
    t.strictSame(readdirSync(directory), [])
  },
)

t.test(
  'a pipe in the place of a lock is refused without waiting',
  { skip: process.platform === 'win32' },
  async (t) => {
    const directory = t.testdir({})
    execFileSync('mkfifo', [join(directory, 'lock')])
    t.throws(() => lockDirectory(directory), {
      code: 'ARGUMENTS',
      message: /lock lies there and is no lock of Millrace/,
    })
    t.strictSame(readdirSync(directory), ['lock'])
  },
)

t.test('an incomplete lock is replaced', async (t) => {
  for (const text of ['', '{"pid":', '{']) {
    const directory = t.testdir({ lock: text })
    lockDirectory(directory)()
    t.strictSame(readdirSync(directory), [], text)
  }
})

t.test('a lock of version 0.1.0 is valid while its process runs, and version 0.1.0 can read a new one', async (t) => {
  const directory = t.testdir({})
  const release = lockDirectory(directory)
  const { pid, host, began } = JSON.parse(readFileSync(join(directory, 'lock'), 'utf8'))
  t.match({ pid, host, began }, { pid: process.pid, host: hostname(), began: String })
  release()
  writeFileSync(join(directory, 'lock'), JSON.stringify({ pid, host, began }))
  t.throws(() => lockDirectory(directory), { code: 'ARGUMENTS', message: /is writing in/ })
  writeFileSync(join(directory, 'lock'), JSON.stringify({ pid: 2 ** 22, host, began }))
  lockDirectory(directory)()
})

t.test('a file of the user that is named as a lock stays', async (t) => {
  for (const lock of ['for the door', '{"my":"own json"}', '{}', '{ "a": [', 'x'.repeat(10_000)]) {
    const directory = t.testdir({ lock })
    t.throws(() => lockDirectory(directory), {
      code: 'ARGUMENTS',
      message: /lock lies there and is no lock of Millrace; move it away$/,
    })
    t.equal(readFileSync(join(directory, 'lock'), 'utf8'), lock)
    t.strictSame(readdirSync(directory), ['lock'])
  }
})

t.test('a lock of a process on another machine is kept, because the process may run', async (t) => {
  const directory = t.testdir({})
  writeFileSync(join(directory, 'lock'), JSON.stringify({ pid: 1, host: 'elsewhere', began: '1' }))
  t.throws(() => lockDirectory(directory), {
    message: /^process 1 on elsewhere is writing in .*; wait for its end, or remove .*lock if it is gone$/,
  })
})

t.test('a file that is about to become a lock counts as one, unless its process has ended', async (t) => {
  const dead = JSON.stringify({ pid: 2 ** 22, host: hostname(), began: '1' })
  const elsewhere = JSON.stringify({ pid: 1, host: 'elsewhere', began: '1' })
  const directory = t.testdir({ 'lock.00112233445566aa': dead, 'lock.ffffffffffffffff': '{"pi', 'lock.mine': 'x' })
  lockDirectory(directory)()
  t.strictSame(readdirSync(directory), ['lock.mine'], 'files of other names are not those of locks')
  writeFileSync(join(directory, 'lock.00112233445566aa'), elsewhere)
  t.throws(() => lockDirectory(directory), { message: /or remove .*lock\.00112233445566aa if it is gone$/ })
  t.strictSame(readdirSync(directory).sort(), ['lock.00112233445566aa', 'lock.mine'], 'a refusal changes nothing')
})

t.test('a process that ends without releasing its lock removes it, however it ends', async (t) => {
  for (const [end, code] of [
    ['process.exit(3)', 3],
    ["queueMicrotask(() => { throw new Error('x') })", 1],
  ] as const) {
    const directory = t.testdir({})
    const child = taking(directory, end)
    t.strictSame(await once(child, 'close'), [code, null])
    t.strictSame(readdirSync(directory), [], end)
  }
})

t.test('a user who removes a lock that is in use does not make its owner remove the next one', async (t) => {
  const directory = t.testdir({})
  const first = lockDirectory(directory)
  execFileSync('rm', [join(directory, 'lock')])
  const second = lockDirectory(directory)
  first()
  t.throws(() => lockDirectory(directory), { code: 'ARGUMENTS' })
  second()
  t.strictSame(readdirSync(directory), [])
})

t.test('two that want a stale lock never both get it, wherever one of them is held up', async (t) => {
  const parent = t.testdir({})
  const stale = JSON.stringify({ pid: 2 ** 22, host: hostname(), began: '1' })
  const scheduler = await Scheduler.start(2)
  t.teardown(() => scheduler.close())
  let least = Number.POSITIVE_INFINITY
  let none = 0
  for (let stop = 0; stop < 20; stop++)
    for (const others of [3, 9, 60]) {
      const directory = join(parent, `${stop}-${others}`)
      mkdirSync(directory)
      writeFileSync(join(directory, 'lock'), stale)
      // The first makes `stop` file operations, then the second as many as `others`, then both take turns.
      const turns = [...Array<number>(stop).fill(0), ...Array<number>(others).fill(1)]
      const { holders, operations } = await scheduler.play(directory, turns)
      least = Math.min(least, operations)
      if (holders.length === 0) none++
      t.ok(holders.length < 2, `${stop} operations, then ${others}: ${holders.length} have the lock`)
      const lock = existsSync(join(directory, 'lock')) && readFileSync(join(directory, 'lock'), 'utf8')
      if (holders.length === 1) t.equal(lock, holders[0], 'the lock is that of its holder')
      t.strictSame(readdirSync(directory), ['lock'])
    }
  t.ok(least < 20, `the first needs ${least} operations, so it was held up at each of them`)
  t.equal(none, 0, 'one of them gets it')
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
