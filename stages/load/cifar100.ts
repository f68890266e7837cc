import { z } from 'zod'
import { defineStage, inputPath, wire } from '../../pipeline/stage-kit.js'
import { type CifarSet, help } from './cifar-files.js'
import { cifarFacts, cifarFilesGiven, cifarSources, cifarTables, splitOptions } from './cifar-splits.js'

const fine =
  'apple aquarium_fish baby bear beaver bed bee beetle bicycle bottle bowl boy bridge bus butterfly camel can castle ' +
  'caterpillar cattle chair chimpanzee clock cloud cockroach couch crab crocodile cup dinosaur dolphin elephant flatfish ' +
  'forest fox girl hamster house kangaroo keyboard lamp lawn_mower leopard lion lizard lobster man maple_tree motorcycle ' +
  'mountain mouse mushroom oak_tree orange orchid otter palm_tree pear pickup_truck pine_tree plain plate poppy porcupine ' +
  'possum rabbit raccoon ray road rocket rose sea seal shark shrew skunk skyscraper snail snake spider squirrel streetcar ' +
  'sunflower sweet_pepper table tank telephone television tiger tractor train trout tulip turtle wardrobe whale willow_tree ' +
  'wolf woman worm'
const coarse =
  'aquatic_mammals fish flowers food_containers fruit_and_vegetables household_electrical_devices household_furniture ' +
  'insects large_carnivores large_man-made_outdoor_things large_natural_outdoor_scenes large_omnivores_and_herbivores ' +
  'medium_mammals non-insect_invertebrates people reptiles small_mammals trees vehicles_1 vehicles_2'

/** The data set with its 100 fine or its 20 coarse labels. A record of the binary version has the coarse one first. */
const sets: Readonly<Record<'fine' | 'coarse', CifarSet>> = {
  fine: { name: 'CIFAR-100', classes: fine.split(' '), labelBytes: 2, labelAt: 1, field: 'fine_labels' },
  coarse: { name: 'CIFAR-100', classes: coarse.split(' '), labelBytes: 2, labelAt: 0, field: 'coarse_labels' },
}

/**
 * Loads CIFAR-100 (A. Krizhevsky, 2009) in any of its three official versions, which the content of each file tells: binary
 * (records of a coarse label, a fine label and 3,072 pixel bytes), Python (a pickle, which is read as data and never executed)
 * and MATLAB.
 *
 * Pixels stay uint8. Emits one table per split.
 */
export const cifar100 = defineStage({
  name: 'load/cifar100',
  summary: 'Loads CIFAR-100 from its binary, Python or MATLAB files.',
  options: z.strictObject({
    directory: inputPath(help).describe(
      'Folder of CIFAR-100: the binary version (`cifar-100-binary`), or that for Python or MATLAB.',
    ),
    labels: z.enum(['fine', 'coarse']).default('fine').describe('The 100 classes, or the 20 groups of them.'),
    ...splitOptions(['train.bin'], ['test.bin']),
  }),
  inputs: {},
  outputs: { examples: wire.examples },
  // The content is checked.
  onResume: { directory: 'whole' },
  example: '- use: load/cifar100\n  with: { directory: data/cifar-100-binary, labels: coarse, holdOut: 5000 }',
  holds:
    'every split, as uint8: 3 kB per image; in a divided run the shards of this rank; a Python or MATLAB file once more while it is read',
  parallel: 'every',
  answers: ['pieces'],
  sources: cifarSources,
  optionsFor: (paths) => cifarFilesGiven(paths, 'test.bin'),
  facts: ({ options, problem }) => ({ examples: cifarFacts(options, sets[options.labels].classes, problem) }),
  run: (options, context) => context.flow.pull(cifarTables(options, sets[options.labels], context)),
})
