import { readdirSync } from 'node:fs'
import t, { type Test } from 'tap'
import { Pipeline, PipelineError } from '../../../dist/index.js'
import { show } from '../../../dist/pipeline/base/words.js'
import { inside } from '../../stages/harness.js'

/** The exact messages for wrong definitions: the position, what was expected, what was found, the fix. */

type Files = Record<string, string>
interface Case {
  readonly title: string
  /** The definition, or the files of its folder; `wrong.yaml` is loaded. */
  readonly files: string | Files
  readonly problems: readonly string[]
  readonly set?: readonly string[]
  readonly environment?: Record<string, string>
  readonly code?: string
}

/** A valid pipeline with parts replaced. */
function trainer(parts: Partial<Record<'top' | 'load' | 'fit' | 'batch' | 'model' | 'evaluate' | 'end', string>> = {}) {
  return `${parts.top ?? ''}stages:
  - use: load/digits
    with: ${parts.load ?? '{}'}
  - id: examples
    use: normalize/standardize
    with: ${parts.fit ?? '{}'}
  - use: batch/rows
    with: ${parts.batch ?? '{ size: 10, epochs: 1 }'}
  - id: model
    use: gradient-step/softmax
    with: ${parts.model ?? '{ eta: 0.1 }'}
  - id: metrics
    use: evaluate/classification
    from: ${parts.evaluate ?? '{ parameters: model, examples: examples }'}
${parts.end ?? ''}`
}
const digits = 'stages:\n  - use: load/digits\n'
const startToModel = `${digits}  - use: batch/rows
    with: { size: 10, epochs: 1 }
  - id: model
    use: gradient-step/softmax
    with: { eta: 0.1 }
`

