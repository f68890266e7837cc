import { readFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { setFlagsFromString } from 'node:v8'
import { readFonts } from './glyphs.js'
import { fontFamilies, type Renderer } from './renderer.js'

/** Opens the renderer in WebAssembly, which runs everywhere. */
export async function wasmRenderer(): Promise<Renderer> {
  const [{ initWasm, Resvg }, wasm, fontBuffers] = await Promise.all([
    import('@resvg/resvg-wasm'),
    readFile(fileURLToPath(import.meta.resolve('@resvg/resvg-wasm/index_bg.wasm'))),
    readFonts(),
  ])
  try {
    const module = await compile(wasm)
    hideOnce('Request', 'Response')
    await initWasm(module)
  } catch (error) {
    // A program that uses the same package may have initialised it already.
    if (!/already initialized/i.test(String(error))) throw error
  }
  const font = { fontBuffers, ...fontFamilies }
  return (svg, scale) => {
    const resvg = new Resvg(svg, { font, fitTo: { mode: 'zoom', value: scale } })
    const rendered = resvg.render()
    const bytes = rendered.asPng()
    rendered.free()
    resvg.free()
    return bytes
  }
}

/**
 * Lets the next look at these globals find nothing, and the later ones what is there. The renderer asks whether it was
 * given a `Response`, and by that makes Node load its HTTP client. That takes time and, if addresses are short
 * (`ulimit -v`), ends the process: nothing can wait for the WebAssembly of that client.
 */
function hideOnce(...names: string[]): void {
  for (const name of names) {
    const before = Object.getOwnPropertyDescriptor(globalThis, name)
    if (!before?.configurable) continue
    const restore = (): void => void Object.defineProperty(globalThis, name, before)
    Object.defineProperty(globalThis, name, {
      configurable: true,
      get: () => restore(),
      set: (value) => {
        restore()
        Reflect.set(globalThis, name, value)
      },
    })
  }
}

type InitWasm = typeof import('@resvg/resvg-wasm').initWasm

/**
 * Compiles the renderer without optimising its code: optimising takes longer than drawing, and 80 MB. V8 reads the flag
 * before `WebAssembly.compile` returns its promise, so that the flag applies to this module alone.
 */
function compile(bytes: Uint8Array): Promise<Awaited<Parameters<InitWasm>[0]>> {
  const { WebAssembly } = globalThis as unknown as {
    WebAssembly: { compile(bytes: Uint8Array): Promise<Awaited<Parameters<InitWasm>[0]>> }
  }
  setFlagsFromString('--liftoff-only')
  try {
    return WebAssembly.compile(bytes)
  } finally {
    setFlagsFromString('--no-liftoff-only')
  }
}
