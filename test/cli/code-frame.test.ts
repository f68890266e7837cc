import { execFileSync, spawn } from 'node:child_process'
import { truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { formatWithSource, reportProblems } from '../../dist/cli/code-frame.js'
import { finished, main, userEnvironment } from './millrace.js'
import { collectedOutput } from './printed.js'

/** The frame of one problem in a file with this text: the lines below the message. */
function frame(t: Test, text: string, line: number, column: number, width = 80): string[] {
  const where = `${join(t.testdir({ 'x.yaml': text }), 'x.yaml')}:${line}:${column}`
  const [block] = formatWithSource([{ where, message: 'wrong' }], width)
  const [first, ...rest] = block!.split('\n')
  t.equal(first, `${where}  wrong`)
  return rest
}

t.test('a problem is followed by its line and a caret under the column', async (t) => {
  const text = 'stages:\n  - use: load/digit\n'
  t.strictSame(frame(t, text, 2, 10), ['  2 |   - use: load/digit', '    |          ^'])
  t.strictSame(frame(t, text, 1, 1), ['  1 | stages:', '    | ^'])
  t.strictSame(frame(t, text, 1, 8), ['  1 | stages:', '    |        ^'], 'behind the end')
  t.strictSame(frame(t, text, 3, 1), ['  3 |', '    | ^'], 'at the end of the file')
  t.strictSame(frame(t, `${'\n'.repeat(99)}abc`, 100, 2), ['  100 | abc', '      |  ^'])
  t.strictSame(frame(t, 'ab\r\ncd\r\n', 2, 3), ['  2 | cd', '    |   ^'], 'lines that end as on Windows')
})

t.test('the caret stands under the column behind tabs, wide characters and those that cannot be seen', async (t) => {
  const caretAfter = (before: string) => {
    const [shown, caret] = frame(t, `${before}x`, 1, before.length + 1)
    return [shown!.slice('  1 | '.length), caret!.length - '    | ^'.length]
  }
  t.strictSame(caretAfter('a\tb'), ['a    bx', 6])
  t.strictSame(caretAfter('漢字かナ한。Ａ'), ['漢字かナ한。Ａx', 14])
  t.strictSame(caretAfter('ｶﾅ'), ['ｶﾅx', 2])
  t.strictSame(caretAfter('😀🇫🇷👩‍🔬❤️'), ['😀🇫🇷👩‍🔬❤️x', 8])
  t.strictSame(caretAfter('e\u0301ä→'), ['e\u0301ä→x', 3])
  t.strictSame(caretAfter('\x1b[31m\u200b\u202e\u2028'), ['\\u001b[31m\\u200b\\u202e\\u2028x', 28])
  t.strictSame(caretAfter('\ufeffa'), ['\\ufeffax', 7])
})

t.test('a long line is cut around the caret to the width of the terminal', async (t) => {
  const line = Array.from({ length: 500 }, (_, i) => i % 10).join('')
  for (const width of [20, 41, 80])
    for (const column of [1, 2, 15, 40, 250, 470, 499, 500, 501]) {
      const [shown, caret] = frame(t, line, 1, column, width)
      t.ok(shown!.length <= width && caret!.length <= width, `${column} in ${width}`)
      t.equal(shown![caret!.length - 1], line[column - 1], 'the caret points at the same character')
      if (column === 1 || column >= 250) t.equal(shown!.startsWith('  1 | …'), column > 1)
    }
  t.strictSame(frame(t, line, 1, 250, 20), ['  1 | …34567890123…', '    |        ^'])
  const [shown] = frame(t, '漢'.repeat(100), 1, 50, 30)
  t.ok([...shown!].reduce((sum, c) => sum + (c === '漢' ? 2 : 1), 0) <= 30)
  t.strictSame(frame(t, line, 1, 1, 3), frame(t, line, 1, 1, 20), 'no narrower than 20 columns')
  const start = performance.now()
  t.equal(frame(t, 'ab'.repeat(5_000_000), 1, 6_000_001)[0]!.length, 79)
  t.ok(performance.now() - start < 2000, 'a line of megabytes is not divided into characters')
})

t.test('without a line to show there is the message alone', async (t) => {
  const cwd = t.testdir({ 'x.yaml': 'a: 1\n' })
  const file = join(cwd, 'x.yaml')
  writeFileSync(join(cwd, 'huge.yaml'), '')
  truncateSync(join(cwd, 'huge.yaml'), (16 << 20) + 1)
  for (const where of [
    undefined,
    '--set eta=1:2:3',
    'code',
    `${file}:3:1`,
    `${file}:0:1`,
    `${file}:1:0`,
    `${file}:1:6`,
    `${file}:1`,
    `${cwd}:1:1`,
    `${join(cwd, 'gone.yaml')}:1:1`,
    `${join(cwd, 'huge.yaml')}:1:1`,
    '/dev/zero:1:1',
  ])
    t.strictSame(formatWithSource([{ where, message: 'm' }], 80), [where ? `${where}  m` : 'm'])
  t.strictSame(formatWithSource([{ where: `${file}:1:4 ($HOME)`, message: 'm' }], 80), [
    `${file}:1:4 ($HOME)  m\n  1 | a: 1\n    |    ^`,
  ])
})

t.test('elsewhere than on a terminal the problems are plain lines', async (t) => {
  const where = `${join(t.testdir({ 'x.yaml': 'a: 1\n' }), 'x.yaml')}:1:4`
  const problems = [{ where, message: 'm' }, { message: 'n' }]
  const printed = (errorWidth: number | undefined) => {
    const { seen, output } = collectedOutput()
    reportProblems(problems, { ...output, interactive: true, errorWidth })
    return seen.err
  }
  t.equal(printed(undefined), `${where}  m\nn\n`)
  t.equal(printed(80), `${where}  m\n  1 | a: 1\n    |    ^\nn\n`)
})

/** Why there is no pseudo terminal here; false if there is one. */
function terminalMissing(): string | false {
  try {
    return /util-linux/.test(execFileSync('script', ['--version'], { encoding: 'utf8' })) ? false : 'needs util-linux'
  } catch {
    return 'needs `script` of util-linux'
  }
}

t.test('on a terminal, validate and run show the lines of the file', { skip: terminalMissing() }, async (t) => {
  const cwd = t.testdir({
    'x.yaml': 'stages:\n  - use: load/digit\n  - use: batch/rows\n    with: { size: "\x1b[2J", epochs: 1 } # 漢\n',
  })
  const onTerminal = (command: string) => {
    const script = `stty cols 60; '${process.execPath}' '${main}' ${command}`
    const env = userEnvironment()
    return finished(spawn('script', ['-qec', script, '/dev/null'], { cwd, env, stdio: ['ignore', 'pipe', 'pipe'] }))
  }
  const frames = [
    'x.yaml:2:10  stages[0]: no stage named "load/digit"; did you mean "load/digits"?',
    '  2 |   - use: load/digit',
    '    |          ^',
    'x.yaml:4:19  stages[1] batch/rows: size: expected a positive integer, got "\\u001b[2J"',
    '  4 |     with: { size: "\\u001b[2J", epochs: 1 } # 漢',
    '    |                   ^',
  ]
  t.match(await onTerminal('validate x.yaml'), { code: 2, stdout: [...frames, '2 problems', ''].join('\r\n') })
  t.match(await onTerminal('run x.yaml'), { code: 2, stdout: [...frames, ''].join('\r\n') })
  const redirected = await onTerminal('validate x.yaml 2>errors.txt')
  t.strictSame([redirected.code, redirected.stdout], [2, ''], 'standard error counts, not standard output')
})
