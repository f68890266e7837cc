import { type Dirent, readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'

/** A file of an image, and the class that its folder names. */
export interface ImageFile {
  /** Path of the file. */
  readonly path: string
  /** Name of the folder of the class; undefined for an image beside the folders. */
  readonly className: string | undefined
}

/** What a folder has. */
export interface ImageFolder {
  /** The images, folder by folder, each in the order of their names by code units. */
  readonly images: readonly ImageFile[]
  /** The folders of the classes, in order; also those without images. */
  readonly classes: readonly string[]
  /** Files that are no images by their ending. */
  readonly others: readonly string[]
}

/** The endings of the names of images. */
const IMAGE = /\.(png|jpe?g)$/i

/** Folders below the folder of a class, at most. */
const DEPTH = 16

/**
 * Lists a folder with a folder of images per class. What begins with a dot is ignored. Links to files count as files; links
 * to folders are not followed, because they may lead in a circle. The order does not depend on the file system. Throws an
 * error of the system if a folder cannot be read.
 */
export function listImages(folder: string): ImageFolder {
  const images: ImageFile[] = []
  const others: string[] = []
  const entries = entriesOf(folder)
  const classes = entries.filter((entry) => entry.isDirectory()).map(({ name }) => name)
  function add(directory: string, found: readonly Dirent[], className: string | undefined, depth: number): void {
    for (const entry of found) {
      const path = join(directory, entry.name)
      if (entry.isDirectory()) {
        if (className !== undefined && depth < DEPTH) add(path, entriesOf(path), className, depth + 1)
      } else if (entry.isSymbolicLink() && isFolder(path)) {
        // A link to a folder.
      } else if (IMAGE.test(entry.name)) images.push({ path, className })
      else others.push(path)
    }
  }
  add(folder, entries, undefined, 0)
  for (const name of classes) add(join(folder, name), entriesOf(join(folder, name)), name, 1)
  return { images, classes, others }
}

/** Whether a link leads to a folder. One that leads in a circle, or where nothing may be seen, does not. */
function isFolder(link: string): boolean {
  try {
    return statSync(link).isDirectory()
  } catch {
    return false
  }
}

function entriesOf(folder: string): Dirent[] {
  return readdirSync(folder, { withFileTypes: true })
    .filter(({ name }) => !name.startsWith('.'))
    .sort((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0))
}
