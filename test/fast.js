// npm run test:fast: the tests that need nothing but Node and this checkout, and do not take long.
import { spawnSync } from 'node:child_process'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { posix } from 'node:path'
import { fileURLToPath } from 'node:url'

/** What tests need if they import one of these helpers. */
const helpers = new Map([
  ['test/hosts.ts', 'network namespaces'],
  ['test/pipeline/parallel/job.ts', 'MPI'],
  ['test/pipeline/run/mortal.ts', 'kills'],
  ['test/sweep/queue/servers.ts', 'redis or postgres'],
])

/** Tests that take long, one by one or as a folder. */
export const long = [
  'test/cli/check-gradient.test.ts',
  'test/cli/export.test.ts',
  'test/cli/report.test.ts',
  'test/cli/rerun.test.ts',
  'test/cli/verify-resume.test.ts',
  'test/configs',
  'test/docs/api.test.ts',
  'test/docs/blocks.test.ts',
  'test/examples/hinge.test.ts',
  'test/experiments.test.ts',
  'test/faults/',
  'test/fuzz/',
  'test/package.test.ts',
  'test/sweep/run.test.ts',
  'test/versions.test.ts',
]

/** All test files, as `.taprc` has them. */
export function testFiles() {
  return readdirSync('test', { recursive: true, encoding: 'utf8' })
    .map((name) => `test/${name.replaceAll('\\', '/')}`)
    .filter((name) => name.endsWith('.test.ts'))
    .sort()
}

/**
 * Why a test is left out; undefined if it is fast. What a test needs is read from the helpers that it imports, also
 * through others, and from calls of `kill`.
 */
export function reasonToLeaveOut(file) {
  if (long.some((name) => file.startsWith(name))) return 'time'
  const reached = new Set([file])
  for (const each of reached) {
    if (helpers.has(each)) return helpers.get(each)
    const text = readFileSync(each, 'utf8')
    if (/\bkill\(/.test(text)) return 'kills'
    for (const [, path] of text.matchAll(/from '(\.[^']+)\.js'/g)) {
      const imported = posix.join(posix.dirname(each), `${path}.ts`)
      if (imported.startsWith('test/') && existsSync(imported)) reached.add(imported)
    }
  }
  return undefined
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const files = testFiles()
  const fast = files.filter((file) => reasonToLeaveOut(file) === undefined)
  console.log(`${fast.length} of ${files.length} test files; npm test runs all`)
  // Without the folder of the data sets, tests that read CIFAR-10 are skipped.
  const { MILLRACE_DATA: _, ...env } = process.env
  const tap = fileURLToPath(new URL('../node_modules/tap/dist/esm/run.mjs', import.meta.url))
  const { status } = spawnSync(process.execPath, [tap, ...process.argv.slice(2), ...fast], { stdio: 'inherit', env })
  process.exitCode = status ?? 1
}
