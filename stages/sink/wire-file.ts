import type { Feed } from '../../pipeline/stage-kit.js'

/**
 * What the file of a wire is called: `metrics` for metrics, else the id of the stage that feeds it; `tables` if no stage
 * does.
 */
export function wireFile(feed: Feed | undefined, ending: string): string {
  return `${feed?.type === 'metrics' ? 'metrics' : (feed?.id ?? 'tables')}.${ending}`
}
