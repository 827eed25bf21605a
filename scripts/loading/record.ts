/** Loads the program and what tests share, and writes down where Node.js found each module. */
import { globSync } from 'node:fs'
import { mkdir, rename, writeFile } from 'node:fs/promises'
import { createRequire, registerHooks } from 'node:module'
import { dirname, join } from 'node:path'

const root = join(import.meta.dirname, '..', '..')
const { foundFile } = createRequire(import.meta.url)('./found-file.cjs') as { foundFile: string }

interface Place { url: string, format?: string }
/** By the conditions of the search, the module that asks, and what it asks for. */
const found: Record<string, Record<string, Record<string, Place>>> = {}

registerHooks({
  resolve (specifier, context, next) {
    const { url, format } = next(specifier, context)
    const from = context.parentURL
    if (from?.startsWith('file:') && url.startsWith('file:')) {
      ((found[context.conditions.join()] ??= {})[from] ??= {})[specifier] = { url, ...format != null && { format } }
    }
    return { url, format, shortCircuit: true }
  }
})

// src/cli/main.ts runs the command line when it is loaded.
const sources = globSync('src/**/*.ts', { cwd: root, exclude: ['src/cli/main.ts'] })
const shared = ['test/support/test-server.ts', 'test/support/browser.ts']
for (const each of [...sources, ...shared]) await import(join(root, each))
await mkdir(dirname(foundFile), { recursive: true })
// Another run may read it at this moment.
await writeFile(`${foundFile}.${process.pid}`, JSON.stringify({ [process.version]: found }))
await rename(`${foundFile}.${process.pid}`, foundFile)
// Loading may have opened handles; without an end the run of tests would wait for them.
process.exit(0)
