import { tableFromIPC, tableToIPC } from 'apache-arrow'
import { EMPTY, from, lastValueFrom, throwError } from 'rxjs'
import t, { type Test } from 'tap'
import { type MetricInfos, metricsTable, type StageContext } from '../../../dist/pipeline/stage-kit.js'
import { terminal } from '../../../dist/stages/sink/terminal.js'
import { runStage } from '../harness.js'

const entry = '- use: sink/terminal\n  from: metrics'

/** What columns named `<split>_<metric>` say about themselves: accuracies are shares. */
const infosOf = (names: readonly string[]): MetricInfos =>
  Object.fromEntries(
    names.map((column) => {
      const [split, name] = column.split('_') as [string, string]
      return [column, { split, name, title: name, ...(name === 'accuracy' && { unit: 'share' }) }]
    }),
  )

const names = ['train_loss', 'train_cost', 'train_accuracy', 'test_loss', 'test_cost', 'test_accuracy']

/** One evaluation per epoch. */
const run = (epochs: number, cost = 2.30261) =>
  Array.from({ length: epochs }, (_, i) =>
    metricsTable(
      { epoch: i + 1, step: 10 * (i + 1), epochs, steps: 10 },
      { train_loss: 1, train_cost: cost, train_accuracy: 0.10155, test_loss: 1, test_cost: 1234567, test_accuracy: 1 },
      infosOf(names),
    ),
  )

t.test('sink/terminal prints a heading, then a line per evaluation with cost and accuracy of each split', async (t) => {
  const { printed } = await runStage(t, entry, { metrics: run(2) })
  const lines = printed.join('').split('\n')
  t.match(lines[0], /^ +train +test +$/)
  t.match(lines[1], /^ +epoch +cost accuracy +cost accuracy +left$/)
  t.match(lines[2], /^ +1\/2 +2\.3026 +10\.15 % +1\.23e\+6 +100\.00 % +$/)
  t.match(lines[3], /^ +2\/2 +2\.3026 +10\.15 % +1\.23e\+6 +100\.00 % +0 s$/)
  t.equal(lines.length, 5)
  t.equal(new Set(lines.slice(1, 4).map((line) => line.length)).size, 1, 'columns stand below each other')
})

t.test('elsewhere than on a terminal it prints every line and no control sequences', async (t) => {
  const { printed } = await runStage(t, entry, { metrics: run(100) })
  t.equal(printed.join('').split('\n').length, 2 + 100 + 1)
  t.notMatch(printed.join('').replaceAll('\n', ''), /\p{Cc}/u)
})

t.test('on a terminal the current line is redrawn, and about twenty lines stay', async (t) => {
  for (const epochs of [5, 20, 100, 1000]) {
    const { printed } = await runStage(t, entry, { metrics: run(epochs) }, { interactive: true })
    const [heading, ...lines] = printed
    t.notMatch(heading!.replaceAll('\n', ''), /\p{Cc}/u)
    t.equal(lines.length, epochs)
    t.ok(lines.every((line) => line.startsWith('\r\x1b[2K')))
    t.equal(lines.filter((line) => line.endsWith('\n')).length, Math.min(epochs, 20))
    t.ok(lines.at(-1)!.endsWith('\n'), 'the last line stays')
  }
})

t.test('an evaluation within an epoch is shown as a fraction of it', async (t) => {
  const position = { epoch: 2, step: 15, epochs: 2, steps: 10 }
  const infos = infosOf(['train_cost', 'train_accuracy'])
  const metrics = [metricsTable(position, { train_cost: 1, train_accuracy: 0.5 }, infos)]
  t.match((await runStage(t, entry, { metrics })).printed.join(''), /\n +1\.50\/2 +1\.0000 +50\.00 %/)
})

t.test('numbers that overflowed are shown as they are', async (t) => {
  for (const [cost, shown] of [
    [Number.NaN, 'NaN'],
    [Number.POSITIVE_INFINITY, 'Infinity'],
  ] as const)
    t.match(
      (await runStage(t, entry, { metrics: run(1, cost) })).printed.join(''),
      new RegExp(`1/1 +${shown} +10.15 %`),
    )
})

t.test('no metrics print nothing; an error is passed on', async (t) => {
  t.strictSame((await runStage(t, entry, { metrics: EMPTY })).printed, [])
  const error = new Error('upstream')
  await t.rejects(runStage(t, entry, { metrics: throwError(() => error) }), error)
})

/** What is printed for one evaluation, line by line. */
async function shown(t: Test, values: Record<string, number>, infos?: MetricInfos): Promise<string[]> {
  const metrics = [metricsTable({ epoch: 1, step: 10, epochs: 1, steps: 10 }, values, infos)]
  const { printed } = await runStage(t, entry, { metrics })
  const read = await runStage(t, entry, { metrics: metrics.map((table) => tableFromIPC(tableToIPC(table, 'file'))) })
  t.strictSame(read.printed, printed, 'the same from a file')
  return printed.join('').split('\n')
}

