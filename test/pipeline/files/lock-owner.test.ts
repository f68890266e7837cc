import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import {
  formatOwner,
  type Owner,
  ownerIn,
  type Place,
  stateOf,
  thisProcess,
} from '../../../dist/pipeline/files/lock-owner.js'
import { lockModule } from './scheduler.js'

const initial = 'pid:[4026531836] time:[4026531834]'
const here: Place = { host: 'a', machine: 'm1', boot: 'b1', space: initial }
/** A process that has never been. */
const gone: Owner = { ...here, id: '1', pid: 2 ** 22, began: '1' }

t.test('a process can be judged where it was started, and nowhere else', async (t) => {
  const container = { space: 'pid:[4026532500] time:[4026531834]' }
  for (const [what, owner, place, expected] of [
    ['the same place', gone, here, 'ended'],
    ['another host', { ...gone, host: 'b' }, here, 'unknown'],
    ['another machine with this name', { ...gone, machine: 'm2' }, here, 'unknown'],
    ['another container', { ...gone, ...container }, here, 'unknown'],
    ['seen from a container', gone, { ...here, ...container }, 'unknown'],
    ['before a restart', { ...gone, boot: 'b0' }, here, 'ended'],
    [
      'a container, before a restart or elsewhere',
      { ...gone, ...container, boot: 'b0' },
      { ...here, ...container },
      'unknown',
    ],
    ['version 0.1.0, which does not say', { pid: gone.pid, host: 'a', began: '1' }, here, 'ended'],
    ['version 0.1.0, another host', { pid: gone.pid, host: 'b', began: '1' }, here, 'unknown'],
    ['a system without /proc', { ...gone, boot: '', space: '' }, { ...here, boot: '', space: '' }, 'ended'],
  ] as const)
    t.equal(stateOf(owner, place), expected, what)
})

t.test('this process runs; its number with another start time was another process', async (t) => {
  const own = thisProcess('1')
  t.not(stateOf(own), 'ended')
  t.strictSame(ownerIn(JSON.stringify(own)), own)
  if (!existsSync('/proc/self/stat')) return
  t.equal(stateOf(own), 'running')
  t.equal(stateOf({ ...own, began: `${Number(own.began) - 1}` }), 'ended')
})

t.test('text that names no owner is none, whatever it is', async (t) => {
  for (const text of [
    '',
    'null',
    '{}',
    '{"pid":',
    '[]',
    '{"pid":0,"host":"a","began":"1"}',
    '{"pid":-1,"host":"a","began":""}',
  ])
    t.equal(ownerIn(text), undefined, text)
})

t.test('a message says where the owner is, if not here', async (t) => {
  const own = thisProcess('1')
  t.equal(formatOwner(own), `process ${process.pid}`)
  t.equal(formatOwner({ ...own, host: 'far' }), `process ${process.pid} on far`)
  t.equal(formatOwner({ ...own, machine: 'x' }), `process ${process.pid} on another machine named ${own.host}`)
  t.equal(formatOwner({ ...own, space: 'pid:[1]' }), `process ${process.pid} in another container of ${own.host}`)
})

/** Why there can be no PID namespace of a test's own here; false where there can. */
function noNamespaces(): string | false {
  try {
    execFileSync('unshare', ['-rpf', '--mount-proc', 'true'], { stdio: 'ignore' })
    return false
  } catch {
    return 'this system lets nobody make a PID namespace (unshare -rpf --mount-proc)'
  }
}

t.test('a process in another PID namespace keeps its lock', { skip: noNamespaces() }, async (t) => {
  const directory = t.testdir({})
  const command = (then: string) => [
    ...['-rpf', '--mount-proc', process.execPath, '--input-type=module', '-e'],
    `import { lockDirectory } from ${JSON.stringify(lockModule)}
    try { lockDirectory(${JSON.stringify(directory)}) } catch (error) { console.log(error.message) }
    ${then}`,
  ]
  const env = { PATH: process.env.PATH ?? '' }
  const first = spawn('unshare', ['--kill-child', ...command("console.log('taken'); setInterval(() => {}, 1000)")], {
    env,
  })
  t.teardown(() => first.kill('SIGKILL'))
  await once(first.stdout, 'data')
  const lock = readFileSync(join(directory, 'lock'), 'utf8')
  const message = String(execFileSync('unshare', command(''), { env }))
  t.match(
    message,
    /^process \d+ in another container of .* is writing in .*; wait for its end, or remove .*lock if it is gone/,
  )
  t.equal(readFileSync(join(directory, 'lock'), 'utf8'), lock)
})
