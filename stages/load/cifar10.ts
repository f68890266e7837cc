import { z } from 'zod'
import { defineStage, inputPath, wire } from '../../pipeline/stage-kit.js'
import { type CifarSet, help } from './cifar-files.js'
import { cifarFacts, cifarFilesGiven, cifarSources, cifarTables, splitOptions } from './cifar-splits.js'

const set: CifarSet = {
  name: 'CIFAR-10',
  classes: ['airplane', 'automobile', 'bird', 'cat', 'deer', 'dog', 'frog', 'horse', 'ship', 'truck'],
  labelBytes: 1,
  labelAt: 0,
  field: 'labels',
}

/**
 * Loads CIFAR-10 (A. Krizhevsky, 2009) in any of its three official versions, which the content of each file tells: binary
 * (records of one label byte and 3,072 pixel bytes, red, green and blue planes of 32×32, row by row), Python (a pickle, which
 * is read as data and never executed) and MATLAB. A binary file may hold any whole number of records, and may be gzipped.
 *
 * Pixels stay uint8. Emits one table per split.
 */
export const cifar10 = defineStage({
  name: 'load/cifar10',
  summary: 'Loads CIFAR-10 from its binary, Python or MATLAB files.',
  options: z.strictObject({
    directory: inputPath(help).describe(
      'Folder of CIFAR-10: the binary version (`cifar-10-batches-bin`), or that for Python or MATLAB.',
    ),
    ...splitOptions(['data_batch_1.bin'], []),
  }),
  inputs: {},
  outputs: { examples: wire.examples },
  // The content is checked.
  onResume: { directory: 'whole' },
  example:
    '- use: load/cifar10\n' +
    '  with: { directory: data/cifar-10-batches-bin, train: [data_batch_1.bin], test: [test_batch.bin] }',
  holds:
    'every split, as uint8: 3 kB per image; in a divided run the shards of this rank; a Python or MATLAB file once more while it is read',
  parallel: 'every',
  answers: ['pieces'],
  sources: cifarSources,
  optionsFor: (paths) => cifarFilesGiven(paths, 'test_batch.bin'),
  facts: ({ options, problem }) => ({ examples: cifarFacts(options, set.classes, problem) }),
  run: (options, context) => context.flow.pull(cifarTables(options, set, context)),
})
