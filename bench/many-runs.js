// What it costs to list many runs: node bench/many-runs.js [COUNT]. Needs a build. Each has a definition of its own.
import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Pipeline, run } from '../dist/index.js'
import { median, printTable } from './measure.js'

const program = fileURLToPath(new URL('../lib/cli/main.js', import.meta.url))
const count = Number(process.argv[2] ?? 500)
const folder = mkdtempSync(join(tmpdir(), 'millrace-bench-'))
try {
  const first = join(folder, 'run')
  await run(await Pipeline.load('digits', { set: ['epochs=20', 'curves.formats=[svg]'] }), { out: first })
  rmSync(join(first, 'figures'), { recursive: true })
  rmSync(join(first, 'checkpoint'), { recursive: true })
  const [text, record] = ['pipeline.yaml', 'run.json'].map((name) => readFileSync(join(first, name), 'utf8'))
  for (let i = 0; i < count; i++) {
    const own = join(folder, `runs/digits-${String(i).padStart(5, '0')}`)
    const definition = text.replace(/eta: [\d.]+/, `eta: ${(i + 1) / 1000}`)
    const { settings, ...rest } = JSON.parse(record)
    const changed = { ...rest, settings: { ...settings, eta: (i + 1) / 1000 }, definition: sha256(definition) }
    cpSync(first, own, { recursive: true })
    writeFileSync(join(own, 'pipeline.yaml'), definition)
    writeFileSync(join(own, 'run.json'), `${JSON.stringify(changed, null, 2)}\n`)
  }
  const measured = (args) => Array.from({ length: 5 }, () => cpuOf(args))
  printTable(
    [`seconds of processor, median of 5`, ''],
    [
      ['millrace --version', median(measured(['--version'])).toFixed(2)],
      [`millrace ls of ${count} runs`, median(measured(['ls', join(folder, 'runs')])).toFixed(2)],
      [`millrace ls --best of ${count} runs`, median(measured(['ls', join(folder, 'runs'), '--best'])).toFixed(2)],
    ],
  )
} finally {
  rmSync(folder, { recursive: true })
}

function sha256(text) {
  return createHash('sha256').update(text).digest('hex')
}

/** The processor time of a command, in seconds: it says itself what it took. */
function cpuOf(args) {
  const told = join(folder, 'cpu')
  const hook = `process.on('exit', () => require('node:fs').writeFileSync(${JSON.stringify(told)}, JSON.stringify(process.cpuUsage())))`
  const preloaded = join(folder, 'cpu.cjs')
  writeFileSync(preloaded, hook)
  execFileSync(process.execPath, ['--require', preloaded, program, ...args], { stdio: ['ignore', 'ignore', 'inherit'] })
  const { user, system } = JSON.parse(readFileSync(told, 'utf8'))
  return (user + system) / 1e6
}
