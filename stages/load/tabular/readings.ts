import { PipelineError, type StageContext } from '../../../pipeline/stage-kit.js'

/**
 * The contexts in which files are read twice. The second reading adds no notes and no sources; it throws a PipelineError `DATA` if
 * a file has changed since the first one.
 */
export function readings(context: StageContext): { readonly first: StageContext; readonly second: StageContext } {
  const checksums: string[] = []
  return {
    first: {
      ...context,
      source: (source) => {
        checksums.push(source.sha256)
        context.source(source)
      },
    },
    second: {
      ...context,
      note: () => {},
      source: ({ path, sha256 }) => {
        if (sha256 !== checksums.shift()) throw new PipelineError('DATA', `${path} changed while it was read`)
      },
    },
  }
}
