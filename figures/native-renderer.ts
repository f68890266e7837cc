import { fontFiles } from './glyphs.js'
import { fontFamilies, type Renderer } from './renderer.js'

/**
 * Opens the renderer in native code, which takes less than half the processor time. Returns undefined if this platform has no package
 * with it, or if it was installed without optional packages.
 */
export async function nativeRenderer(): Promise<Renderer | undefined> {
  const native = await import('@resvg/resvg-js').catch(() => undefined)
  if (!native) return undefined
  const font = { loadSystemFonts: false, fontFiles: fontFiles(), ...fontFamilies }
  return (svg, scale) => new native.Resvg(svg, { font, fitTo: { mode: 'zoom', value: scale } }).render().asPng()
}