const families: Record<string, readonly Case[]> = {
  'a stage': [
    {
      title: 'that does not exist: the nearest name',
      files: 'stages:\n  - use: load/digitz\n',
      problems: ['wrong.yaml:2:10  stages[0]: no stage named "load/digitz"; did you mean "load/digits"?'],
    },
    {
      title: 'named without its family',
      files: 'stages:\n  - use: digits\n',
      problems: ['wrong.yaml:2:10  stages[0]: no stage named "digits"; did you mean "load/digits"?'],
    },
    {
      title: 'with no similar name: where to look',
      files: 'stages:\n  - use: teleport/everything\n',
      problems: [
        'wrong.yaml:2:10  stages[0]: no stage named "teleport/everything"; "millrace stages" lists the built-in ones, "./file.js" uses your own',
      ],
    },
    {
      title: 'file that is not there',
      files: 'stages:\n  - use: ./nope.js\n',
      problems: ['wrong.yaml:2:10  stages[0]: no stage file nope.js'],
    },
    {
      title: 'file named without "./"',
      files: { 'wrong.yaml': 'stages:\n  - use: mine\n', 'mine.js': '' },
      problems: ['wrong.yaml:2:10  stages[0]: no stage named "mine"; did you mean "./mine.js"?'],
    },
    {
      title: 'without "use"',
      files: 'stages:\n  - id: x\n',
      problems: ['wrong.yaml:2:5  stages[0].use is required: expected a non-empty string'],
    },
    {
      title: 'given by its name alone',
      files: 'stages:\n  - load/digits\n',
      problems: ['wrong.yaml:2:5  stages[0]: expected a mapping with use, id, with and from, got "load/digits"'],
    },
    {
      title: 'whose "use" refers to a list',
      files: 'vars: { s: [a] }\nstages:\n  - use: ${s}\n',
      problems: ['wrong.yaml:1:12  use: expected the name of a stage, got ["a"]'],
    },
    {
      title: 'with an unknown key',
      files: 'stages:\n  - use: load/digits\n    wiht: {}\n',
      problems: ['wrong.yaml:3:5  stages[0]: unknown key "wiht"; did you mean "with"?'],
    },
    {
      title: 'with a list under "with"',
      files: 'stages:\n  - use: load/digits\n    with: [a]\n',
      problems: ['wrong.yaml:3:11  stages[0].with: expected a mapping of names to values, got ["a"]'],
    },
    {
      title: 'with text under "with": nothing about missing options',
      files: `${digits}  - use: batch/rows\n    with: many\n`,
      problems: ['wrong.yaml:4:11  stages[1].with: expected a mapping of names to values, got "many"'],
    },
  ],

  'an option': [
    {
      title: 'that does not exist: the nearest name, and the required option that is missing',
      files: trainer({ batch: '{ sise: 10, epochs: 1 }' }),
      problems: [
        'wrong.yaml:8:11  stages[2] batch/rows: size is required: expected a positive integer',
        'wrong.yaml:8:13  stages[2] batch/rows: unknown option "sise"; did you mean "size"?',
      ],
    },
    {
      title: 'with no similar name: a list of all',
      files: trainer({ batch: '{ size: 10, epochs: 1, teleport: true }' }),
      problems: [
        'wrong.yaml:8:34  stages[2] batch/rows: unknown option "teleport"; options: split, size, epochs, dropLast',
      ],
    },
    {
      title: 'of the wrong type',
      files: trainer({ batch: '{ size: ten, epochs: 1, dropLast: no }' }),
      problems: [
        'wrong.yaml:8:19  stages[2] batch/rows: size: expected a positive integer, got "ten"',
        'wrong.yaml:8:45  stages[2] batch/rows: dropLast: expected true or false, got "no"',
      ],
    },
    {
      title: 'out of its range',
      files: trainer({ batch: '{ size: 0, epochs: 1.5 }', model: '{ eta: 0.1, lambda: -1 }' }),
      problems: [
        'wrong.yaml:8:19  stages[2] batch/rows: size: expected a positive integer, got 0',
        'wrong.yaml:8:30  stages[2] batch/rows: epochs: expected a positive integer, got 1.5',
        'wrong.yaml:11:31  stages[3] gradient-step/softmax: lambda: expected a non-negative number, got -1',
      ],
    },
    {
      title: 'that is required, in "with" that has others',
      files: trainer({ batch: '{ size: 10 }' }),
      problems: ['wrong.yaml:8:11  stages[2] batch/rows: epochs is required: expected a positive integer'],
    },
    {
      title: 'that is required, without any "with"',
      files: `${digits}  - use: batch/rows\n`,
      problems: [
        'wrong.yaml:3:10  stages[1] batch/rows: size is required: expected a positive integer',
        'wrong.yaml:3:10  stages[1] batch/rows: epochs is required: expected a positive integer',
      ],
    },
    {
      title: 'with several forms, of neither form',
      files: trainer({ model: '{ eta: fast, init: ones }' }),
      problems: [
        'wrong.yaml:11:18  stages[3] gradient-step/softmax: eta: expected a positive number, a mapping with start, factor and every or a mapping with exponential, linear, cosine, cyclical or plateau, got "fast"',
        'wrong.yaml:11:30  stages[3] gradient-step/softmax: init: expected "zeros", "normal", "xavier", "he" or a mapping with normal or from, got "ones"',
      ],
    },
    {
      title: 'with several forms, if the form meant is clear: its mistakes',
      files: trainer({ model: '{ eta: { start: 1, factor: 2, evry: 3 }, init: { normal: 0 } }' }),
      problems: [
        'wrong.yaml:11:18  stages[3] gradient-step/softmax: eta.every is required: expected a positive integer',
        'wrong.yaml:11:41  stages[3] gradient-step/softmax: eta: unknown option "evry"; did you mean "every"?',
        'wrong.yaml:11:68  stages[3] gradient-step/softmax: init.normal: expected a positive number, got 0',
      ],
    },
    {
      title: 'that the stage checks itself',
      files: trainer({ load: '{ fractions: { train: 0.5, test: 0.7 } }' }),
      problems: [
        'wrong.yaml:3:24  stages[0] load/digits: fractions: expected one fraction or more, at most 1 in all, got {"train":0.5,"test":0.7}',
      ],
    },
    {
      title: 'that depends on another',
      files: 'stages:\n  - use: load/csv\n    with: { header: false }\n',
      problems: ['wrong.yaml:3:11  stages[0] load/csv: expected one of "path" and "files"'],
    },
    {
      title: 'that names an output file outside the run directory',
      files: trainer({
        end: '  - use: sink/csv\n    with: { path: /tmp/m.csv }\n  - use: sink/jsonl\n    with: { path: a/../../m.jsonl }\n',
      }),
      problems: [
        'wrong.yaml:16:19  stages[5] sink/csv: path: expected a path inside the run directory: relative, without "..", got "/tmp/m.csv"; --allow-absolute-paths permits it',
        'wrong.yaml:18:19  stages[6] sink/jsonl: path: expected a path inside the run directory: relative, without "..", got "a/../../m.jsonl"',
      ],
    },
    {
      title: 'that holds an escaped reference is shown as it reads',
      files: trainer({ end: '  - use: sink/csv\n    with: { path: "$${x}/../m.csv" }\n' }),
      problems: [
        'wrong.yaml:16:19  stages[5] sink/csv: path: expected a path inside the run directory: relative, without "..", got "${x}/../m.csv"',
      ],
    },
  ],

  'a reference': [
    {
      title: 'to an unknown var: the nearest name, and nothing about the option',
      files: trainer({ top: 'vars: { eta: 1 }\n', model: '{ eta: "${etta}" }' }),
      problems: ['wrong.yaml:12:18  "${etta}" names neither a var nor an environment variable; did you mean "eta"?'],
    },
    {
      title: 'to an environment variable that is not set',
      files: trainer({ load: '{ fractions: { train: "${SHARE}" } }' }),
      problems: [
        'wrong.yaml:3:33  "${SHARE}" names neither a var nor an environment variable; declare it under vars or give a default: ${SHARE:-value}',
      ],
    },
    {
      title: 'to an environment variable with a wrong value: its name',
      files: trainer({ batch: '{ size: "${SIZE}", epochs: 1 }' }),
      environment: { SIZE: 'big' },
      problems: ['wrong.yaml:8:19 ($SIZE)  stages[2] batch/rows: size: expected a positive integer, got "big"'],
    },
    {
      title: 'whose default is wrong',
      files: trainer({ batch: '{ size: "${SIZE:-0}", epochs: 1 }' }),
      problems: ['wrong.yaml:8:19  stages[2] batch/rows: size: expected a positive integer, got 0'],
    },
    {
      title: 'to a var with a wrong value: the position of the var',
      files: trainer({ top: 'vars:\n  size: many\n', batch: '{ size: "${size}", epochs: 1 }' }),
      problems: ['wrong.yaml:2:9  stages[2] batch/rows: size: expected a positive integer, got "many"'],
    },
    {
      title: 'that is malformed',
      files: trainer({ model: '{ eta: "${9x}" }' }),
      problems: [
        'wrong.yaml:11:18  malformed reference in "${9x}"; expected ${name} or ${NAME:-default} ($${ for a literal)',
      ],
    },
    {
      title: 'to a list, inside a text',
      files: trainer({ top: 'vars: { parts: [1] }\n', end: '  - use: sink/csv\n    with: { path: "a${parts}" }\n' }),
      problems: ['wrong.yaml:17:19  "${parts}" is a list and cannot stand inside a longer text'],
    },
    {
      title: 'to vars that refer to each other in a circle: once',
      files: trainer({
        top: 'vars:\n  a: ${b}\n  b: 1${c}\n  c: ${a}\n',
        model: '{ eta: "${a}", lambda: "${b}" }',
      }),
      problems: ['wrong.yaml:4:6  vars refer to each other in a circle: a → b → c → a'],
    },
    {
      title: 'to a var that refers to itself, unused',
      files: `vars: { a: "x\${a}" }\n${digits}`,
      problems: ['wrong.yaml:1:12  vars refer to each other in a circle: a → a'],
    },
    {
      title: 'in "use" to an unknown var: nothing about the stages that follow',
      files: trainer().replace('normalize/standardize', 'normalize/${how}'),
      problems: [
        'wrong.yaml:5:10  "${how}" names neither a var nor an environment variable; declare it under vars or give a default: ${how:-value}',
      ],
    },
  ],

  'a wire': [
    {
      title: 'between unlike ports: both ends',
      files: `${digits}  - use: sink/csv\n`,
      problems: [
        'wrong.yaml:3:5  stages[1] sink/csv: the input "metrics" takes a "metrics" or a "predictions" wire, got an "examples" wire from the output "examples" of stages[0] load/digits at wrong.yaml:2:5',
      ],
    },
    {
      title: 'between unlike ports, by "from"',
      files: `${digits}  - use: gradient-step/softmax\n    from: digits\n    with: { eta: 1 }\n`,
      problems: [
        'wrong.yaml:4:11  stages[1] gradient-step/softmax: the input "batches" takes a "batch" wire, got an "examples" wire from the output "examples" of stages[0] load/digits at wrong.yaml:2:5',
      ],
    },
    {
      title: 'from a stage that is not there',
      files: trainer({ evaluate: '{ parameters: modell, examples: examples }' }),
      problems: [
        'wrong.yaml:14:25  stages[4] evaluate/classification: from.parameters: no stage with id "modell"; did you mean "model"?',
      ],
    },
    {
      title: 'from an output that is not there',
      files: trainer({ evaluate: '{ parameters: model.weights, examples: examples }' }),
      problems: [
        'wrong.yaml:14:25  stages[4] evaluate/classification: from.parameters: "model" has no output named "weights"; outputs: parameters',
      ],
    },
    {
      title: 'to an input that is not there',
      files: trainer({ evaluate: '{ weights: model, examples: examples }' }),
      problems: [
        'wrong.yaml:14:13  stages[4] evaluate/classification: from: no input named "weights"; inputs: parameters, examples',
      ],
    },
    {
      title: 'from a sink',
      files: trainer({ end: '  - use: sink/csv\n  - use: sink/terminal\n    from: csv\n' }),
      problems: [
        'wrong.yaml:17:11  stages[6] sink/terminal: from: "csv" (stages[5] sink/csv) is a sink and has no output',
      ],
    },
    {
      title: 'to a stage without inputs',
      files: `${digits}    from: digits\n`,
      problems: ['wrong.yaml:3:11  stages[0] load/digits: from: this stage has no inputs'],
    },
    {
      title: 'to a stage with two inputs, without "from"',
      files: `${startToModel}  - use: evaluate/classification\n`,
      problems: [
        'wrong.yaml:8:5  stages[3] evaluate/classification: the inputs parameters and examples of this stage must be named: from: { parameters: …, examples: … }',
      ],
    },
    {
      title: 'to a stage with two inputs, of which only one is named',
      files: `${startToModel}  - use: evaluate/classification\n    from: { parameters: model }\n`,
      problems: [
        'wrong.yaml:8:5  stages[3] evaluate/classification: the input examples of this stage must be named: from: { parameters: …, examples: … }',
      ],
    },
    {
      title: 'to a stage with two inputs, as if it had one',
      files: `${startToModel}  - use: evaluate/classification\n    from: model\n`,
      problems: [
        'wrong.yaml:9:11  stages[3] evaluate/classification: from: expected a mapping of the inputs parameters, examples, got "model"',
      ],
    },
    {
      title: 'that is not the name of a stage',
      files: `${digits}  - use: normalize/scale\n    from: [digits]\n    with: { divideBy: 2 }\n`,
      problems: ['wrong.yaml:4:11  stages[1] normalize/scale: from: expected the id of a stage, got ["digits"]'],
    },
    {
      title: 'to the first stage, which needs one',
      files: 'stages:\n  - use: normalize/standardize\n',
      problems: [
        'wrong.yaml:2:5  stages[0] normalize/standardize: needs an "examples" wire, but no stage above has an output',
      ],
    },
    {
      title: 'in a circle',
      files: `${digits}  - id: a
    use: normalize/standardize
    from: b
  - id: b
    use: normalize/min-max
    from: a
`,
      problems: ['wrong.yaml:3:5  stages[1] normalize/standardize: the wires form a circle: a ← b ← a'],
    },
  ],

  'an id': [
    {
      title: 'given twice',
      files: `${digits}  - id: digits\n    use: normalize/standardize\n`,
      problems: [
        'wrong.yaml:3:9  stages[1] normalize/standardize: duplicate id "digits", also the id of stages[0] load/digits at wrong.yaml:2:5; give one of them another "id"',
      ],
    },
    {
      title: 'given to none of three stages of one name: two have the same default',
      files: `${digits}  - use: batch/rows\n    with: { size: 1, epochs: 1 }\n${'  - use: shuffle/none\n'.repeat(3)}`,
      problems: [
        'wrong.yaml:7:5  stages[4] shuffle/none: duplicate id "shuffle-none", also the id of stages[3] shuffle/none at wrong.yaml:6:5; give one of them another "id"',
      ],
    },
    {
      title: 'that is not a name',
      files: 'stages:\n  - use: load/digits\n    id: my data\n',
      problems: [
        'wrong.yaml:3:9  stages[0] load/digits: id: expected a letter, then letters, digits, "_" and "-", got "my data"',
      ],
    },
    {
      title: 'that is a number',
      files: 'stages:\n  - use: load/digits\n    id: 7\n',
      problems: [
        'wrong.yaml:3:9  stages[0] load/digits: id: expected a letter, then letters, digits, "_" and "-", got "7"',
      ],
    },
  ],

  'what is known about the data': [
    {
      title: 'a split to train on that no load provides',
      files: trainer({ batch: '{ split: training, size: 10, epochs: 1 }' }),
      problems: [
        'wrong.yaml:8:20  stages[2] batch/rows: split: no split named "training" reaches this stage; it has train, validation and test',
      ],
    },
    {
      title: 'a split to evaluate that no load provides: the one of the list',
      files: trainer({
        evaluate: '{ parameters: model, examples: examples }\n    with: { splits: [train, dev] }',
      }),
      problems: [
        'wrong.yaml:15:29  stages[4] evaluate/classification: splits[1]: no split named "dev" reaches this stage; it has train, validation and test',
      ],
    },
    {
      title: 'a split to fit on that no load provides',
      files: trainer({ fit: '{ fit: all }' }),
      problems: [
        'wrong.yaml:6:18  stages[1] normalize/standardize: fit: no split named "all" reaches this stage; it has train, validation and test',
      ],
    },
    {
      title: 'a split that is only the default: the position of the stage',
      files: trainer({ load: '{ fractions: { a: 0.5, b: 0.5 } }' }),
      problems: [
        'wrong.yaml:4:5  stages[1] normalize/standardize: fit: no split named "train" reaches this stage; it has a and b',
        'wrong.yaml:7:5  stages[2] batch/rows: split: no split named "train" reaches this stage; it has a and b',
      ],
    },
    {
      title: 'parameters that do not fit the examples of another load',
      files: `stages:
  - id: a
    use: load/csv
    with: { path: a.csv, shape: [2, 2], classes: [x, y] }
  - id: b
    use: load/csv
    with: { path: b.csv, shape: [5], classes: [x, y, z] }
  - use: batch/rows
    from: a
    with: { size: 1, epochs: 1 }
  - use: gradient-step/softmax
    with: { eta: 1 }
  - use: evaluate/classification
    from: { parameters: softmax, examples: b }
`,
      problems: [
        'wrong.yaml:13:5  stages[4] evaluate/classification: the parameters are for 4 features, the examples have 5',
        'wrong.yaml:13:5  stages[4] evaluate/classification: the parameters are for 2 classes, the examples have 3',
      ],
    },
  ],

  YAML: [
    {
      title: 'with bad indentation',
      files: 'stages:\n  - use: load/digits\n   - use: sink/csv\n',
      problems: ['wrong.yaml:3:4  malformed YAML: all sequence items must start at the same column'],
    },
    {
      title: 'with a key that does not line up',
      files: 'stages:\n  - use: load/digits\n      id: x\n',
      problems: [
        'wrong.yaml:2:10  malformed YAML: a mapping cannot begin here; check the indentation, or put a text with ": " in quotes',
      ],
    },
    {
      title: 'with an unclosed bracket: each line once',
      files: 'stages:\n  - use: load/digits\n    with: { a: [1, 2 }\nname: x\n',
      problems: ['wrong.yaml:3:22  malformed YAML: expected "]" here, to close a list'],
    },
    {
      title: 'with an unclosed quote: where the string begins',
      files: 'name: "x\nstages:\n  - use: load/digits\n',
      problems: ['wrong.yaml:1:7  malformed YAML: the string that begins here has no closing "'],
    },
    {
      title: 'with a key twice',
      files: 'name: a\nstages:\n  - use: load/digits\nname: b\n',
      problems: ['wrong.yaml:4:1  malformed YAML: duplicate key "name"'],
    },
    {
      title: 'with tabs',
      files: 'stages:\n\t- use: load/digits\n',
      problems: ['wrong.yaml:2:1  malformed YAML: a tab cannot indent, expected spaces'],
    },
    {
      title: 'with a bare reference in braces',
      files: trainer({ model: '{ eta: ${eta} }' }),
      problems: ['wrong.yaml:11:18  malformed YAML: a reference inside { } or [ ] needs quotes: "${name}"'],
    },
    {
      title: 'without a space after a colon',
      files: 'name:x\nseed: 1\n',
      problems: ['wrong.yaml:1:1  malformed YAML: expected "key: value", with a space after the colon'],
    },
    {
      title: 'of two documents',
      files: `${digits}---\n${digits}`,
      problems: ['wrong.yaml:3:1  malformed YAML: expected one document, got another after "---"'],
    },
    {
      title: 'with an alias of nothing',
      files: 'stages:\n  - use: *data\n',
      problems: ['wrong.yaml:2:10  malformed YAML: no anchor "&data" stands above the alias "*data"'],
    },
    {
      title: 'with an unknown tag',
      files: 'seed: !random 3\nstages:\n  - use: load/digits\n',
      problems: ['wrong.yaml:1:7  malformed YAML: unresolved tag: !random'],
    },
    {
      title: 'with a list as a key',
      files: `? [a, b]\n: 3\n${digits}`,
      problems: ['wrong.yaml:1:3  expected a plain key, got a list or mapping'],
    },
    {
      title: 'with keys that JavaScript objects have',
      files: `__proto__: { a: 1 }\n${digits}    with: { constructor: 1 }\n`,
      problems: [
        'wrong.yaml:1:1  "__proto__" cannot be used as a key',
        'wrong.yaml:4:13  "constructor" cannot be used as a key',
      ],
    },
    {
      title: 'that is empty',
      files: '',
      problems: ['wrong.yaml:1:1  the file is empty, expected a pipeline definition (a mapping with "stages")'],
    },
    {
      title: 'that has only a comment',
      files: '# to do\n',
      problems: ['wrong.yaml:1:1  the file is empty, expected a pipeline definition (a mapping with "stages")'],
    },
    {
      title: 'with a list at the top',
      files: '- use: load/digits\n',
      problems: ['wrong.yaml:1:1  expected a pipeline definition (a mapping with "stages"), got a list'],
    },
    {
      title: 'that is not YAML but text',
      files: 'hello\n',
      problems: ['wrong.yaml:1:1  expected a pipeline definition (a mapping with "stages"), got "hello"'],
    },
  ],

  'the top level': [
    {
      title: 'with an unknown key',
      files: `nmae: x\n${digits}`,
      problems: ['wrong.yaml:1:1  unknown key "nmae"; did you mean "name"?'],
    },
    {
      title: 'with a key like no other',
      files: `toString: x\n${digits}`,
      problems: [
        'wrong.yaml:1:1  unknown key "toString"; keys: name, description, extends, seed, splitSeed, checkpoint, memory, parallel, published, sweep, tests, vars, stages, patch',
      ],
    },
    {
      title: 'without stages',
      files: 'name: x\n',
      problems: ['wrong.yaml:1:1  stages is required: expected a list of stages'],
    },
    {
      title: 'with no stages in the list',
      files: 'stages: []\n',
      problems: ['wrong.yaml:1:9  stages: expected at least one stage, got an empty list'],
    },
    {
      title: 'with nothing under "stages"',
      files: 'stages:\n',
      problems: ['wrong.yaml:1:8  stages: expected a list of mappings with use, id, with and from, got null'],
    },
    {
      title: 'with stages that are not a list',
      files: 'stages:\n  use: load/digits\n',
      problems: [
        'wrong.yaml:2:3  stages: expected a list of mappings with use, id, with and from, got {"use":"load/digits"}',
      ],
    },
    {
      title: 'with vars that are not a mapping: nothing about what refers to them',
      files: trainer({ top: 'vars: [eta]\n', model: '{ eta: "${eta}" }' }),
      problems: ['wrong.yaml:1:7  vars: expected a mapping of names to values, got ["eta"]'],
    },
    ...(
      [
        ['negative', '-1', '-1'],
        ['no number', 'lucky', '"lucky"'],
        ['no whole number', '1.5', '1.5'],
        [
          'too large to be exact',
          '9007199254740993',
          '9007199254740993; whole numbers are exact up to 9007199254740991 (2^53 - 1)',
        ],
        ['left out', '', 'null'],
        ['a list', '[1]', '[1]'],
      ] as const
    ).map(([what, written, shown]) => ({
      title: `with a seed that is ${what}`,
      files: `seed: ${written}\n${digits}`,
      problems: [`wrong.yaml:1:7  seed: expected a non-negative integer, got ${shown}`],
    })),
    ...['', ' ', ' a', 'a\nb', '\u001b[31m', 'a\u202eb', 'x'.repeat(101)].map((name) => ({
      title: `with the name ${JSON.stringify(name)}`,
      files: `name: ${JSON.stringify(name)}\n${digits}`,
      problems: [
        `wrong.yaml:1:7  name: expected 1 to 100 characters in one line, without blanks around them and without control characters, got ${show(name)}`,
      ],
    })),
    {
      title: 'with stages whose name or id is no text',
      files: 'stages:\n  - { use: {}, id: [x] }\n',
      problems: [
        'wrong.yaml:2:12  stages[0].use: expected a non-empty string, got {}',
        'wrong.yaml:2:20  stages[0] {}: id: expected a letter, then letters, digits, "_" and "-", got "[\\"x\\"]"',
      ],
    },
    {
      title: 'with a name that is a number',
      files: `name: 3\n${digits}`,
      problems: ['wrong.yaml:1:7  name: expected a string, got 3'],
    },
  ],

  '"extends"': [
    {
      title: 'of a file that is not there',
      files: 'extends: nope.yaml\n',
      problems: ['wrong.yaml:1:10  extends: no file nope.yaml'],
    },
    {
      title: 'by a name that is neither a file nor built in',
      files: { 'wrong.yaml': 'extends: digitz\n' },
      problems: ['wrong.yaml:1:10  extends: no file and no built-in pipeline named "digitz"; did you mean "digits"?'],
    },
    {
      title: 'of a directory',
      files: { 'wrong.yaml': 'extends: ./sub\n', 'sub/a.yaml': digits },
      problems: ['wrong.yaml:1:10  extends: cannot read the definition sub: it is a directory, expected a file'],
    },
    {
      title: 'of nothing',
      files: 'extends: ""\n',
      problems: ['wrong.yaml:1:10  extends: expected a non-empty string, got ""'],
    },
    {
      title: 'of itself',
      files: 'extends: wrong.yaml\n',
      problems: ['wrong.yaml:1:10  files extend each other in a circle: wrong.yaml → wrong.yaml'],
    },
    {
      title: 'in a circle of two',
      files: { 'wrong.yaml': 'extends: other.yaml\n', 'other.yaml': 'extends: wrong.yaml\n' },
      problems: ['other.yaml:1:10  files extend each other in a circle: wrong.yaml → other.yaml → wrong.yaml'],
    },
    {
      title: 'of a file with mistakes: the mistakes of both files',
      files: {
        'wrong.yaml': 'extends: base.yaml\nseed: -1\n',
        'base.yaml': 'nmae: x\nstages:\n  - use: load/digitz\n',
      },
      problems: [
        'base.yaml:1:1  unknown key "nmae"; did you mean "name"?',
        'base.yaml:3:10  stages[0]: no stage named "load/digitz"; did you mean "load/digits"?',
        'wrong.yaml:2:7  seed: expected a non-negative integer, got -1',
      ],
    },
    {
      title: 'of a file that is malformed: the mistakes of both files',
      files: { 'wrong.yaml': 'extends: base.yaml\nnmae: x\n', 'base.yaml': 'stages: [\n' },
      problems: [
        'base.yaml:2:1  malformed YAML: expected "]" here, to close a list',
        'wrong.yaml:2:1  unknown key "nmae"; did you mean "name"?',
      ],
    },
  ],

  'a patch': [
    ...(
      [
        [
          'of a stage that is not there',
          '  - set: modle\n    with: { eta: 1 }\n',
          'wrong.yaml:3:10  patch: no stage with id "modle"; did you mean "model"?',
        ],
        [
          'with an unknown verb',
          '  - delete: model\n',
          'wrong.yaml:3:5  patch[0]: expected one of set, replace, insertAfter and remove, got "delete"',
        ],
        [
          'with two verbs',
          '  - set: model\n    remove: model\n',
          'wrong.yaml:3:5  patch[0]: expected one of set, replace, insertAfter and remove, got "set" and "remove"',
        ],
        [
          'that sets nothing',
          '  - set: model\n',
          'wrong.yaml:3:5  patch[0]: with is required: expected a mapping of names to values',
        ],
        [
          'that replaces by nothing',
          '  - replace: model\n',
          'wrong.yaml:3:5  patch[0]: use is required: expected a non-empty string',
        ],
        [
          'with an unknown key',
          '  - remove: model\n    when: never\n',
          'base.yaml:14:25  stages[3] evaluate/classification: from.parameters: no stage with id "model"; ids: digits, examples, rows, metrics\nwrong.yaml:4:5  patch[0]: unknown key "when"; keys: remove',
        ],
        [
          'with an unknown option',
          '  - set: model\n    with: { etta: 1 }\n',
          'wrong.yaml:4:19  stages[3] gradient-step/softmax: unknown option "etta"; did you mean "eta"?',
        ],
        [
          'that is not a list',
          '  set: model\n',
          'wrong.yaml:3:3  patch: expected a list of mappings of names to values, got {"set":"model"}',
        ],
      ] as const
    ).map(([title, patch, problems]) => ({
      title,
      files: { 'wrong.yaml': `extends: base.yaml\npatch:\n${patch}`, 'base.yaml': trainer() },
      problems: problems.split('\n'),
    })),
    {
      title: 'that leaves no stage',
      files: `${digits}patch:\n  - remove: digits\n`,
      problems: ['wrong.yaml:2:3  stages: expected at least one stage, got an empty list'],
    },
  ],

  '--set': [
    ...(
      [
        ['etta=1', 'no var named "etta"; did you mean "eta"?'],
        ['__proto__=1', 'no var named "__proto__"; vars: eta'],
        ['model=3', 'no var named "model"; "model" is a stage: model.option=value sets one of its options'],
        ['modle.eta=1', 'no stage with id "modle"; did you mean "model"?'],
        ['model.etta=1', 'stages[3] gradient-step/softmax: unknown option "etta"; did you mean "eta"?'],
        ['model.__proto__=1', 'stages[3] gradient-step/softmax: "__proto__" cannot be used as a key'],
        [
          'eta=abc',
          'stages[3] gradient-step/softmax: eta: expected a positive number, a mapping with start, factor and every or a mapping with exponential, linear, cosine, cyclical or plateau, got "abc"',
        ],
        [
          'eta=',
          'stages[3] gradient-step/softmax: eta: expected a positive number, a mapping with start, factor and every or a mapping with exponential, linear, cosine, cyclical or plateau, got null',
        ],
        ['rows.size=0', 'stages[2] batch/rows: size: expected a positive integer, got 0'],
        ['model.init.normal=0', 'stages[3] gradient-step/softmax: init.normal: expected a positive number, got 0'],
        ['model.use=shuffle/rowz', 'stages[3]: no stage named "shuffle/rowz"; did you mean "shuffle/rows"?'],
        ['model.use=3', 'expected the name of a stage'],
        ['seed=x', 'seed: expected a non-negative integer, got "x"'],
        [
          'seed=18014398509481985',
          'seed: expected a non-negative integer, got 18014398509481985; whole numbers are exact up to 9007199254740991 (2^53 - 1)',
        ],
        [
          'rows.size=9007199254740993',
          'stages[2] batch/rows: size: expected a positive integer, got 9007199254740993; whole numbers are exact up to 9007199254740991 (2^53 - 1)',
        ],
        ['rows.size=*.csv', 'stages[2] batch/rows: size: expected a positive integer, got "*.csv"'],
        ['rows.size=&a [1]', 'stages[2] batch/rows: size: expected a positive integer, got "&a [1]"'],
        [
          'eta=${x}',
          '"${x}" names neither a var nor an environment variable; declare it under vars or give a default: ${x:-value}',
        ],
      ] as const
    ).map(([set, problem]) => ({
      title: set,
      files: trainer({ top: 'vars: { eta: 0.1 }\n', model: '{ eta: "${eta}" }' }),
      set: [set],
      problems: [`--set ${set}  ${problem}`],
    })),
    {
      title: 'of bad syntax: all of them',
      files: trainer(),
      set: ['eta', '=1', 'eta=[1', 'eta="1'],
      code: 'ARGUMENTS',
      problems: [
        '--set eta  expected name=value or stage.option=value',
        '--set =1  expected name=value or stage.option=value',
        '--set eta=[1  the value is malformed YAML: flow sequence must end with a ]; if it is meant as a text, put it in quotes: "[1"',
        '--set eta="1  the value is malformed YAML: missing closing "quote; if it is meant as a text, put it in quotes: "\\"1"',
      ],
    },
    {
      title: 'after the problems of the file',
      files: trainer({ batch: '{ size: 0, epochs: 1 }' }),
      set: ['model.eta=-1', 'nope=1'],
      problems: [
        'wrong.yaml:8:19  stages[2] batch/rows: size: expected a positive integer, got 0',
        '--set nope=1  no var named "nope"',
        '--set model.eta=-1  stages[3] gradient-step/softmax: eta: expected a positive number, a mapping with start, factor and every or a mapping with exponential, linear, cosine, cyclical or plateau, got -1',
      ],
    },
  ],

  'many mistakes': [
    {
      title: 'are all reported at once, in the order of the file',
      files: `seed: -1
nmae: x
vars:
  n: \${NOPE}
stages:
  - use: load/digitz
  - id: 1st
    use: normalize/standardize
    with: { fti: train }
  - use: batch/rows
    with: { size: 0, epochs: "\${n}" }
  - use: gradient-step/softmax
    from: rowz
    with: { eta: "\${etha}", lamda: 1 }
  - use: evaluate/classification
  - use: sink/csv
    with: [metrics.csv]
  - to: nowhere
`,
      problems: [
        'wrong.yaml:1:7  seed: expected a non-negative integer, got -1',
        'wrong.yaml:2:1  unknown key "nmae"; did you mean "name"?',
        'wrong.yaml:4:6  "${NOPE}" names neither a var nor an environment variable; declare it under vars or give a default: ${NOPE:-value}',
        'wrong.yaml:6:10  stages[0]: no stage named "load/digitz"; did you mean "load/digits"?',
        'wrong.yaml:7:9  stages[1] normalize/standardize: id: expected a letter, then letters, digits, "_" and "-", got "1st"',
        'wrong.yaml:9:13  stages[1] normalize/standardize: unknown option "fti"; did you mean "fit"?',
        'wrong.yaml:11:19  stages[2] batch/rows: size: expected a positive integer, got 0',
        'wrong.yaml:13:11  stages[3] gradient-step/softmax: from: no stage with id "rowz"; did you mean "rows"?',
        'wrong.yaml:14:18  "${etha}" names neither a var nor an environment variable; declare it under vars or give a default: ${etha:-value}',
        'wrong.yaml:14:29  stages[3] gradient-step/softmax: unknown option "lamda"; did you mean "lambda"?',
        'wrong.yaml:15:5  stages[4] evaluate/classification: the inputs parameters and examples of this stage must be named: from: { parameters: …, examples: … }',
        'wrong.yaml:17:11  stages[5].with: expected a mapping of names to values, got ["metrics.csv"]',
        'wrong.yaml:18:5  stages[6].use is required: expected a non-empty string',
        'wrong.yaml:18:5  stages[6]: unknown key "to"; keys: use, id, with, from',
      ],
    },
  ],
}

