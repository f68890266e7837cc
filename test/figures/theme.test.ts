import t from 'tap'
import { colours, dashPatterns, textWidth, theme, truncateText } from '../../dist/figures/theme.js'

/** Relative luminance, WCAG 2.2. */
function luminance(colour: string): number {
  const [r, g, b] = [1, 3, 5].map((at) => {
    const part = Number.parseInt(colour.slice(at, at + 2), 16) / 255
    return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4
  })
  return 0.2126 * r! + 0.7152 * g! + 0.0722 * b!
}
const contrast = (colour: string): number => 1.05 / (luminance(colour) + 0.05)

t.test('colours go from dark to light, stay apart in grey and stand out from white', (t) => {
  for (let count = 1; count <= 7; count++) {
    const levels = colours(count).map(luminance)
    t.equal(new Set(colours(count)).size, count)
    for (let i = 1; i < count; i++) t.ok(levels[i]! > levels[i - 1]!, `${count}: ${i}`)
    for (const colour of colours(count)) t.ok(contrast(colour) >= 3, colour)
  }
  const three = colours(3).map(luminance)
  t.ok(three[1]! / three[0]! > 2 && three[2]! / three[1]! > 1.5, 'three splits are well apart')
  t.ok(contrast(theme.ink) > 7 && contrast(theme.muted) > 4.5)
  t.equal(colours(20).length, 20)
  t.end()
})

t.test('the first lines differ in their dashes, and the first is solid', (t) => {
  t.strictSame(dashPatterns(1), [[1, 0]])
  t.equal(new Set(dashPatterns(6).map(String)).size, 6)
  t.equal(dashPatterns(9).length, 9)
  t.end()
})

t.test('text is cut where it does not fit', (t) => {
  t.equal(truncateText('automobile', 200, 11), 'automobile')
  const cut = truncateText('a very long name of a class', 60, 11)
  t.match(cut, /^a very.*…$/)
  t.ok(textWidth(cut, 11) <= 60)
  t.equal(truncateText('abc', 0, 11), 'a…')
  t.ok(textWidth('日本', 10) >= 20)
  t.end()
})
