import { execFileSync } from 'node:child_process'
import { appendFileSync, closeSync, linkSync, mkdirSync, openSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import {
  entryInside,
  hasInside,
  linesOf,
  namesInside,
  readInside,
  withFileInside,
} from '../../../dist/pipeline/files/inside.js'
import { temporary } from '../../stages/harness.js'

/** A directory `run`, which the link `way` leads to, and a file beside it that nobody may read. */
function folder(t: Test): string {
  const folder = temporary(t, { secret: 'SECRET' })
  mkdirSync(join(folder, 'run/sub'), { recursive: true })
  writeFileSync(join(folder, 'run/a.txt'), 'a')
  writeFileSync(join(folder, 'run/sub/b.txt'), 'b')
  symlinkSync(join(folder, 'run'), join(folder, 'way'))
  return folder
}

t.test('files are read, also if links lead to the directory itself', async (t) => {
  const root = join(folder(t), 'way')
  t.equal(String(readInside(root, 'a.txt', 1)), 'a')
  t.equal(String(readInside(root, 'sub/b.txt', 1)), 'b')
  t.strictSame(namesInside(root), ['a.txt', 'sub'])
  t.strictSame(namesInside(root, 'sub'), ['b.txt'])
  t.strictSame(namesInside(root, 'gone'), [])
  t.ok(hasInside(root, 'sub/b.txt'))
  t.notOk(hasInside(root, 'sub/c.txt'))
  t.notOk(hasInside(root, 'a.txt/c'))
  t.equal(entryInside(root, 'gone/c'), undefined)
  t.throws(() => readInside(root, 'gone', 1), { code: 'ENOENT' })
  t.throws(() => readInside(root, 'a.txt', 0), { message: /too large/ })
})

t.test('no link below the directory is followed', { skip: process.platform === 'win32' }, async (t) => {
  const at = folder(t)
  const root = join(at, 'run')
  symlinkSync('../secret', join(root, 'relative'))
  symlinkSync(join(at, 'secret'), join(root, 'absolute'))
  symlinkSync('a.txt', join(root, 'inner'))
  symlinkSync('/nowhere', join(root, 'dangling'))
  symlinkSync(at, join(root, 'up'))
  symlinkSync('loop', join(root, 'loop'))
  for (const name of ['relative', 'absolute', 'inner', 'dangling', 'loop', 'up']) {
    t.throws(() => readInside(root, name, 100), { message: 'it is a symbolic link, which is not followed' }, name)
    t.ok(hasInside(root, name))
  }
  const message = 'up is a symbolic link, which is not followed'
  t.throws(() => readInside(root, 'up/secret', 100), { message })
  t.throws(() => namesInside(root, 'up/run'), { message })
  t.throws(() => namesInside(root, 'up'), { message: /^it is a symbolic link/ })
  for (const name of ['../secret', join(at, 'secret'), 'sub/../../secret'])
    t.throws(() => readInside(root, name, 100), { message: /^it lies outside of / }, name)
})

t.test('pipes, devices and folders are no files', { skip: process.platform === 'win32' }, async (t) => {
  const root = join(folder(t), 'run')
  execFileSync('mkfifo', [join(root, 'pipe')])
  t.throws(() => readInside(root, 'pipe', 100), { message: 'it is a named pipe, expected a file' })
  t.throws(() => readInside(root, 'sub', 100), { message: 'it is a directory, expected a file' })
  t.throws(() => namesInside(root, 'a.txt'), { code: 'ENOTDIR' })
  linkSync(join(root, 'a.txt'), join(root, 'hard'))
  t.equal(String(readInside(root, 'hard', 1)), 'a', 'a hard link is a file of the directory')
})

t.test('lines come one by one, whatever their ends, and none is endless', async (t) => {
  const root = temporary(t, { lines: 'ä\r\n\nb\nc', empty: '' })
  const all = (name: string, from?: number) => withFileInside(root, name, (file) => [...linesOf(file, from)])
  t.strictSame(all('lines'), [
    { text: 'ä', isEnded: true },
    { text: '', isEnded: true },
    { text: 'b', isEnded: true },
    { text: 'c', isEnded: false },
  ])
  t.strictSame(all('lines', 5), [
    { text: 'b', isEnded: true },
    { text: 'c', isEnded: false },
  ])
  t.strictSame(all('empty'), [])
  mkdirSync(join(root, 'large'))
  const file = openSync(join(root, 'large/text'), 'w')
  for (let i = 0; i < 30; i++) writeFileSync(file, `${'€'.repeat(99_999)}\n`)
  closeSync(file)
  const lines = all('large/text')
  t.equal(lines.length, 30)
  t.ok(
    lines.every(({ text }) => text === '€'.repeat(99_999)),
    'characters between two pieces are whole',
  )
  appendFileSync(join(root, 'large/text'), 'x'.repeat(1.5 * 2 ** 20))
  t.throws(() => all('large/text'), { message: /^a line has more than 1048576 characters$/ })
})
