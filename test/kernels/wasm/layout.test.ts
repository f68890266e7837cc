import { readFileSync } from 'node:fs'
import t from 'tap'
import { isCurrent, layoutSource } from '../../../kernels/wasm/layout.mjs'

const root = new URL('../../../', import.meta.url)

/** The text of a file in `assembly/`, with `from` replaced by `to`. */
const changed = (from: string, to: string) => (name: string) =>
  readFileSync(new URL(`kernels/wasm/assembly/${name}`, root), 'utf8').replace(from, to)

t.test('layout.generated.ts is what the sources of the module say', async (t) => {
  t.ok(isCurrent(), 'npm run build:layout writes it')
})

t.test('the layout follows the sources of the module', async (t) => {
  const plain = layoutSource(changed('', ''))
  t.match(plain, /\n {2}features: 17,\n {2}classes: 18,\n/)
  t.match(plain, /\n {2}factor: 24,\n {2}eta: 25,\n/)
  const field = layoutSource(changed('  classes: u32\n', '  planes: usize\n  classes: u32\n'))
  t.match(field, /\n {2}features: 17,\n {2}planes: 18,\n {2}classes: 19,\n/)
  t.match(field, /\n {2}factor: 25,\n/, 'the 8-byte fields begin at the next multiple of 8')
  t.match(layoutSource(changed('  fold,\n', '  first,\n  fold,\n')), /\n {2}first: 0,\n {2}fold: 1,\n/)
  t.match(layoutSource(changed('UNFINISHED: usize = 320', 'UNFINISHED: usize = 328')), /\n {2}unfinished: 82,\n/)
  t.match(layoutSource(changed('TILE_ROWS: u32 = 8', 'TILE_ROWS: u32 = 16')), /\nexport const TILE_ROWS = 16\n/)
})

t.test('what the layout cannot express is an error', async (t) => {
  for (const [from, to, message] of [
    ['  classes: u32\n', '  classes: u16\n', 'call.ts: classes: expected a field of u32,usize,f64, got u16'],
    ['  fold,\n', '  fold = 3,\n', 'phases.ts: fold: expected a phase without a number'],
    ['TILE_ROWS: u32 = 8', 'TILE_ROWS: u32 = 4 * GROUP', 'call.ts: TILE_ROWS: expected a number, got 4 * GROUP'],
    [
      'TICKET: usize = 256',
      'TICKET: usize = 128',
      'the fields of Call end at 216, after the control words begin at 128',
    ],
  ] as const)
    t.throws(() => layoutSource(changed(from, to)), new Error(message))
})

t.test('the compiler puts constants where the layout says', async (t) => {
  const { scripts } = JSON.parse(readFileSync(new URL('package.json', root), 'utf8'))
  const { CONSTANTS } = await import('../../../dist/kernels/wasm/layout.js')
  t.match(scripts['build:wasm'], new RegExp(`--memoryBase ${CONSTANTS} `))
})
