import fc from 'fast-check'
import { Pipeline } from '../../dist/index.js'
import { data, prototypeKeys, text } from './mutations.js'
import { outcomeOf } from './outcome.js'

const names = fc.oneof(
  fc.constantFrom(
    'eta',
    'epochs',
    'seed',
    'model.eta',
    'model.use',
    'csv.path',
    'batch',
    'rows.size',
    'examples.fit',
    'x',
    'model.',
    '.x',
    'a.b.c.d',
  ),
  fc.constantFrom(
    ...prototypeKeys,
    ...prototypeKeys.map((key) => `model.${key}`),
    ...prototypeKeys.map((key) => `model.eta.${key}.x`),
  ),
  text,
)
const values = fc.oneof(
  text,
  data.map((value) => JSON.stringify(value) ?? ''),
  fc.constantFrom('[', '{', '&a [*a]', '!!x', '"', '- a', '*a', '{a: 1, a: 2}', '\t'),
)

const assignment = fc.oneof(
  { weight: 8, arbitrary: fc.tuple(names, values).map((parts) => parts.join('=')) },
  { weight: 1, arbitrary: text },
)

/** The reader of `--set`. */
export const settings = [
  {
    name: '--set',
    weight: 12,
    inputs: fc.array(assignment, { minLength: 1, maxLength: 3 }),
    check: (set) =>
      outcomeOf(() => Pipeline.load('digits', { set }), ['DEFINITION', 'ARGUMENTS'], /--set|digits\.yaml|--allow/),
  },
]
