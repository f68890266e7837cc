import { execFileSync } from 'node:child_process'
import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { makeRunDirectory } from '../../../dist/pipeline/directory/run-directory.js'
import { attempt, replaceFile } from '../../../dist/pipeline/files/files.js'
import { inside } from '../../stages/harness.js'

function inFolder(t: Test, files: Parameters<Test['testdir']>[0] = {}): string {
  return inside(t, t.testdir(files))
}

t.test('a run directory is the next free number under runs, which is made', async (t) => {
  const folder = inFolder(t)
  for (const number of ['001', '002']) t.equal(makeRunDirectory('a', {}).path, join(folder, 'runs', `a-${number}`))
  t.equal(makeRunDirectory('b', {}).path, join(folder, 'runs/b-001'))
  mkdirSync('runs/a-1000')
  t.equal(makeRunDirectory('a', {}).path, join(folder, 'runs/a-1001'))
})

t.test('the directory asked for is made, with those above it', async (t) => {
  const folder = inFolder(t, { empty: {}, files: { 'notes.txt': 'mine' } })
  for (const out of ['x/y/z', 'empty', 'files']) t.equal(makeRunDirectory('a', { out }).path, join(folder, out))
  t.equal(readFileSync('files/notes.txt', 'utf8'), 'mine')
})

t.test('files lie inside; their folders are made; they are listed as they were named', async (t) => {
  const folder = inFolder(t)
  const directory = makeRunDirectory('a', { out: 'out' })
  t.equal(directory.file('deep/er/a.csv'), join(folder, 'out/deep/er/a.csv'))
  t.ok(existsSync('out/deep/er'))
  directory.write('b.json', '{}')
  t.strictSame([...directory.files], ['deep/er/a.csv', 'b.json'])
  for (const path of ['../a', '/etc/passwd', '.', 'x/../..'])
    t.throws(() => directory.file(path), { code: 'WRITE', message: `${path} lies outside the run directory out` }, path)
  t.strictSame([...directory.files], ['deep/er/a.csv', 'b.json'])
})

t.test('--force removes the files of the old run, and nothing outside, whatever its record says', async (t) => {
  const listed = JSON.stringify({ files: ['a.csv', '../precious.txt', '/precious', 3, 'gone.csv'] })
  inFolder(t, { 'precious.txt': '', out: { 'run.json': listed, 'a.csv': '', 'other.csv': '' } })
  makeRunDirectory('a', { out: 'out', force: true }).release()
  t.strictSame(readdirSync('.').sort(), ['out', 'precious.txt'])
  t.strictSame(readdirSync('out').sort(), ['other.csv', 'run.json'])
})

t.test('--force takes a directory whose record cannot be read', async (t) => {
  inFolder(t, { a: { 'run.json': '{ "files": ["x' }, b: { 'run.json': 'null' }, c: { 'run.json': '{"files":3}' } })
  for (const out of ['a', 'b', 'c']) t.ok(makeRunDirectory('a', { out, force: true }).path)
})

t.test('replaceFile leaves the new content or the old one, and nothing beside it', async (t) => {
  const folder = inFolder(t, { 'a.txt': 'old' })
  replaceFile(join(folder, 'a.txt'), 'new')
  t.equal(readFileSync('a.txt', 'utf8'), 'new')
  replaceFile(join(folder, 'b.bin'), Uint8Array.of(0, 255))
  t.strictSame([...readFileSync('b.bin')], [0, 255])
  mkdirSync('taken')
  t.throws(() => replaceFile(join(folder, 'taken'), 'x'), {
    code: 'WRITE',
    message: /^cannot write taken: it is a dir/,
  })
  t.strictSame(readdirSync('.').sort(), ['a.txt', 'b.bin', 'taken'])
})

t.test('replaceFile does not write through a link that lies where its temporary file goes', async (t) => {
  const folder = inFolder(t, { 'a.txt': 'old', 'precious.txt': 'mine' })
  symlinkSync('precious.txt', 'a.txt.part')
  replaceFile(join(folder, 'a.txt'), 'new')
  t.equal(readFileSync('a.txt', 'utf8'), 'new')
  t.equal(readFileSync('precious.txt', 'utf8'), 'mine')
  t.strictSame(readdirSync('.').sort(), ['a.txt', 'precious.txt'])
})