t.test('metrics that name no split are shown one by one under their names', async (t) => {
  const plain = await shown(t, { f1: 0.25, seconds: 12 })
  t.match(plain, [/^ +f1 +seconds +$/, /^ +epoch +left$/, /^ +1\/1 +0\.2500 +12\.0000 +$/])
  const infos = {
    f1: { name: 'f1', title: 'F1', unit: 'share', better: 'higher' },
    seconds: { name: 'seconds', title: 'seconds', unit: 's' },
  } as const
  t.match(await shown(t, { f1: 0.25, seconds: 12 }, infos), [/ f1 +seconds /, /./, /^ +1\/1 +25\.00 % +12\.0000 +$/])
  const mixed = await shown(t, { train_cost: 1, seconds: 12 }, infosOf(['train_cost']))
  t.match(mixed, [/^ +train +seconds +$/, /^ +epoch +cost +left$/, /^ +1\/1 +1\.0000 +12\.0000 +$/])
})

t.test('a split that has shares only is shown by the first of them', async (t) => {
  const values = { test_accuracy: 0.5, test_recall: 0.125 }
  const infos = {
    test_accuracy: { split: 'test', name: 'accuracy', title: 'accuracy', unit: 'share' },
    test_recall: { split: 'test', name: 'recall', title: 'recall', unit: 'share' },
  }
  t.match(await shown(t, values, infos), [/^ +test +$/, /^ +epoch +accuracy +left$/, /^ +1\/1 +50\.00 % +$/])
})

t.test('metrics of any learner are shown by the names and units that they say', async (t) => {
  const infos = {
    train_hinge: { split: 'train', name: 'hinge', title: 'hinge loss', better: 'lower' },
    train_clear: { split: 'train', name: 'clear', title: 'clear lead', unit: 'share', better: 'higher' },
    held_out_hinge: { split: 'held_out', name: 'hinge', title: 'hinge loss', better: 'lower' },
    held_out_clear: { split: 'held_out', name: 'clear', title: 'clear lead', unit: 'share', better: 'higher' },
  } as const
  const lines = await shown(t, { train_hinge: 3, train_clear: 0.5, held_out_hinge: 4, held_out_clear: 0.25 }, infos)
  t.match(lines, [
    /^ +train +held_out +$/,
    /^ +epoch +hinge clear +hinge clear +left$/,
    /^ +1\/1 +3\.0000 +50\.00 % +4\.0000 +25\.00 % +$/,
  ])
})

/** What is printed on a terminal of this width, which may change with each text. */
async function onTerminal(widthAt: (text: number) => number | undefined, metrics = run(40)): Promise<string[]> {
  const printed: string[] = []
  const shown = {
    interactive: true,
    get width() {
      return widthAt(printed.length)
    },
    write: (text: string) => printed.push(text),
  }
  const stage = terminal.run({}, { terminal: shown } as unknown as StageContext)
  await lastValueFrom(stage(from(metrics)), { defaultValue: undefined })
  return printed
}

const clearing = '\r\x1b[2K'
/** The lines without the sequence that clears one. */
const linesOf = (printed: readonly string[]) => printed.join('').replaceAll(clearing, '\n').split('\n')

t.test('on a terminal no line reaches the last cell, at any width', async (t) => {
  for (let width = 20; width < 90; width += 3) {
    const longest = Math.max(...linesOf(await onTerminal(() => width)).map((line) => line.length))
    t.ok(longest < width, `${width}: ${longest}`)
  }
  for (const width of [undefined, 0]) {
    const longest = Math.max(...linesOf(await onTerminal(() => width)).map((line) => line.length))
    t.equal(longest, 10 + 2 * 20 + 9, 'a terminal that does not tell its width has 80 columns')
  }
})

t.test('in a narrow terminal columns are left out, epoch and time last', async (t) => {
  const [heading, line] = await onTerminal(() => 20)
  t.match(heading, /^ +\n {5}epoch +left\n$/)
  t.match(line!.replace(clearing, ''), /^ {6}1\/40 +$/)
  const [wider] = await onTerminal(() => 40)
  t.match(wider, /^ +train +\n {5}epoch +cost accuracy +left\n$/)
})

t.test('a window that is made narrower or wider gets another heading, once', async (t) => {
  const printed = await onTerminal((line) => (line < 10 ? 80 : line < 30 ? 30 : 60))
  t.equal(printed.filter((text) => text.includes('epoch')).length, 3)
  t.ok(
    printed.slice(1).every((text) => text.startsWith('\r\x1b[2K')),
    'the line before is cleared',
  )
})

t.test('titles are cut by the cells they take, not by their length', async (t) => {
  const infos = { a: { name: 'a', title: 'a', split: '訓練用の写真をあつめたもの' } } as const
  const metrics = [metricsTable({ epoch: 1, step: 10, epochs: 1, steps: 10 }, { a: 1 }, infos)]
  const [heading] = await onTerminal(() => 80, metrics)
  const title = heading!.split('\n')[0]!
  t.match(title, /^ {12}訓練用の写真をあ +$/, 'eight characters of two cells')
  t.equal(title.length + 8, 10 + 20)
})
