import t from 'tap'
import { type SettingsMap, settingsLineFigure, settingsMapFigure } from '../../dist/figures/settings.js'

const map: SettingsMap = {
  metric: 'validation accuracy',
  x: { name: 'lambda', values: ['0', '0.1'] },
  y: { name: 'eta', values: ['0.01', '0.1'] },
  results: [0.5, 0.75, Number.NaN, 0.6],
  format: (value: number) => `${100 * value} %`,
  better: 'higher',
}

t.test('a cell for each pair; the best has a star, a missing one a dash', async (t) => {
  const svg = await settingsMapFigure(map)
  for (const words of ['50 %', '75 % ★', '–', '60 %', 'lambda', 'eta', '0.01']) t.match(svg, `>${words}</text>`)
  t.match(
    svg,
    'aria-label="validation accuracy by lambda and eta. a stronger shade is better; best: 75 % at lambda 0.1, eta 0.01"',
  )
  t.equal(await settingsMapFigure(map), svg)
})

t.test('of a loss the smallest is best', async (t) => {
  t.match(await settingsMapFigure({ ...map, better: 'lower' }), '>50 % ★</text>')
})

t.test('without any result, and with a great many cells', async (t) => {
  const none = await settingsMapFigure({ ...map, results: Array(4).fill(Number.NaN) })
  t.match(none, 'a stronger shade is better"')
  const values = Array.from({ length: 100 }, (_, i) => String(i))
  const axis = { name: 'n', values }
  const large = await settingsMapFigure({ ...map, x: axis, y: axis, results: Array.from({ length: 1e4 }, (_, i) => i) })
  t.ok(large.length < 100_000, `${large.length}`)
})

t.test('a line for each split, bars for the deviations; far apart values get a logarithmic axis', async (t) => {
  const points = [0.001, 0.01, 0.1].flatMap((value) =>
    ['train', 'test'].map((split) => ({ value, split, mean: value, deviation: 0.01 })),
  )
  const accuracy = { title: 'accuracy', unit: 'share' }
  const svg = await settingsLineFigure('eta', accuracy, points)
  for (const words of ['train', 'test', 'accuracy by eta']) t.match(svg, `>${words}</text>`)
  t.equal(await settingsLineFigure('eta', accuracy, points), svg)
  t.match(svg, />\d\.\d%<\/text>/, 'a share is shown in per cent')
  const loss = await settingsLineFigure('shuffle', { title: 'loss' }, [{ value: 'rows', split: 'train', mean: 1 }])
  t.match(loss, '>rows</text>')
  t.notMatch(loss, '%')
})