/** Loads `file` in a folder with these files. Returns the error, and checks that no file was made. */
async function failure(t: Test, files: Files, file: string, options = {}): Promise<PipelineError> {
  inside(t, t.testdir(asTree(files)))
  const before = readdirSync('.', { recursive: true })
  const error = await Pipeline.load(file, { environment: {}, ...options }).then(
    () => undefined,
    (error: unknown) => error,
  )
  t.strictSame(readdirSync('.', { recursive: true }), before, 'no file is made')
  if (error instanceof PipelineError) return error
  throw error ?? new Error('the definition was accepted')
}

/** `{ 'a/b': text }` as the nested object that `testdir` takes. */
function asTree(files: Files): Record<string, string | Files> {
  const tree: Record<string, string | Files> = {}
  for (const [path, text] of Object.entries(files)) {
    const [folder, name] = path.split('/') as [string, string | undefined]
    if (name === undefined) tree[folder] = text
    else tree[folder] = { ...(tree[folder] as Files | undefined), [name]: text }
  }
  return tree
}

for (const [family, cases] of Object.entries(families))
  t.test(`${family}:`, async (t) => {
    for (const { title, files, problems, set, environment, code = 'DEFINITION' } of cases)
      await t.test(title, async (t) => {
        const error = await failure(t, typeof files === 'string' ? { 'wrong.yaml': files } : files, 'wrong.yaml', {
          ...(set && { set }),
          ...(environment && { environment }),
        })
        t.strictSame(error.message.split('\n'), problems)
        t.equal(error.code, code)
        t.equal(error.problems.length, problems.length)
      })
  })

