/** Names of files in an archive: each is one place below the folder that it is unpacked to, on every file system. */
import { archiveFault, type Budget } from './archive-bounds.ts'

/** The most characters of a path, and of one of its steps. */
const longestPath = 512
const longestStep = 255

/** Names of devices on Windows, with any extension. */
const devices = /^(con|conin\$|conout\$|prn|aux|nul|com[0-9\u00b9\u00b2\u00b3]|lpt[0-9\u00b9\u00b2\u00b3]) *(\.|$)/i
const unprintable = /[\p{Cc}\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufffd]/u

/**
 * The path of an entry without a leading `./` and a closing slash; empty: the folder itself.
 * @throws Failure for a name that leads elsewhere, or to different places on different systems.
 */
export function entryPath (name: string): string {
  const path = name.slice(0, longestPath + 2).replace(/^(\.\/)+/, '').replace(/\/$/, '')
  if (path === '' || path === '.') return ''
  const fault = faultOf(path)
  if (fault === null) return path
  throw archiveFault('unsafe_name', `The archive has the entry ${JSON.stringify(name.slice(0, 128))}, ${fault}.`)
}

/** Null: none. */
function faultOf (path: string): string | null {
  if (path.length > longestPath) return `which is longer than ${longestPath} characters`
  if (path.startsWith('/') || /^[A-Za-z]:/.test(path)) return 'which is an absolute path'
  if (path.includes('\\')) return 'which has a backslash'
  if (unprintable.test(path) || !path.isWellFormed()) return 'which has characters that no name may have'
  for (const step of path.split('/')) {
    if (step === '' || step === '.' || step === '..') return 'which does not lead straight to one place'
    if (step.length > longestStep) return `with a step of more than ${longestStep} characters`
    if (step.includes(':') || /[. ]$/.test(step) || devices.test(step)) return 'which Windows takes for another name'
  }
  if (/(^|\/)\.\.?(\/|$)|\\/.test(compatible(path)) || stepsOf(compatible(path)) !== stepsOf(path)) {
    return 'which some programs take for another path'
  }
  return null
}

/**
 * The entries of one archive: no place has two, on a file system that ignores case, composition and invisible
 * characters either. `budget`: counts the directories that are named by their files alone.
 */
export class EntryNames {
  readonly #budget: Budget
  readonly #files = new Set<string>()
  readonly #directories = new Set<string>()

  constructor (budget: Budget) {
    this.#budget = budget
  }

  /** @throws Failure `duplicate_name`, `too_many_files`. */
  add (path: string, isDirectory: boolean): void {
    const place = placeOf(path)
    const parents = parentsOf(place)
    for (const parent of parents) if (!this.#directories.has(parent)) this.#budget.takeEntry(true)
    const isTaken = this.#files.has(place) || (isDirectory ? false : this.#directories.has(place)) ||
      parents.some(parent => this.#files.has(parent))
    if (isTaken) {
      throw archiveFault(
        'duplicate_name', `The archive has ${JSON.stringify(path.slice(0, 128))} twice, where case does not count.`
      )
    }
    if (isDirectory) this.#directories.add(place)
    else this.#files.add(place)
    for (const parent of parents) this.#directories.add(parent)
  }
}

/** By upper case: it folds what has several small letters, and one letter to two. */
function placeOf (path: string): string {
  const visible = path.replace(/\p{Default_Ignorable_Code_Point}/gu, '')
  return compatible(compatible(visible).toLowerCase().toUpperCase().toLowerCase())
}

/** As programs may read it that know fewer characters, such as full-width ones. */
function compatible (path: string): string {
  return path.normalize('NFKC')
}

function stepsOf (path: string): number {
  return path.split('/').length
}

function parentsOf (place: string): string[] {
  const steps = place.split('/')
  return steps.slice(1).map((_, i) => steps.slice(0, i + 1).join('/'))
}
