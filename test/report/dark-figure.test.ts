import t from 'tap'
import { withDarkStyle } from '../../dist/report/dark-figure.js'

t.test('a figure gets a style for dark pages and stays as it is otherwise', (t) => {
  const svg = '<svg width="1"><rect fill="#ffffff"/><rect fill="#f4f4f4"/><rect fill="#14284b"/></svg>'
  for (const isHeatmap of [false, true]) {
    const dark = withDarkStyle(svg, isHeatmap)
    const [, style = ''] = /<style>(.*)<\/style>/.exec(dark) ?? []
    t.equal(dark.replace(/<style>.*<\/style>/, ''), svg)
    t.match(style, /^@media \(prefers-color-scheme:dark\)\{.*\}$/)
    t.match(style, '[fill="#ffffff"]{fill:#16181c}', 'paper')
    t.equal(style.includes('rect[fill="#f4f4f4"]{fill:#242931}'), isHeatmap, 'an empty cell is dark')
    t.equal(style.includes('rect[fill="#14284b"]{fill:#8ab8f0}'), isHeatmap, 'a full one is light')
  }
  t.end()
})
