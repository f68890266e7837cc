import { decode } from 'fast-png'
import t from 'tap'
import { montageFigure } from '../../dist/figures/montage.js'
import { nativeRenderer } from '../../dist/figures/native-renderer.js'
import { pngOf } from '../../dist/figures/png.js'
import { drawing, text } from '../../dist/figures/svg.js'
import { wasmRenderer } from '../../dist/figures/wasm-renderer.js'

const dark = (png: ReturnType<typeof decode>) => {
  let count = 0
  for (let i = 0; i < png.data.length; i += 4) if (png.data[i]! < 100) count++
  return count
}

t.test('text is there, in the bundled font, also in bold', async (t) => {
  const of = async (bold: boolean) => decode(await pngOf(drawing(60, 20, '', [text(4, 14, 'words', { bold })])))
  t.strictSame([(await of(false)).width, (await of(false)).height], [120, 40])
  const [plain, bold] = [dark(await of(false)), dark(await of(true))]
  t.ok(plain > 150, `${plain} dark pixels`)
  t.ok(bold > 1.2 * plain, `${bold} dark pixels in bold`)
})

t.test('images are enlarged pixel by pixel', async (t) => {
  const data = Uint8Array.of(0, 255, 255, 0)
  const svg = await montageFigure([{ tiles: [{ image: { width: 2, height: 2, channels: 1, data } }] }], {
    tileWidth: 10,
  })
  const png = decode(await pngOf(svg, { scale: 1 }))
  const at = (x: number, y: number) => png.data[4 * (y * png.width + x)]
  t.strictSame(
    [at(20, 20), at(24, 24), at(25, 24), at(29, 20), at(24, 25), at(25, 25), at(29, 29)],
    [0, 0, 255, 255, 255, 0, 0],
  )
})

t.test('the same SVG is the same PNG, at twice its size unless it is large', async (t) => {
  const svg = drawing(30, 20, '', [text(0, 10, 'x')])
  t.ok(Buffer.from(await pngOf(svg)).equals(await pngOf(svg)))
  t.equal(decode(await pngOf(drawing(1001, 1000, '', []))).width, 1001)
  t.equal(decode(await pngOf(svg, { scale: 3 })).width, 90)
})

t.test('native code and WebAssembly draw the same file', async (t) => {
  const native = await nativeRenderer()
  if (!native) return t.skip('@resvg/resvg-js has no package for this platform')
  const wasm = await wasmRenderer()
  const image = { width: 3, height: 2, channels: 3, data: Uint8Array.from({ length: 18 }, (_, i) => 14 * i) }
  const montage = await montageFigure([{ label: 'ship é 船', tiles: [{ image }] }], { tileWidth: 31 })
  const words = drawing(80, 40, '', [text(4, 14, 'Words'), text(4, 34, 'in bold <&>', { bold: true })])
  for (const svg of [montage, words])
    for (const scale of [1, 2])
      t.ok(Buffer.from(native(svg, scale)).equals(wasm(svg, scale)), `${svg.length} characters`)
  for (const render of [native, wasm]) t.throws(() => render('<svg', 1), /SVG|svg|parse/i)
  return undefined
})
