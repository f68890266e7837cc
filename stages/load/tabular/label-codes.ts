import { getHeapStatistics } from 'node:v8'
import {
  alikeLabels,
  inClassOrder,
  type LabelMerge,
  labelText,
  listed,
  mergedLabel,
  PipelineError,
  type StageContext,
  someOf,
} from '../../../pipeline/stage-kit.js'
import { ownText } from './own-text.js'

/** Bytes that a distinct label takes beside its characters: in maps, in lists, and in the metadata of tables. */
const PER_LABEL = 300

/** Gives the labels of all files numbers while they are read, and turns these into classes when all have been seen. */
export class LabelCodes {
  private given: readonly string[] | undefined
  private readonly merge: readonly LabelMerge[]
  /** The code of each spelling that occurs. */
  private readonly codes = new Map<string, number>()
  /** The code of each label, by the text that it is compared by. */
  private readonly byText = new Map<string, number>()
  private bytes = 0
  /** Half of the heap that is left: maps are copied when they grow. */
  private readonly mostBytes = heapLeft() / 2

  /**
   * @param given the names of the classes; undefined: the classes are the labels that occur
   * @param merge which labels are one class although they differ
   */
  constructor(given: readonly string[] | undefined, merge: readonly LabelMerge[]) {
    this.given = given
    this.merge = merge
    for (const [i, name] of (given ?? []).entries()) this.byText.set(this.textOf(name), i)
  }

  /** Takes the labels that a file declares, in their order, as the classes, unless classes are known already. */
  declare(labels: readonly string[]): void {
    if (this.given || this.byText.size > 0) return
    this.given = [...new Set(labels.map((label) => this.textOf(label)))]
    for (const [i, name] of this.given.entries()) this.byText.set(name, i)
  }

  /** Returns the code of a label. Throws a PipelineError `DATA` if it is empty or not among the given classes. */
  codeOf(label: string, place: () => string): number {
    return this.codes.get(label) ?? this.addSpelling(label, place)
  }

  /** Whether a text is one of the given classes. */
  isClass(label: string): boolean {
    return this.given !== undefined && this.byText.has(this.textOf(label))
  }

  private addSpelling(label: string, place: () => string): number {
    if (label === '') throw new PipelineError('DATA', `${place()}: expected a label, got an empty cell`)
    const text = this.textOf(label)
    let code = this.byText.get(text)
    if (code === undefined) {
      if (this.given)
        throw new PipelineError(
          'DATA',
          `${place()}: expected a label among ${someOf(this.given)}, got "${label.slice(0, 40)}"`,
        )
      code = this.byText.size
      this.byText.set(ownText(text), code)
    }
    this.bytes += PER_LABEL + 6 * label.length
    if (this.bytes > this.mostBytes)
      throw new PipelineError(
        'DATA',
        `${place()}: ${this.byText.size} different labels do not fit into the memory of Node; is it the right column? ` +
          'NODE_OPTIONS=--max-old-space-size=8192 gives it 8 GiB',
      )
    this.codes.set(ownText(label), code)
    return code
  }

  /**
   * Returns the classes in their order, and the class of each code. Adds a note about classes that differ only by case
   * or by full stops at their end.
   */
  classes(context: StageContext): { readonly classes: readonly string[]; readonly classOf: Int32Array } {
    const texts = [...this.byText.keys()]
    const classes = this.given ?? inClassOrder(texts)
    const index = new Map(classes.map((name, i) => [this.given ? this.textOf(name) : name, i]))
    const alike = alikeLabels(classes)
    if (alike.length > 0) context.note(alikeRemark(alike))
    return { classes, classOf: Int32Array.from(texts, (text) => index.get(text)!) }
  }

  /** The text that a label is compared by. */
  private textOf(label: string): string {
    return mergedLabel(labelText(label), this.merge)
  }
}

/** What the limit of the heap has for objects that are new: three half spaces, of 64 MiB each from V8 13 (Node 24), else 16. */
const NEW_SPACE = 3 * (Number.parseInt(process.versions.v8, 10) >= 13 ? 64 << 20 : 16 << 20)

/** Bytes that the heap of V8 may still grow by for objects that stay, with what it can free not counted. */
function heapLeft(): number {
  const { heap_size_limit: limit, used_heap_size: used } = getHeapStatistics()
  return limit - NEW_SPACE - used
}

/** What to tell of classes that differ only by case or by full stops at their end. */
function alikeRemark(groups: readonly (readonly string[])[]): string {
  const ways: LabelMerge[][] = [['case'], ['stops'], ['case', 'stops']]
  const joins = (way: LabelMerge[]): boolean =>
    groups.every((group) => new Set(group.map((name) => mergedLabel(name, way))).size === 1)
  const list = someOf(
    groups.map((group) =>
      listed(
        group.map((name) => `"${name}"`),
        'and',
      ),
    ),
  )
  return `labels that differ only by case or by full stops at their end: ${list}; merge: [${ways.find(joins)!.join(', ')}] makes them one class`
}
