/**
 * Bundles the code into `lib/`, which is what users run. Part of `npm run build`.
 *
 * Finding and parsing some 900 small files of packages takes longer than most commands. All entry points are bundled in
 * one call, so that they share their classes: a stage that imports `millrace/stage` meets those of the engine.
 */
import { chmodSync, existsSync, readFileSync, rmSync, symlinkSync } from 'node:fs'
import { createRequire } from 'node:module'
import { build, transform } from 'esbuild'

const { exports, peerDependencies } = JSON.parse(readFileSync(new URL('package.json', import.meta.url), 'utf8'))
const require = createRequire(import.meta.url)

/** What is loaded by file name: the program, and the threads. */
const files = [
  'cli/main.ts',
  'dashboard/attached.ts',
  'figures/worker.ts',
  'kernels/wasm/worker.ts',
  'stages/load/image-worker.ts',
  'sweep/worker.ts',
]
const entries = Object.values(exports).map((entry) => entry.default?.replace('./lib/', '').replace(/js$/, 'ts'))

/** Packages that bring binary files along, or that users install themselves. */
const external = ['millrace', '@resvg/*', 'dejavu-fonts-ttf', ...Object.keys(peerDependencies)]

/** Packages that give Node CommonJS, of which nothing can be left out, have the same as modules too. */
const modules = new Map([
  ['rxjs', require.resolve('rxjs').replace(/dist.cjs/, 'dist/esm')],
  ['yaml', require.resolve('yaml').replace(/dist/, 'browser')],
])

/** Messages of zod in fifty languages are a third of what would be parsed at each start. English is what it uses. */
const english = "export { default as en } from './en.js'"

/** The code of a package without its comments. For packages that are used whole: what may be left out is told by comments. */
async function shorter(path) {
  const text = readFileSync(path, 'utf8')
  return (await transform(text, { minify: true, legalComments: 'inline' })).code
}

rmSync(new URL('lib', import.meta.url), { recursive: true, force: true })
await build({
  absWorkingDir: import.meta.dirname,
  entryPoints: [...entries.filter(Boolean), ...files],
  outdir: 'lib',
  outbase: '.',
  chunkNames: 'chunks/[name]-[hash]',
  bundle: true,
  splitting: true,
  platform: 'node',
  format: 'esm',
  target: 'node20.19',
  sourcemap: 'linked',
  logLevel: 'warning',
  external,
  plugins: [
    {
      name: 'smaller packages',
      setup({ onLoad, onResolve }) {
        onResolve({ filter: /^(rxjs|yaml)$/ }, ({ path }) => ({ path: modules.get(path), sideEffects: false }))
        onLoad({ filter: /zod[/\\]v4[/\\]locales[/\\]index\.js$/ }, () => ({ contents: english }))
        onLoad({ filter: /node_modules[/\\](commander|yaml|(vega|d3)(-\w+)*)[/\\].*\.m?js$/ }, async ({ path }) => ({
          contents: await shorter(path),
        }))
      },
    },
  ],
  // Packages in CommonJS, such as commander, ask for modules of Node with `require`.
  banner: {
    js: "import { createRequire as requireFor } from 'node:module'; const require = requireFor(import.meta.url);",
  },
})
await build({
  absWorkingDir: import.meta.dirname,
  entryPoints: ['dashboard/page/page.tsx', 'dashboard/page/page.html'],
  outdir: 'lib/dashboard',
  outbase: 'dashboard/page',
  bundle: true,
  minify: true,
  format: 'esm',
  target: 'es2022',
  jsx: 'automatic',
  jsxImportSource: 'preact',
  loader: { '.html': 'copy' },
  logLevel: 'warning',
})
chmodSync(new URL('lib/cli/main.js', import.meta.url), 0o755)
// In a clone, `npx millrace` finds the command here. Without it, npx makes a package of the clone first, which takes minutes.
const commands = new URL('node_modules/.bin/', import.meta.url)
if (existsSync(commands) && process.platform !== 'win32') {
  rmSync(new URL('millrace', commands), { force: true })
  symlinkSync('../../lib/cli/main.js', new URL('millrace', commands))
}
