import t from 'tap'
import { drawing, escapeXml, image, rectangle, text } from '../../dist/figures/svg.js'

t.test('text is safe in XML, whatever the classes are called', (t) => {
  t.equal(escapeXml('<b> & "c"\x1f\ufffe'), '&lt;b&gt; &amp; &quot;c&quot;\\u001f')
  t.equal(
    text(1.234, 2, 'a<b', { anchor: 'end', bold: true, rotate: -90 }),
    '<text x="1.23" y="2" font-size="11" fill="#1c1c1c" text-anchor="end" font-weight="bold" transform="rotate(-90 1.23 2)">a&lt;b</text>',
  )
  t.end()
})

t.test('a drawing has a size, a description and a white ground', (t) => {
  const svg = drawing(9.5, 4, 'x "y"', [rectangle(0, 0, 1, 1, '#000')])
  t.match(svg, /^<svg [^>]*width="10" height="4" viewBox="0 0 10 4"[^>]*role="img" aria-label="x &quot;y&quot;">/)
  t.match(svg, '<rect x="0" y="0" width="10" height="4" fill="#ffffff"/>')
  t.notMatch(svg, '<style>')
  t.match(drawing(1, 1, '', [image(0, 0, 1, 1, 'data:,', 'a & b')]), /<style>.*pixelated.*<title>a &amp; b<\/title>/s)
  t.end()
})
