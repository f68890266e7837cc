import type { Random } from '../../pipeline/stage-kit.js'

/** What the rows of a data set are drawn from, once for all of them. */
export interface Drawn {
  /** Writes the features of a row of a class, and returns its label, which noise may have changed. */
  draw(label: number, random: Random, to: Float32Array): number
}

/** The settings of a data set. */
export interface SyntheticShape {
  /** Number of features. */
  readonly features: number
  /** Number of classes. */
  readonly classes: number
  /** How much noise: its meaning depends on the kind. */
  readonly noise: number
}

/** The kinds of data sets, and how each is set up from a stream of random numbers. */
export const kinds = { blobs, spirals, linear, xor, moons } as const

/** The name of a kind. */
export type Kind = keyof typeof kinds

/** A normal cloud per class. The centres are standard normal, `noise` is the deviation in each feature. */
function blobs({ features, classes, noise }: SyntheticShape, random: Random): Drawn {
  const centres = Float64Array.from({ length: classes * features }, () => random.normal())
  return {
    draw: (label, random, to) => {
      for (let j = 0; j < features; j++) to[j] = centres[label * features + j]! + noise * random.normal()
      return label
    },
  }
}

/** An arm of a spiral per class in the first two features, two turns long. Further features are noise alone. */
function spirals({ features, classes, noise }: SyntheticShape): Drawn {
  return {
    draw: (label, random, to) => {
      const radius = random.uniform()
      const angle = 2 * Math.PI * (radius + label / classes)
      place(to, [radius * Math.cos(angle), radius * Math.sin(angle)], features, noise, random)
      return label
    },
  }
}

/**
 * Standard normal rows with the label of the largest of `classes` linear scores, whose weights are standard normal: a model
 * that a linear classifier can find. `noise` is the share of rows whose label is drawn anew.
 */
function linear({ features, classes, noise }: SyntheticShape, random: Random): Drawn {
  const weights = Float64Array.from({ length: classes * features }, () => random.normal())
  return {
    draw: (_, random, to) => {
      for (let j = 0; j < features; j++) to[j] = random.normal()
      let [best, label] = [Number.NEGATIVE_INFINITY, 0]
      for (let c = 0; c < classes; c++) {
        let score = 0
        for (let j = 0; j < features; j++) score += weights[c * features + j]! * to[j]!
        if (score > best) [best, label] = [score, c]
      }
      return random.uniform() < noise ? random.below(classes) : label
    },
  }
}

/** Two classes by the signs of the first two features: equal or not. No linear classifier separates them. */
function xor({ features, noise }: SyntheticShape): Drawn {
  return {
    draw: (label, random, to) => {
      const [x, y] = [random.uniform(), random.uniform()]
      const sign = random.below(2) === 0 ? 1 : -1
      place(to, [sign * x, (label === 0 ? sign : -sign) * y], features, noise, random)
      return label
    },
  }
}

/** Two half circles that reach into each other. */
function moons({ features, noise }: SyntheticShape): Drawn {
  return {
    draw: (label, random, to) => {
      const angle = Math.PI * random.uniform()
      const point = label === 0 ? [Math.cos(angle), Math.sin(angle)] : [1 - Math.cos(angle), 0.5 - Math.sin(angle)]
      place(to, point, features, noise, random)
      return label
    },
  }
}

function place(to: Float32Array, point: readonly number[], features: number, noise: number, random: Random): void {
  for (let j = 0; j < features; j++) to[j] = (point[j] ?? 0) + noise * random.normal()
}
