import { listed, PipelineError, type StageContext, someOf } from '../../pipeline/stage-kit.js'
import { type NpyFile, openNpy } from './npy-file.js'
import { BINARY_PIECE, plainSize, readPieces } from './source-file.js'
import { memberPieces, type ZipMember, zipMembers } from './zip-file.js'

/** Where the features and the labels of some rows are. */
export interface NumpySource {
  /** A `.npz` file with both, or a `.npy` file of the features. */
  readonly path: string
  /** A `.npy` file of the labels. */
  readonly labels?: string | undefined
  /** The names of the arrays in a `.npz` file. */
  readonly arrays?: { readonly features?: string | undefined; readonly labels?: string | undefined } | undefined
}

/** The arrays of some rows. */
export interface NumpyPair {
  /** The features: an entry of the first axis is a row. */
  readonly features: () => Promise<NpyFile>
  /** Their labels, undefined if there are none. */
  readonly labels: (() => Promise<NpyFile>) | undefined
}

const help = 'give a .npz file, or a .npy file of the features and one of the labels'

/** Whether a path is an archive of arrays. */
export function isArchive(path: string): boolean {
  return path.endsWith('.npz')
}

/** Opens arrays; each archive is listed and its checksum recorded only once, although several splits may be in it. */
export class NumpyReader {
  private readonly context: StageContext
  private readonly archives = new Map<string, ZipMember[]>()
  /** The arrays of each archive that were opened. */
  private readonly used = new Map<string, Set<string>>()

  constructor(context: StageContext) {
    this.context = context
  }

  /**
   * Finds the arrays of a split. Throws a PipelineError `DATA` if a file is missing or damaged, or if an archive has no
   * arrays of these names.
   */
  async pairOf(split: string, { path, labels, arrays }: NumpySource): Promise<NumpyPair> {
    if (isArchive(path)) return this.pairInArchive(split, path, arrays ?? {}, labels)
    return { features: () => this.open(path), labels: labels === undefined ? undefined : () => this.open(labels) }
  }

  /** Adds a note about arrays of archives that no split uses. */
  noteUnused(): void {
    for (const [path, members] of this.archives) {
      const unused = members.map(arrayName).filter((name) => !this.used.get(path)?.has(name))
      if (unused.length > 0)
        this.context.note(`${path}: not used: the ${unused.length === 1 ? 'array' : 'arrays'} ${listed(unused, 'and')}`)
    }
  }

  private async open(path: string): Promise<NpyFile> {
    const size = await plainSize(path, help)
    return openNpy(path, readPieces(path, this.context, BINARY_PIECE, true), size, this.context)
  }

  private async pairInArchive(
    split: string,
    path: string,
    given: NonNullable<NumpySource['arrays']>,
    labels: string | undefined,
  ): Promise<NumpyPair> {
    const members = await this.list(path)
    const names = members.map(arrayName)
    const features = given.features ?? guess('features', split, names) ?? (names.length === 1 ? names[0] : undefined)
    if (features === undefined)
      throw new PipelineError(
        'DATA',
        `${path}: expected an array x, features, data or images, found ${someOf(names) || 'no arrays'}; ` +
          'say which are meant: `arrays: { features: …, labels: … }`',
      )
    const label = given.labels ?? (labels === undefined ? guess('labels', split, names) : undefined)
    const openMember = (name: string) => {
      const member = members[names.indexOf(name)]
      if (!member)
        throw new PipelineError('DATA', `${path}: has no array "${name}"; it has ${someOf(names) || 'no arrays'}`)
      this.used.get(path)!.add(name)
      const place = `${path}: array ${name}`
      return openNpy(place, memberPieces(path, member, this.context), member.size, this.context)
    }
    return {
      features: () => openMember(features),
      labels:
        label !== undefined ? () => openMember(label) : labels !== undefined ? () => this.open(labels) : undefined,
    }
  }

  private async list(path: string): Promise<ZipMember[]> {
    let members = this.archives.get(path)
    if (!members) {
      await plainSize(path, help)
      members = await zipMembers(path)
      // The checksum of the file, which is read in any order afterwards.
      for await (const _ of readPieces(path, this.context, BINARY_PIECE, true));
      this.archives.set(path, members)
      this.used.set(path, new Set())
    }
    return members
  }
}

function arrayName({ name }: ZipMember): string {
  return name.replace(/\.npy$/, '')
}

const usual = {
  features: ['x', 'X', 'features', 'data', 'images', 'arr_0'],
  labels: ['y', 'Y', 'labels', 'label', 'targets', 'target', 'classes', 'arr_1'],
}

/** The array that an archive probably has for the features or labels of a split: `x_train` before `x`. */
function guess(what: 'features' | 'labels', split: string, names: readonly string[]): string | undefined {
  const plain = usual[what]
  const ofSplit = split === '' ? [] : plain.flatMap((name) => [`${name}_${split}`, `${split}_${name}`])
  return [...ofSplit, ...plain].find((name) => names.includes(name))
}