t.test('symbolic links in a run directory are not followed, neither to write nor to remove', async (t) => {
  const listed = JSON.stringify({ files: ['link/precious.txt'] })
  inFolder(t, { out: { 'run.json': listed }, away: { 'precious.txt': 'mine' }, bare: {} })
  symlinkSync('../away', 'bare/link')
  symlinkSync('../away/precious.txt', 'bare/metrics.csv')
  symlinkSync('../away', 'out/link')
  const directory = makeRunDirectory('a', { out: 'bare' })
  for (const [path, link] of [
    ['metrics.csv', 'metrics.csv'],
    ['link/precious.txt', 'link'],
    ['link/new/x.csv', 'link'],
  ])
    t.throws(() => directory.file(path!), {
      code: 'WRITE',
      message: `cannot write ${path}: ${link} is a symbolic link, which is not followed: it may lead out of the run directory`,
    })
  t.throws(() => makeRunDirectory('a', { out: 'out', force: true }), {
    code: 'WRITE',
    message: /link is a symbolic link/,
  })
  t.strictSame(readdirSync('away'), ['precious.txt'])
  t.equal(readFileSync('away/precious.txt', 'utf8'), 'mine')
  directory.release()
  symlinkSync('bare', 'mine')
  t.ok(makeRunDirectory('a', { out: 'mine' }).file('x.csv'), 'the directory itself may be one')
})

t.test('a pipe is not written to: nobody may be reading it', { skip: process.platform === 'win32' }, async (t) => {
  const folder = inFolder(t, { out: {} })
  execFileSync('mkfifo', ['out/metrics.csv', 'pipe'])
  const directory = makeRunDirectory('a', { out: 'out' }, true)
  for (const path of ['metrics.csv', join(folder, 'pipe')])
    t.throws(() => directory.file(path), {
      code: 'WRITE',
      message: `cannot write ${path}: it is a named pipe, expected a file`,
    })
})

t.test('absolute paths are written to where they are allowed', async (t) => {
  const folder = inFolder(t)
  const away = join(folder, 'away/a.csv')
  t.throws(() => makeRunDirectory('a', { out: 'one' }).file(away), { code: 'WRITE', message: /lies outside the run/ })
  const directory = makeRunDirectory('a', { out: 'two' }, true)
  t.equal(directory.file(away), away)
  t.throws(() => directory.file('../x'), { code: 'WRITE', message: /lies outside the run/ })
  t.throws(() => directory.file('Run.JSON', 'another'), { message: /already written by the run itself/ })
})

t.test('a directory without permission says so', { skip: process.getuid?.() === 0 }, async (t) => {
  inFolder(t, { locked: {} })
  chmodSync('locked', 0o555)
  t.teardown(() => chmodSync('locked', 0o755))
  t.throws(() => makeRunDirectory('a', { out: 'locked/x' }), {
    code: 'WRITE',
    message: 'cannot make the run directory locked/x: permission denied',
  })
})

t.test('attempt passes results on and words failures', async (t) => {
  inFolder(t)
  t.equal(
    attempt('read', 'x', () => 7),
    7,
  )
  t.throws(() => attempt('read', 'gone', () => readFileSync('gone')), {
    code: 'WRITE',
    message: 'cannot read gone: no such file or directory',
    cause: { code: 'ENOENT' },
  })
})

t.test('checkpoints without a record are of a run, too: a new one would go on from them', async (t) => {
  inFolder(t, { out: { checkpoint: { 'step-000000900.safetensors': '' } } })
  t.throws(() => makeRunDirectory('a', { out: 'out' }), {
    code: 'ARGUMENTS',
    message: '--out out: a run lies there already; give another directory, or --force to replace it',
  })
  makeRunDirectory('a', { out: 'out', force: true }).release()
  t.strictSame(readdirSync('out/checkpoint'), [])
})
