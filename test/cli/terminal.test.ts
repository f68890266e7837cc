import { spawn } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'

import { printable } from '../../dist/cli/terminal.js'
import { spellOut } from '../../dist/pipeline/base/plain-text.js'
import { finished, millrace, userEnvironment } from './millrace.js'

t.test('printable spells out what would command a terminal', async (t) => {
  t.equal(printable('a\x1b[31mb\x07\u009b2J\r'), 'a\\u001b[31mb\\u0007\\u009b2J\\u000d')
  t.equal(printable('gpj\u202eexe'), 'gpj\\u202eexe')
  t.equal(printable('line\n\tÄ → 漢字 😀'), 'line\n\tÄ → 漢字 😀')
  t.equal(printable('\r\x1b[2Know'), '\r\x1b[2Know', 'a line is drawn again')
  t.equal(printable('class \r\x1b[2Know'), 'class \\u000d\\u001b[2Know', 'but no name clears it')
})

t.test('spellOut writes each UTF-16 unit as in JSON', async (t) => {
  t.equal(spellOut('\x1b'), '\\u001b')
  t.equal(JSON.parse(`"${spellOut('😀')}"`), '😀')
})

t.test('arguments that hold control characters are printed safely, too', async (t) => {
  const { code, stderr } = await millrace(['ru\x1b[2Jn'], t.testdir())
  t.equal(code, 2)
  t.match(stderr, "unknown command 'ru\\u001b[2Jn'")
})

/** A program that listens for signals, prints what happens, and leaves the signals alone after `release`. */
const listening = (release: boolean) => `
import { interruption } from '${new URL('../../dist/cli/terminal.js', import.meta.url)}'
const stop = interruption({ exit: (code) => process.exit(code) })
stop.signal.addEventListener('abort', () => {
  if (${release}) stop.release()
  console.log('aborted with', process.exitCode)
})
setInterval(() => {}, 1000)
console.log('ready')
`

t.test('the first signal aborts and sets the exit code, the second ends the process at once', async (t) => {
  for (const [release, code, signal] of [
    [false, 130, null],
    [true, null, 'SIGINT'],
  ] as const) {
    const args = ['--input-type=module', '--eval', listening(release)]
    const child = spawn(process.execPath, args, { env: userEnvironment(), stdio: ['ignore', 'pipe', 'pipe'] })
    const ended = new Promise((resolve) => child.on('close', (code, signal) => resolve([code, signal])))
    let lines = ''
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      lines += text
      child.kill(lines === 'ready\n' ? 'SIGTERM' : 'SIGINT')
    })
    t.strictSame(await ended, [code, signal])
    t.equal(lines, 'ready\naborted with 143\n')
  }
})

t.test(
  'SIGHUP is an abort if there is a terminal, and nothing otherwise',
  { skip: process.platform === 'win32' },
  async (t) => {
    for (const [isTerminal, expected] of [
      [true, ['aborted with 129\n', 129]],
      [false, ['', 0]],
    ] as const) {
      const code = `${isTerminal ? 'process.stdout.isTTY = true' : ''}
      import { interruption } from '${new URL('../../dist/cli/terminal.js', import.meta.url)}'
      interruption({ exit: () => {} }).signal.addEventListener('abort', () => {
        console.log('aborted with', process.exitCode)
      })
      process.kill(process.pid, 'SIGHUP')
      setTimeout(() => process.exit(), 300)`
      const child = spawn(process.execPath, ['--input-type=module', '--eval', code], {
        ...{ env: userEnvironment(), stdio: ['ignore', 'pipe', 'pipe'] },
      })
      const { stdout, code: ended } = await finished(child)
      t.strictSame([stdout, ended], expected)
    }
  },
)

t.test('main.ts alone ends the process, terminal.ts alone prints', async (t) => {
  const files = readdirSync('cli').filter((name) => name.endsWith('.ts'))
  const using = (pattern: RegExp) => files.filter((name) => pattern.test(readFileSync(join('cli', name), 'utf8')))
  t.strictSame(using(/process\.(exit|abort|kill|reallyExit)\(/), ['main.ts'])
  t.strictSame(using(/\b(stdout|stderr)\.write\(|console\.|process\.std(out|err)\b/), ['terminal.ts'])
})
