/** Has every Node.js of a run of tests preload what makes loading cheaper. */
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'

/** Finds all modules once and writes their places to `file`; returns the environment of the processes that read it. */
export function preloading (file: string): { NODE_OPTIONS: string } {
  spawnSync(process.execPath, [join(import.meta.dirname, 'record.ts'), file], { stdio: 'inherit' })
  const preload = pathToFileURL(join(import.meta.dirname, 'preload.js'))
  preload.searchParams.set('found', file)
  return { NODE_OPTIONS: `${process.env.NODE_OPTIONS ?? ''} --import=${preload.href}` }
}
