import t from 'tap'
import { classWeights, classWeightsProblem, weightsOfClasses } from '../../dist/learners/index.js'

const classes = ['cat', 'dog', 'constructor']

t.test('balanced, lists and mappings', (t) => {
  t.strictSame(weightsOfClasses('balanced', { classes, counts: [1, 2, 3] }), [2, 1, 2 / 3])
  t.strictSame(weightsOfClasses('balanced', { classes, counts: [4, 0, 2] }), [0.5, 0, 1])
  t.strictSame(weightsOfClasses([1, 0, 2], { classes }), [1, 0, 2])
  t.strictSame(weightsOfClasses({ dog: 5 }, { classes }), [1, 5, 1])
  t.end()
})

t.test('weights that do not fit', (t) => {
  const wrong = (given: Parameters<typeof weightsOfClasses>[0]) =>
    t.throws(() => weightsOfClasses(given, { classes }), { code: 'DATA', message: /^classWeights/ })
  for (const given of [[1, 2], { cats: 1 }, { cat: 0, dog: 0, constructor: 0 }, 'balanced'] as const)
    wrong(given as never)
  t.strictSame(classWeightsProblem({ dgo: 1 }, classes), {
    path: '.dgo',
    message: 'there is no class of that name; did you mean "dog"?',
  })
  t.strictSame(classWeightsProblem({ whale: 1 }, classes), {
    path: '.whale',
    message: 'there is no class of that name; classes: cat, dog, constructor',
  })
  t.equal(classWeightsProblem({ cat: 0, dog: 0 }, classes), undefined)
  for (const given of [[0, 0], [1], [1, -1], { cat: -1 }, 'balance', 2])
    t.equal(classWeights.safeParse(given).success, false, JSON.stringify(given))
  t.end()
})
