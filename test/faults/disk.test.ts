import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { finished, spawnMillrace } from '../cli/millrace.js'
import { checkFigures } from '../docs/figures.js'
import { temporary } from '../stages/harness.js'
import { checkFailure, checkWhole, millraceInShell, mounting, noMounts, shell } from './sandbox.js'

const isWindows = process.platform === 'win32' && 'there is no POSIX shell'
const withoutMounts = noMounts()
const withoutFullDevice = !existsSync('/dev/full') && 'there is no /dev/full'
const short = 'run digits --out run --set epochs=2 --kernel reference --checkpoint epoch'

let faults = 0

/** Checks the failure, and counts it. */
function checkFault(...given: Parameters<typeof checkFailure>): void {
  checkFailure(...given)
  faults++
}

t.test('a limit on the size of files fails the run at the first larger one', { skip: isWindows }, async (t) => {
  const cwd = temporary(t)
  for (const blocks of [0, 1, 2, 4, 12, 24, 60]) {
    const done = await shell(`ulimit -f ${blocks}; exec ${millraceInShell} ${short}`, cwd)
    checkFault(t, done, /cannot write .*: the file would be larger than is allowed/, `${blocks} blocks`)
    checkWhole(t, join(cwd, 'run'))
    rmSync(join(cwd, 'run'), { recursive: true, force: true, maxRetries: 9 })
  }
})

t.test('a full disk fails the run with the file and the reason', { skip: withoutMounts }, async (t) => {
  const cwd = temporary(t)
  for (const size of ['4k', '8k', '16k', '32k', '128k']) {
    mkdirSync(join(cwd, 'disk'), { recursive: true })
    const script = `mount -t tmpfs -o size=${size} none disk && ${millraceInShell} ${short.replace('--out run', '--out disk/run')}
      code=$?; cp -r disk/run copy 2>/dev/null; exit $code`
    checkFault(t, await mounting(script, cwd), /cannot (write|make) .*: no space left on the device/, size)
    checkWhole(t, join(cwd, 'copy'))
    rmSync(join(cwd, 'copy'), { recursive: true, force: true })
  }
})

t.test('a read-only file system is told; data on one is read', { skip: withoutMounts }, async (t) => {
  const cwd = temporary(t)
  mkdirSync(join(cwd, 'disk'))
  writeFileSync(join(cwd, 'disk/data.csv'), 'a,label\n1,x\n2,y\n')
  writeFileSync(
    join(cwd, 'disk/p.yaml'),
    'stages:\n  - use: load/csv\n    with: { path: data.csv, fractions: { train: 1 } }\n',
  )
  const readOnly = 'mount --bind disk disk && mount -o remount,ro,bind disk && cd disk && '
  for (const out of ['', '--out run'])
    checkFault(
      t,
      await mounting(`${readOnly} ${millraceInShell} run p.yaml ${out}`, cwd),
      /cannot make the (run )?directory runs?: the file system is read-only/,
    )
  const { code, stderr } = await mounting(`${readOnly} ${millraceInShell} run p.yaml --out ../run`, cwd)
  t.equal(code, 0, stderr)
})

t.test('a sink that writes to a full device says so', { skip: withoutFullDevice }, async (t) => {
  const cwd = temporary(t)
  const to = ['--set', 'csv.path=/dev/full', '--allow-absolute-paths']
  const done = await finished(spawnMillrace([...short.split(' '), ...to], cwd))
  checkFault(t, done, /sink\/csv: cannot write \/dev\/full: no space left on the device/)
  t.match(JSON.parse(readFileSync(join(cwd, 'run/run.json'), 'utf8')), { status: 'failed', error: /no space left/ })
  checkWhole(t, join(cwd, 'run'))
})

t.test('a run directory that is removed meanwhile fails the run', { skip: isWindows }, async (t) => {
  const cwd = temporary(t)
  const child = spawnMillrace('run digits --out run --set epochs=300 --kernel reference'.split(' '), cwd)
  const end = finished(child)
  while (!existsSync(join(cwd, 'run/metrics.csv')) && child.exitCode === null)
    await new Promise((r) => setTimeout(r, 20))
  rmSync(join(cwd, 'run'), { recursive: true, force: true })
  checkFault(t, await end, /cannot write the checkpoint checkpoint\/step-\d+\.safetensors: no such file or directory/)
})

t.test(
  'the documentation has the number of faults',
  { skip: isWindows || withoutMounts || withoutFullDevice },
  async (t) => checkFigures(t, 'test/faults/disk.test.ts', [faults]),
)
