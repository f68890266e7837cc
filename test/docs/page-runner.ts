import { execFile } from 'node:child_process'
import { chmodSync, cpSync, existsSync, mkdirSync, readdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import type { Command } from 'commander'
import { makeProgram } from '../../dist/cli/program.js'
import { millrace } from '../cli/in-process.js'
import { main, userEnvironment } from '../cli/millrace.js'
import { collectedOutput } from '../cli/printed.js'
import { pngFile } from '../stages/load/array-files.js'
import { wordsOf } from './blocks.js'

const root = fileURLToPath(new URL('../..', import.meta.url))
const given = fileURLToPath(new URL('./files', import.meta.url))

/** What a command or program did. */
export interface Ran {
  /** The exit code. */
  readonly code: number
  /** What it printed, to both outputs. */
  readonly text: string
}

/**
 * Makes a folder look like that of a reader: Millrace is installed, `npx` finds it, and the data files that the pages
 * speak of are there.
 */
export function furnish(folder: string): void {
  cpSync(given, folder, { recursive: true })
  cpSync(join(root, 'examples/noise.js'), join(folder, 'noise.js'))
  for (const [i, name] of ['cats', 'dogs'].entries()) {
    mkdirSync(join(folder, 'photos', name), { recursive: true })
    for (let shade = 0; shade < 3; shade++) {
      const pixels = new Uint8Array(4).fill(100 * i + shade)
      writeFileSync(join(folder, 'photos', name, `${shade}.png`), pngFile({ width: 2, height: 2, color: 0 }, pixels))
    }
  }
  mkdirSync(join(folder, 'node_modules/.bin'), { recursive: true })
  symlinkSync(root, join(folder, 'node_modules/millrace'))
  for (const name of ['rxjs', ...readdirSync(join(root, 'node_modules')).filter((name) => name === 'onnxruntime-web')])
    symlinkSync(join(root, 'node_modules', name), join(folder, 'node_modules', name))
  const started = `exec "${process.execPath}" "${main}" "$@"\n`
  for (const [name, first] of [
    ['millrace', ''],
    ['npx', 'shift\n'],
  ]) {
    writeFileSync(join(folder, 'node_modules/.bin', name!), `#!/bin/sh\n${first}${started}`)
    chmodSync(join(folder, 'node_modules/.bin', name!), 0o755)
  }
  writeFileSync(join(folder, 'package.json'), '{ "private": true, "type": "module" }')
}

/** Runs a command in the current folder: one of Millrace in this process, any other in a shell. */
export async function runLine(command: string): Promise<Ran> {
  const words = wordsOf(command.replace(/^npx (?=millrace )/, ''))
  return words?.[0] === 'millrace' ? runHere(words.slice(1)) : runInShell(command)
}

async function runHere(args: readonly string[]): Promise<Ran> {
  const { code, stdout, stderr } = await millrace(args, process.cwd())
  return { code: code ?? 1, text: stdout + stderr }
}

function runInShell(command: string): Promise<Ran> {
  const bin = resolve('node_modules/.bin')
  const env = userEnvironment({ PATH: `${bin}:${dirname(process.execPath)}:${process.env.PATH}` })
  return new Promise((done) =>
    execFile('/bin/bash', ['-c', command], { env }, (error, stdout, stderr) =>
      done({ code: error ? Number(error.code ?? 1) : 0, text: stdout + stderr }),
    ),
  )
}

/**
 * Why the command line would refuse a command that is not run: an unknown command or option, or a missing argument. Commands of other
 * programs are not looked at.
 */
export async function refusal(command: string): Promise<string | undefined> {
  const [, own] = /(?:^|\s)millrace ((?:[^|&;<>]|\\.)*)/.exec(command.replaceAll(/\$\w+|\$\([^)]*\)/g, 'x')) ?? []
  const words = own === undefined ? undefined : wordsOf(own.replaceAll(/[*$~`(){}]/g, 'x'))
  if (!words) return undefined
  const { output, seen } = collectedOutput()
  const program = makeProgram(output)
  for (const each of program.commands) disarm(each)
  try {
    await program.parseAsync(words, { from: 'user' })
    return undefined
  } catch (error) {
    return seen.all || String(error)
  }
}

/** Lets every command check its arguments and then do nothing. */
function disarm(command: Command): void {
  command.action(() => {})
  for (const each of command.commands) disarm(each)
}

// Commands of a queue are parsed, though none is there.
process.env.MILLRACE_QUEUE ??= 'redis://queue:6379'

let programs = 0

/** Runs the text of a JavaScript module in the current folder, and returns what it logs. */
export async function runModule(text: string): Promise<string> {
  const file = resolve(`program-${++programs}.js`)
  writeFileSync(file, text)
  const { log } = console
  let logged = ''
  console.log = (...values: unknown[]) => {
    logged += `${values.join(' ')}\n`
  }
  try {
    await import(pathToFileURL(file).href)
  } finally {
    console.log = log
  }
  return logged
}

/** Writes a file of a page, with its folders. */
export function write(file: string, text: string): void {
  mkdirSync(dirname(resolve(file)), { recursive: true })
  writeFileSync(file, text)
}

/** Whether a program is installed. */
export const hasPython = existsSync('/usr/bin/python3')
