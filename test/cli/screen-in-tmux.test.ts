import { execFileSync, spawnSync } from 'node:child_process'
import { join, resolve } from 'node:path'
import t from 'tap'

const hasTmux = spawnSync('tmux', ['-V']).status === 0
const main = resolve('lib/cli/main.js')
const socket = `millrace-test-${process.pid}`

function tmux(...args: string[]): string {
  return execFileSync('tmux', ['-L', socket, '-f', '/dev/null', ...args], { encoding: 'utf8' })
}

async function until(is: (screen: string) => boolean): Promise<string> {
  for (let i = 0; i < 200; i++) {
    const screen = tmux('capture-pane', '-p', '-t', 'run')
    if (is(screen)) return screen
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
  throw new Error(`not reached:\n${tmux('capture-pane', '-p', '-t', 'run')}`)
}

const count = (screen: string, part: RegExp): number => screen.match(part)?.length ?? 0

t.test('the live screen in windows of many sizes', { skip: hasTmux ? false : 'needs tmux' }, async (t) => {
  t.teardown(() => tmux('kill-server'))
  const out = join(t.testdir({}), 'r')
  tmux(
    'new-session',
    '-d',
    '-s',
    'run',
    '-x',
    '80',
    '-y',
    '24',
    `env -u CI -u NO_COLOR ${process.execPath} ${main} run digits --set epochs=100000 --out ${out}; cat`,
  )
  await until((screen) => /bottleneck/.test(screen))
  for (const [width, height] of [
    [40, 20],
    [60, 24],
    [80, 24],
    [200, 50],
    [40, 10],
  ] as const) {
    tmux('resize-window', '-t', 'run', '-x', String(width), '-y', String(height))
    const isWhole = (screen: string): boolean =>
      count(screen, /━|─{3}/) > 0 && count(screen, /^test /gm) === 1 && count(screen, /^▸/gm) === 1
    const screen = await until(isWhole)
    t.equal(count(screen, /^digits · epoch/gm), 1, `one title at ${width}×${height}`)
    t.equal(count(screen, /^train /gm), 1, `one line of each split at ${width}×${height}`)
    t.equal(count(screen, / left$/gm), 1, `one bar at ${width}×${height}`)
  }
  tmux('resize-window', '-t', 'run', '-x', '80', '-y', '24')
  tmux('send-keys', '-t', 'run', 'C-c')
  const end = await until((screen) => /stopped before/.test(screen))
  t.equal(count(end, /^train /gm), 1, 'the last metrics stay')
})
