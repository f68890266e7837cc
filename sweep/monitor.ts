/** What says which setting is best where nobody named a metric: the first of these that there is. */
const preferred = [
  'validation_accuracy',
  'validation_loss',
  'test_accuracy',
  'test_loss',
  'train_accuracy',
  'train_loss',
]

/** The metric to compare settings by, of those that there are: the first preferred one, else the last accuracy or loss. */
export function defaultMonitor(metrics: readonly string[]): string | undefined {
  return (
    preferred.find((name) => metrics.includes(name)) ?? metrics.findLast((name) => /_(accuracy|loss|cost)$/.test(name))
  )
}