t.test('a file that is not there', async (t) => {
  for (const [name, message] of [
    ['nope.yaml', 'cannot read the definition nope.yaml: no such file or directory'],
    ['sub', 'cannot read the definition sub: it is a directory, expected a file'],
    ['digitz', 'no file and no built-in pipeline named "digitz"; did you mean "digits"?'],
  ] as const) {
    const error = await failure(t, { 'sub/a.txt': '' }, name)
    t.equal(error.message, message)
    t.equal(error.code, 'DEFINITION')
  }
})

t.test('a file that is far too large is not read', async (t) => {
  const error = await failure(t, { 'wrong.yaml': '#'.repeat(2 ** 20 + 1) }, 'wrong.yaml')
  t.equal(error.message, 'cannot read the definition wrong.yaml: it is too large: expected at most 1 MiB')
})

t.test('a file that would fill memory or the stack is refused within a second', async (t) => {
  const tens = (name: string): string => Array(10).fill(name).join(', ')
  const bomb = Array.from({ length: 9 }, (_, i) => `x-${i + 1}: &a${i + 1} [${tens(`*a${i}`)}]\n`).join('')
  const limit = 'expected at most 100000 values nested at most 64 deep (aliases count where they are used)'
  for (const [title, text, problem] of [
    ['aliases of aliases', `x-0: &a0 [${tens('x')}]\n${bomb}${digits}`, `wrong.yaml:1:38  ${limit}`],
    ['an alias inside itself', 'stages: &s\n  - *s\n', `wrong.yaml:2:3  ${limit}`],
    ['deep nesting', `stages: ${'['.repeat(100)}${']'.repeat(100)}`, `wrong.yaml:1:73  ${limit}`],
    [
      'very deep nesting',
      `stages: ${'['.repeat(9000)}${']'.repeat(9000)}`,
      /^wrong\.yaml:1:\d+ {2}malformed YAML: nested too deep$/,
    ],
  ] as const)
    await t.test(title, async (t) => {
      const start = performance.now()
      const error = await failure(t, { 'wrong.yaml': text }, 'wrong.yaml')
      t.ok(performance.now() - start < 1000)
      t.match(error.message, problem)
    })
})

