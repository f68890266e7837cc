import { execFile } from 'node:child_process'
import { existsSync, readdirSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { printTable } from './measure.js'

const project = fileURLToPath(new URL('..', import.meta.url))

/** What the exit code of a script says; every other code says that the fault is there. */
const outcomes = new Map([
  [0, 'gone'],
  [2, 'BROKEN'],
  [77, 'skipped'],
])

/** The scripts of a folder: each has a folder of its own with a `run.sh`. */
export function scriptsOf(folder) {
  return readdirSync(folder)
    .filter((name) => existsSync(join(folder, name, 'run.sh')))
    .sort()
}

/**
 * Runs a script that looks for one fault in this checkout. The script gets the command in MILLRACE and the folder of
 * the checkout in PROJECT. It exits with 0 if the fault is gone, and with 77 if this machine lacks a program for it.
 */
export function runScript(folder, name) {
  const env = { ...process.env, MILLRACE: `${process.execPath} ${join(project, 'lib/cli/main.js')}`, PROJECT: project }
  for (const key of Object.keys(env)) if (key === 'NODE_OPTIONS' || key.startsWith('TAP')) delete env[key]
  const began = performance.now()
  return new Promise((done) => {
    const options = { env, timeout: 10 * 60_000, killSignal: 'SIGKILL', maxBuffer: 64 * 2 ** 20 }
    execFile('bash', [join(resolve(folder), name, 'run.sh')], options, (error, stdout, stderr) => {
      const code = error === null ? 0 : typeof error.code === 'number' ? error.code : 1
      const outcome = outcomes.get(code) ?? 'FAULT'
      done({ name, code, outcome, seconds: (performance.now() - began) / 1000, output: stdout + stderr })
    })
  })
}

/** Runs all scripts of a folder and prints a table of what they found. Sets exit code 1 if a fault is there. */
export async function faults({ folder, only }) {
  const rows = []
  for (const name of scriptsOf(folder)) {
    if (only !== undefined && !name.includes(only)) continue
    const { outcome, code, seconds, output } = await runScript(folder, name)
    rows.push([name, outcome, `exit ${code}`, seconds.toFixed(1)])
    if (outcome === 'gone' || outcome === 'skipped') continue
    process.exitCode = 1
    console.log(`\n${name}\n${output}`)
  }
  printTable(['script', 'fault', '', 'seconds'], rows)
}
