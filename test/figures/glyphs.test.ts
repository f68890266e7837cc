import t from 'tap'
import { missingGlyphs } from '../../dist/figures/index.js'

t.test('characters that the bundled font lacks are found in the text of an SVG, each once', async (t) => {
  const svg = '<svg aria-label="漢"><text>Größe, Ελλάδα, Русский, 漢字漢, 한, ★ – ± 😀</text><text>ก &lt;</text></svg>'
  t.strictSame(await missingGlyphs(svg), ['漢', '字', '한', 'ก'])
  t.strictSame(await missingGlyphs('<text>plain & simple</text>'), [])
})
