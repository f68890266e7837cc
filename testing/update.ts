import { readFileSync } from 'node:fs'
import { isAlias, isCollection, isNode, parseDocument } from 'yaml'
import { replaceFile } from '../pipeline/files/files.js'
import type { TestResult } from './run-test.js'
import type { TestSuite } from './test-file.js'

/** What `updateTests` has done. */
export interface Updated {
  /** Values that were replaced. */
  readonly values: number
  /** Names of failed tests with something that cannot be replaced: a condition, an error, rows in another file. */
  readonly left: readonly string[]
}

/**
 * Writes what came out over what failed tests of a file expect. Comments and all else stay. Conditions such as
 * `{ atLeast: 0.9 }` stay, too: they are there to fail.
 *
 * @param results the results of all tests of the file, in their order
 */
export function updateTests({ file, tests }: TestSuite, results: readonly TestResult[]): Updated {
  const document = parseDocument(readFileSync(file, 'utf8'))
  const left = new Set<string>()
  let values = 0
  for (const [i, { failures, name }] of results.entries()) {
    const { test, index } = tests[i]!
    const isList = Array.isArray(test.expect)
    for (const { update } of failures) {
      if (!update) left.add(name)
      for (const [path, value] of update?.values ?? []) {
        const steps = ['tests', index, 'expect', ...(isList ? [update!.expectation] : []), ...path]
        const isShared = steps.some((_, length) => isAlias(document.getIn(steps.slice(0, length + 1), true)))
        const old = document.getIn(steps, true)
        if (isShared || old === undefined) left.add(name)
        else {
          const made = document.createNode(value)
          if (isCollection(made) && isCollection(old)) made.flow = old.flow ?? false
          if (isCollection(made)) for (const item of made.items) if (isCollection(item)) item.flow = true
          if (isNode(made) && isNode(old))
            Object.assign(made, { comment: old.comment, commentBefore: old.commentBefore })
          document.setIn(steps, made)
          values++
        }
      }
    }
  }
  if (values > 0) replaceFile(file, document.toString({ lineWidth: 0 }))
  return { values, left: [...left] }
}
