import { execFileSync } from 'node:child_process'
import fs, {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { syncBuiltinESMExports } from 'node:module'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { makeRunDirectory } from '../../../dist/pipeline/directory/run-directory.js'
import { attempt, replaceFile } from '../../../dist/pipeline/files/files.js'
import { inside } from '../../stages/harness.js'

/** What every `run.json` has. */
const past = { status: 'done', versions: { millrace: '0.1.0' } }

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
  const listed = JSON.stringify({ ...past, files: ['a.csv', '../precious.txt', '/precious', 3, 'gone.csv'] })
  inFolder(t, { 'precious.txt': '', out: { 'run.json': listed, 'a.csv': '', 'other.csv': '' } })
  makeRunDirectory('a', { out: 'out', force: true }).release()
  t.strictSame(readdirSync('.').sort(), ['out', 'precious.txt'])
  t.strictSame(readdirSync('out').sort(), ['other.csv', 'run.json'])
})

t.test('--force takes a directory whose record is damaged', async (t) => {
  inFolder(t, { a: { 'run.json': '{ "files": ["x' }, b: { 'run.json': JSON.stringify({ ...past, files: 3 }) } })
  for (const out of ['a', 'b']) t.ok(makeRunDirectory('a', { out, force: true }).path)
})

/** The files in a folder and their content. */
const contentOf = (folder: string) =>
  Object.fromEntries(
    readdirSync(folder).map((name) => [
      name,
      statSync(join(folder, name)).isFile() && readFileSync(join(folder, name), 'utf8'),
    ]),
  )

t.test('files of the user are not written over, with --force or without, and nothing changes', async (t) => {
  inFolder(t, {
    one: { 'pipeline.yaml': '# my notes' },
    many: { 'run.json': '{"scripts":{}}', 'a.csv': '1', deep: { 'b.csv': '2' }, 'c.arrow.part': '3', 'other.txt': '4' },
    named: { CHECKPOINT: 'mine', checkpoint: 'mine' },
  })
  const outputs = ['a.csv', 'deep/b.csv', 'c.arrow', 'new.csv']
  for (const [out, names, them] of [
    ['one', 'pipeline.yaml lies there and is not a file of a run', 'it'],
    ['many', 'run.json, a.csv, deep/b.csv and c.arrow.part lie there and are not files of a run', 'them'],
    ['named', 'checkpoint lies there and is not a file of a run', 'it'],
  ] as const) {
    const before = contentOf(out)
    for (const force of [false, true])
      t.throws(() => makeRunDirectory('a', { out, force, outputs }), {
        code: 'ARGUMENTS',
        message: `--out ${out}: ${names}, so a run does not write over ${them}; give another directory, or move ${them} away`,
      })
    t.strictSame(contentOf(out), before, 'no lock, and nothing else')
  }
})

t.test('--force replaces the files that the record of a run lists, and no others', async (t) => {
  const record = JSON.stringify({ ...past, files: ['old.csv', 'lock', 'pipeline.yaml'] })
  inFolder(t, { out: { 'run.json': record, 'pipeline.yaml': 'a', 'old.csv': '', 'mine.csv': 'mine' } })
  t.throws(() => makeRunDirectory('a', { out: 'out', force: true, outputs: ['mine.csv'] }), {
    message: /: mine\.csv lies there/,
  })
  const directory = makeRunDirectory('a', { out: 'out', force: true, outputs: ['old.csv'] })
  t.strictSame(
    readdirSync('out').sort(),
    ['lock', 'mine.csv', 'run.json'],
    'the lock is not removed, whatever the record says',
  )
  directory.write('run.json', '{}')
  directory.write('pipeline.yaml', 'b')
  t.throws(
    () => directory.file('mine.csv'),
    { code: 'ARGUMENTS', message: /: mine\.csv lies there/ },
    'even if a stage did not say so before',
  )
  t.equal(readFileSync('out/mine.csv', 'utf8'), 'mine')
  t.ok(directory.file('old.csv'))
})

t.test('checkpoints of other programs in the folder of the checkpoints stay', async (t) => {
  const files = { 'model.safetensors': 'mine', 'model.safetensors.part': 'mine', 'step-000000007.safetensors': '' }
  inFolder(t, {
    out: { 'run.json': JSON.stringify(past), checkpoint: files },
    bare: { checkpoint: { 'model.safetensors': '' } },
  })
  makeRunDirectory('a', { out: 'out', force: true }).release()
  t.strictSame(readdirSync('out/checkpoint').sort(), ['model.safetensors', 'model.safetensors.part'])
  t.ok(makeRunDirectory('a', { out: 'bare' }).path, 'they are not those of a run')
})

t.test('a run that ended while this one waited for the directory is not replaced', async (t) => {
  inFolder(t, { out: {} })
  const original = fs.writeSync
  t.teardown(() => {
    fs.writeSync = original
    syncBuiltinESMExports()
  })
  // The other run begins and ends just before the lock is taken.
  fs.writeSync = ((...given: Parameters<typeof original>) => {
    writeFileSync('out/run.json', JSON.stringify(past))
    return original(...given)
  }) as typeof original
  syncBuiltinESMExports()
  t.throws(() => makeRunDirectory('a', { out: 'out' }), { code: 'ARGUMENTS', message: /a run lies there already/ })
  t.strictSame(readdirSync('out'), ['run.json'])
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
  const listed = JSON.stringify({ ...past, files: ['link/precious.txt'] })
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
  const directory = makeRunDirectory('a', { out: 'out', allowAbsolutePaths: true })
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
  const directory = makeRunDirectory('a', { out: 'two', allowAbsolutePaths: true })
  t.equal(directory.file(away), away)
  directory.release()
  writeFileSync(away, 'mine')
  const three = { out: 'three', allowAbsolutePaths: true }
  t.throws(() => makeRunDirectory('a', three).file(away), {
    code: 'ARGUMENTS',
    message: /a\.csv exists already; move it away, or --force/,
  })
  t.equal(makeRunDirectory('a', { ...three, out: 'four', force: true }).file(away), away)
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