t.test('thousands of mistakes take seconds, the first hundred are told and the others counted', async (t) => {
  const many = (n: number, of: (i: number) => string): string => Array.from({ length: n }, (_, i) => of(i)).join('')
  const pipeline = 'stages:\n  - use: load/digits\n'
  for (const [title, text, first, more] of [
    ['stages', `stages:\n${many(40_000, (i) => `  - use: n${i}\n`)}`, 'stages: expected at most 1000, got 40000', 0],
    [
      'changes',
      `${pipeline}patch:\n${many(20_000, (i) => `  - remove: a${i}\n`)}`,
      'patch: expected at most 1000, got 20000',
      0,
    ],
    [
      'stages that do not exist',
      `stages:\n${many(1000, (i) => `  - { use: sink/csv, id: a${i}, from: b${i} }\n`)}`,
      'stages[0] sink/csv: from: no stage with id "b0"; did you mean "a0"?',
      1899,
    ],
    ['keys', `${many(20_000, (i) => `k${i}: 1\n`)}${pipeline}`, /^unknown key "k0"; keys: name, /, 19_900],
    [
      'options',
      `${pipeline}    with: { ${many(20_000, (i) => `a${i}: 1, `)} }\n`,
      /unknown option "a0"; options: fractions, seed, stratify, assign, model$/,
      19_900,
    ],
    [
      'references',
      `vars: { ${many(10_000, (i) => `v${i}: "\${w${i}}", `)} }\n${pipeline}`,
      /^"\$\{w0\}" names neither .* did you mean "v0"\?$/,
      9_900,
    ],
  ] as const)
    await t.test(title, async (t) => {
      const start = process.cpuUsage()
      const { problems } = await failure(t, { 'wrong.yaml': text }, 'wrong.yaml')
      t.ok(process.cpuUsage(start).user < 5e6, 'five seconds of the processor')
      t.match(problems[0]!.message, first)
      t.equal(problems.at(-1)!.more ?? 0, more)
      t.match(problems.at(-1)!.message, more > 0 ? `and ${more} more problems` : first)
      t.ok(problems.length <= 101)
    })
})
