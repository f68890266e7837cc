import { join } from 'node:path'
import t from 'tap'
import { resumeCommand } from '../../dist/cli/resume.js'
import { drawState, stylesOf } from '../../dist/cli/screen/draw-state.js'
import { canDraw, cellsIn, LiveScreen } from '../../dist/cli/screen/live-screen.js'
import { sparkline } from '../../dist/cli/screen/sparkline.js'
import type { Output } from '../../dist/cli/terminal.js'
import type { LiveState } from '../../dist/pipeline/live/contract.js'
import { printed } from './printed.js'

const infos = Object.fromEntries(
  ['训练', 'validation'].flatMap((split) => [
    [`${split}_cost`, { split, name: 'cost', title: 'cost' }],
    [`${split}_accuracy`, { split, name: 'accuracy', title: 'accuracy', unit: 'share' }],
  ]),
)

function stage(id: string, share: number): LiveState['stages'][number] {
  const rates = { rowsPerSecond: 12345, tablesPerSecond: 10 }
  return { id, use: 'load/csv', inputs: [], outputs: [], activity: 'busy', seconds: 1, share, ...rates, inFlight: 2 }
}

const state: LiveState = {
  type: 'state',
  name: '数字 🎉 \x1b[31m',
  process: 1,
  elapsed: 75,
  position: { epoch: 3, step: 120, epochs: 40, steps: 400 },
  progress: 0.25,
  left: 7300,
  stages: [
    stage('行', 0.01),
    stage('model', 0.7),
    ...Array.from({ length: 8 }, (_, i) => stage(`sink-with-a-long-name-${i}`, 0)),
  ],
  wires: [],
  bottleneck: 'model',
  metrics: [
    {
      stage: 'metrics',
      last: Object.fromEntries([...Object.keys(infos).map((name) => [name, 0.5]), ['epoch', 3], ['step', 120]]),
      infos,
      curves: Object.fromEntries(Object.keys(infos).map((name) => [name, [0.9, null, 0.5]])),
    },
  ],
}

t.test('every line fits the window, at every size', (t) => {
  for (const NO_COLOR of ['', '1'])
    for (let width = 39; width < 130; width += 7)
      for (let height = 1; height < 25; height += 3) {
        const lines = drawState(state, { width, height }, stylesOf({ NO_COLOR }))
        const wide = lines.find((line) => cellsIn(line) > width)
        if (wide !== undefined || lines.length > height) t.fail(`${width}×${height}: ${wide ?? lines.length}`)
        // biome-ignore lint/suspicious/noControlCharactersInRegex: colours begin with it
        if (NO_COLOR && /\x1b/.test(lines.join(''))) t.fail('a control sequence')
      }
  t.end()
})

t.test('a low window keeps the progress, then the metrics, then the slowest stages', (t) => {
  const lines = drawState(state, { width: 59, height: 7 }, stylesOf({ NO_COLOR: '1' }))
  t.strictSame(lines, [
    '数字 🎉 \\u001b[31m · epoch 3 of 40 · step 120 of 16,000',
    '━━━━━━──────────────────  25 %  1 min 15 s, 2 h 1 min left',
    '训练          0.5000 █!▁             50.00 % █!▁',
    'validation    0.5000 █!▁             50.00 % █!▁',
    '  行                          12.3k    1 %          2',
    '▸ model                       12.3k   70 %          2',
    '  sink-with-a-long-name-0     12.3k    0 %          2',
  ])
  t.end()
})

t.test('a curve shows its last values, and what is not finite', (t) => {
  t.equal(sparkline([1, 2, 3, 4, 5, 6, 7, 8], 8), '▁▂▃▄▅▆▇█')
  t.equal(sparkline([1, 2, 3, 4, 5, 6, 7, 8], 4), '▁▃▆█')
  t.equal(sparkline([2, null, 2], 8), '▁!▁')
  t.equal(sparkline([], 8), '')
  t.end()
})

t.test('only changed lines are drawn, and messages go above them', (t) => {
  let text = ''
  const draw = (more: string): void => {
    text += more
  }
  const output = { draw, onResize: () => () => {}, width: 80, height: 24 } as unknown as Output
  let lines = ['a', 'b']
  const screen = new LiveScreen(output, () => lines, undefined)
  screen.repaint()
  text = ''
  screen.repaint()
  t.equal(text, '')
  lines = ['a', 'c']
  screen.repaint()
  t.equal(text, '\x1b[?2026h\x1b[1A\r\r\n\x1b[2Kc\x1b[?2026l')
  text = ''
  screen.above('note \x1b\n')
  t.equal(text, '\x1b[?2026h\x1b[1A\r\x1b[0Jnote \\u001b\n\x1b[?2026l\x1b[?2026h\r\x1b[2Ka\r\n\x1b[2Kc\x1b[?2026l')
  text = ''
  screen.close()
  t.equal(text, '\x1b[1A\r\x1b[0J\x1b[?25h')
  t.end()
})

t.test('no screen in a file, on a dumb terminal, or in CI', (t) => {
  t.ok(canDraw({ interactive: true }, { TERM: 'xterm' }))
  t.notOk(canDraw({ interactive: false }, { TERM: 'xterm' }))
  t.notOk(canDraw({ interactive: true }, { TERM: 'dumb' }))
  t.notOk(canDraw({ interactive: true }, { TERM: 'xterm', CI: 'true' }))
  t.end()
})

t.test('an error before the run begins is that of the run, also where a screen is drawn', async (t) => {
  const { TERM, CI } = process.env
  process.env.TERM = 'xterm'
  delete process.env.CI
  t.teardown(() => {
    for (const [name, value] of Object.entries({ TERM, CI }))
      if (value === undefined) delete process.env[name]
      else process.env[name] = value
  })
  const directory = join(t.testdir(), 'none')
  await t.rejects(
    printed((output) => resumeCommand(directory, { set: [] }, { ...output, interactive: true, width: 80, height: 24 })),
    { name: 'PipelineError', message: /is not the directory of a run|no pipeline\.yaml/ },
  )
})
