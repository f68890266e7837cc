import { readFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { setFlagsFromString } from 'node:v8'

export interface PngOptions {
  /** Pixels per unit of the SVG. Default: 2, or 1 for a figure of more than a million units. */
  readonly scale?: number
}

/** The renderer, opened when the first PNG is asked for. */
let opened: Promise<(svg: string, scale: number) => Uint8Array> | undefined

/**
 * Renders an SVG with the bundled font alone: WebAssembly, so the same bytes on every machine. Characters that the font
 * does not have (Chinese, say) show as empty boxes; the SVG itself has them.
 */
export async function pngOf(svg: string, { scale = scaleOf(svg) }: PngOptions = {}): Promise<Uint8Array> {
  opened ??= open()
  return (await opened)(svg, scale)
}

function scaleOf(svg: string): number {
  const [, width, height] = /<svg[^>]* width="([\d.]+)" height="([\d.]+)"/.exec(svg) ?? []
  return Number(width) * Number(height) > 1e6 ? 1 : 2
}

async function open(): Promise<(svg: string, scale: number) => Uint8Array> {
  const [{ initWasm, Resvg }, wasm, ...fontBuffers] = await Promise.all([
    import('@resvg/resvg-wasm'),
    ...[
      '@resvg/resvg-wasm/index_bg.wasm',
      'dejavu-fonts-ttf/ttf/DejaVuSans.ttf',
      'dejavu-fonts-ttf/ttf/DejaVuSans-Bold.ttf',
    ].map((file) => readFile(fileURLToPath(import.meta.resolve(file)))),
  ])
  try {
    await initWasm(compiled(wasm!))
  } catch (error) {
    // A program that has opened the same renderer for itself has done our work.
    if (!/already initialized/i.test(String(error))) throw error
  }
  const font = { fontBuffers, defaultFontFamily: 'DejaVu Sans', sansSerifFamily: 'DejaVu Sans' }
  return (svg, scale) => {
    const resvg = new Resvg(svg, { font, fitTo: { mode: 'zoom', value: scale } })
    const rendered = resvg.render()
    const bytes = rendered.asPng()
    rendered.free()
    resvg.free()
    return bytes
  }
}

type InitWasm = typeof import('@resvg/resvg-wasm').initWasm

/**
 * Compiles the renderer without optimising its code: it is needed for a moment, and optimising takes longer than drawing
 * and 80 MB. The engine reads its flags before `compile` returns, so that nothing else is compiled with this one.
 */
function compiled(bytes: Uint8Array): Parameters<InitWasm>[0] {
  const { WebAssembly } = globalThis as unknown as {
    WebAssembly: { compile(bytes: Uint8Array): Parameters<InitWasm>[0] }
  }
  setFlagsFromString('--liftoff-only')
  try {
    return WebAssembly.compile(bytes)
  } finally {
    setFlagsFromString('--no-liftoff-only')
  }
}
