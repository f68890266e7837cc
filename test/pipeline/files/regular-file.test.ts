import { execFileSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { openRegularFile, readRegularFile } from '../../../dist/pipeline/files/regular-file.js'

t.test('readRegularFile reads a file up to its limit', async (t) => {
  const folder = t.testdir({ a: 'x'.repeat(100_000), empty: '' })
  t.equal(readRegularFile(join(folder, 'a'), 100_000).length, 100_000)
  t.equal(readRegularFile(join(folder, 'empty'), 1).length, 0)
  t.throws(() => readRegularFile(join(folder, 'a'), 99_999), {
    message: 'it is too large: expected at most 99999 bytes',
  })
  t.throws(() => readRegularFile(join(folder, 'gone'), 1), { code: 'ENOENT' })
})

t.test(
  'a file in /proc, which reports the size 0, is read up to the limit',
  { skip: !existsSync('/proc/self/status') },
  async (t) => {
    t.match(String(readRegularFile('/proc/self/status', 1 << 20)), /^Name:/)
    t.throws(() => readRegularFile('/proc/self/status', 10), { message: /too large/ })
  },
)

t.test('a pipe, a device and a directory are refused at once', { skip: process.platform === 'win32' }, async (t) => {
  const folder = t.testdir({})
  execFileSync('mkfifo', [join(folder, 'pipe')])
  for (const [path, kind] of [
    [join(folder, 'pipe'), 'a named pipe'],
    ['/dev/zero', 'a device'],
    [folder, 'a directory'],
  ] as const) {
    const message = `it is ${kind}, expected a file`
    t.throws(() => readRegularFile(path, 1 << 20), { message }, path)
    await t.rejects(openRegularFile(path), { message }, path)
  }
})
