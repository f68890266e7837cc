/** The only form of a label that counts as a number. Codes such as `01`, and `1e3`, `+1` and `1.5`, are texts. */
const NUMBER = /^-?(0|[1-9][0-9]*)(\.0+)?$/

/**
 * Returns the text by which a label is compared: without the blanks around it, and a whole number without a fraction of
 * zeros. So `1.0` is `1`, and `-0` is `0`, but `01` stays `01`. No digit is lost, because the number stays a text.
 */
export function labelText(label: string): string {
  const text = label.trim()
  if (!NUMBER.test(text)) return text
  const dot = text.indexOf('.')
  const whole = dot < 0 ? text : text.slice(0, dot)
  return whole === '-0' ? '0' : whole
}

/**
 * Returns the distinct labels in the order of the classes: by value if all are whole numbers, else by the code units of
 * their text, which no locale changes. The labels are those of all splits together, as `labelText` returns them.
 */
export function inClassOrder(labels: Iterable<string>): string[] {
  const distinct = [...new Set(labels)]
  return distinct.every((label) => NUMBER.test(label)) ? distinct.sort(byValue) : distinct.sort()
}

/** Compares whole numbers of any length exactly. */
function byValue(a: string, b: string): number {
  const [negativeA, negativeB] = [a.startsWith('-'), b.startsWith('-')]
  if (negativeA !== negativeB) return negativeA ? -1 : 1
  const sizes = a.length - b.length || (a < b ? -1 : a > b ? 1 : 0)
  return negativeA ? -sizes : sizes
}

/** A way to merge labels: those that differ only by case, or only by full stops at their end. */
export type LabelMerge = 'case' | 'stops'

/** Returns the label that stands for all labels that are merged with this one. It does not depend on other labels. */
export function mergedLabel(label: string, merge: readonly LabelMerge[]): string {
  let text = label
  if (merge.includes('stops')) text = withoutStops(text)
  if (merge.includes('case')) text = text.toLowerCase()
  return labelText(text)
}

/** A label that consists of full stops alone stays as it is. */
function withoutStops(text: string): string {
  let end = text.length
  while (end > 0 && (text[end - 1] === '.' || text[end - 1]!.trim() === '')) end--
  return end === 0 ? text : text.slice(0, end)
}

/** The groups of labels that differ only by case or by full stops at their end, each in the order given. */
export function alikeLabels(labels: Iterable<string>): string[][] {
  const groups = new Map<string, string[]>()
  for (const label of labels) {
    const key = mergedLabel(label, ['case', 'stops'])
    const group = groups.get(key)
    if (group) group.push(label)
    else groups.set(key, [label])
  }
  return [...groups.values()].filter((group) => group.length > 1)
}
