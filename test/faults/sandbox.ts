import { execFileSync, spawn } from 'node:child_process'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { tableFromIPC } from 'apache-arrow'
import type { Test } from 'tap'
import { decodeCheckpoint } from '../../dist/pipeline/directory/checkpoint.js'
import { type Finished, finished, main, userEnvironment } from '../cli/millrace.js'

/** What the shell calls the command line. */
export const millraceInShell = `'${process.execPath}' '${main}'`

/** The test runner watches the processes of its tests, and writes files of its own when they end. */
const ALONE = 'unset NODE_OPTIONS; '

/** Runs a script of the shell in `cwd`; `extra` are variables of its environment. */
export function shell(script: string, cwd: string, extra: Record<string, string> = {}): Promise<Finished> {
  return finished(
    spawn('sh', ['-c', `${ALONE}${script}`], { cwd, env: userEnvironment(extra), stdio: ['ignore', 'pipe', 'pipe'] }),
  )
}

/** Why there can be no file system of a test's own here; false where there can. */
export function noMounts(): string | false {
  try {
    execFileSync(
      'unshare',
      ['-rm', 'sh', '-c', 'd=$(mktemp -d) && mount -t tmpfs none "$d" && umount "$d"; s=$?; rmdir "$d"; exit $s'],
      { stdio: 'ignore' },
    )
    return false
  } catch {
    return 'this system lets nobody mount a file system of their own (unshare -rm)'
  }
}

/** Runs a script in which `mount` is allowed and nobody else sees what it mounts. */
export function mounting(script: string, cwd: string): Promise<Finished> {
  return finished(
    spawn('unshare', ['-rm', 'sh', '-c', `${ALONE}${script}`], {
      cwd,
      env: userEnvironment(),
      stdio: ['ignore', 'pipe', 'pipe'],
    }),
  )
}

/** Every file is whole: a table up to its last line, or the old or the new state of a file that is replaced. */
export function checkWhole(t: Test, out: string): void {
  const names = existsSync(out) ? readdirSync(out, { recursive: true, encoding: 'utf8' }) : []
  t.strictSame(
    names.filter((name) => /\.part$|^lock/.test(name)),
    [],
    'nothing is left over',
  )
  for (const name of names) {
    const read = () => readFileSync(join(out, name))
    if (name.endsWith('.json')) JSON.parse(String(read()))
    if (/\.(csv|jsonl)$/.test(name)) t.match(String(read()), /^$|\n$/, `${name} ends with a whole line`)
    if (name.endsWith('.arrow')) tableFromIPC(read())
    if (name.endsWith('.safetensors')) decodeCheckpoint(read())
  }
}

/** A clear failure: exit code 1, and a reason without anything of the inside. */
export function checkFailure(t: Test, { code, stderr }: Finished, reason: RegExp, what = ''): void {
  t.equal(code, 1, `${what} ${stderr}`)
  t.match(stderr, reason, what)
  t.notMatch(stderr, /internal error|defect of Millrace|\n\s+at /, what)
}
