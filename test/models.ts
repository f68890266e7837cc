import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Test } from 'tap'
import { arrowFile, type Model, parametersTables } from '../dist/pipeline/stage-kit.js'
import { temporary } from './stages/harness.js'

/** A model of three features and two classes, with these parts. */
export function modelWith(parts: Partial<Model> = {}): Model {
  return {
    learner: 'softmax',
    options: {},
    shape: [3],
    type: 'float32',
    classes: ['no', 'yes'],
    lambda: 0,
    eta: 0.1,
    arrays: [
      { name: 'W', shape: [2, 3], values: Float32Array.of(1, 0, -1, 0.5, 2, 1) },
      { name: 'b', shape: [2], values: Float32Array.of(0.25, -0.5) },
    ],
    ...parts,
  }
}

/** Writes a model as a run does. Returns the path of its file, which goes when the test ends. */
export function storedModel(t: Test, parts: Partial<Model> = {}, position = { epoch: 2, step: 6 }): string {
  const path = join(temporary(t), 'parameters.arrow')
  const table = parametersTables(modelWith(parts))({ ...position, epochs: 4, steps: 3 }, 0.1)
  writeFileSync(path, arrowFile(table))
  return path
}
