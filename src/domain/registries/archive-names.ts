/** Names of files in an archive: each is one place below the folder that it is unpacked to, on every file system. */
import { archiveFault } from './archive-bounds.ts'

/** The most characters of a path, and of one of its steps. */
const longestPath = 512
const longestStep = 255

/** Names of devices on Windows, with any extension. */
const devices = /^(con|prn|aux|nul|com[0-9]|lpt[0-9])(\.|$)/i
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
  return null
}

/** The entries of one archive: no place has two, on a file system that ignores case and composition either. */
export class EntryNames {
  readonly #files = new Set<string>()
  readonly #directories = new Set<string>()

  /** @throws Failure `duplicate_name`. */
  add (path: string, isDirectory: boolean): void {
    const place = placeOf(path)
    const parents = parentsOf(place)
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

function placeOf (path: string): string {
  return path.normalize('NFKC').toLowerCase().normalize('NFC')
}

function parentsOf (place: string): string[] {
  const steps = place.split('/')
  return steps.slice(1).map((_, i) => steps.slice(0, i + 1).join('/'))
}
