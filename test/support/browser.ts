/**
 * A real Chromium for tests: the one of @sparticuz/chromium, unpacked once into a folder of node_modules, so that every
 * machine judges by the same one; where the package has none, one of this machine. LATCHKEY_CHROMIUM names another.
 */
import { existsSync, mkdirSync, mkdtempSync, renameSync, writeFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { chromium, type Browser } from 'playwright-core'
import { missing, type ForeignProgram } from './foreign-programs.ts'
import { programPath } from './program-path.ts'

const root = join(import.meta.dirname, '..', '..')
const packed = join(root, 'node_modules', '@sparticuz', 'chromium', 'bin')
const unpacked = join(root, 'node_modules', '.cache', 'chromium')

const { LATCHKEY_CHROMIUM: named } = process.env
const isPackaged = named === undefined && process.platform === 'linux' && process.arch === 'x64' && existsSync(packed)
const installed = named ??
  ['chromium', 'chromium-browser', 'google-chrome'].map(programPath).find(path => path !== null)

/** It is itself the options of a tap test, as of a `foreignProgram`. */
export const browser: ForeignProgram = isPackaged
  ? { path: join(unpacked, 'chromium'), skip: false }
  : installed !== undefined && existsSync(installed)
    ? { path: installed, skip: false }
    : missing('Chromium', 'apt-get install chromium, or LATCHKEY_CHROMIUM=<its path>')

/** Starts it, with more arguments. Root has no sandbox in containers; their shared memory is small. */
export async function startBrowser (more: readonly string[] = []): Promise<Browser> {
  if (isPackaged) await unpack()
  return await chromium.launch({
    executablePath: browser.path,
    args: ['--no-sandbox', '--disable-dev-shm-usage', '--disable-gpu', ...more],
    // The package has the libraries and the font that a machine without a desktop lacks.
    ...(isPackaged && {
      env: {
        ...process.env,
        LD_LIBRARY_PATH: join(unpacked, 'al2023', 'lib'),
        FONTCONFIG_FILE: join(unpacked, 'fonts.conf')
      }
    }),
  })
}

/** All of it or nothing: a run that ends half-way leaves no half of a browser. */
async function unpack (): Promise<void> {
  if (existsSync(unpacked)) return
  mkdirSync(join(unpacked, '..'), { recursive: true })
  const folder = mkdtempSync(`${unpacked}-`)
  // The package unpacks into the temporary folder, whose name it asks for each time.
  const { TMPDIR: before } = process.env
  process.env.TMPDIR = folder
  const { inflate } = await import('@sparticuz/chromium')
  const files = ['chromium.br', 'fonts.tar.br', 'al2023.tar.br'].map(name => inflate(join(packed, name)))
  if (before === undefined) delete process.env.TMPDIR
  else process.env.TMPDIR = before
  const paths = await Promise.all(files)
  if (basename(paths[0]!) !== 'chromium') throw new Error(`Chromium was unpacked into ${paths[0]}`)
  // Its own names folders of another machine.
  writeFileSync(join(folder, 'fonts.conf'), `<?xml version="1.0"?><!DOCTYPE fontconfig SYSTEM "fonts.dtd">
<fontconfig><dir>${unpacked}/fonts</dir><cachedir>${unpacked}/fonts-cache</cachedir></fontconfig>`)
  try {
    renameSync(folder, unpacked)
  } catch (error) {
    // Another process was faster.
    if (!existsSync(unpacked)) throw error
  }
}
