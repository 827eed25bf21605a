/**
 * Preloaded by every Node.js of a run of tests: a module is found where Node.js has found it before, at half the cost
 * of loading the program. Not TypeScript, because older versions of Node.js load it too.
 */
import { readFileSync } from 'node:fs'
import module from 'node:module'

/** The preloads of tap: a record of what each process loads, for its own coverage, and mocks. Nothing here has them. */
const preloadOfTap = /\/@tapjs\/(?:processinfo|mock)\/dist\/esm\/import\.mjs$/
const nothing = { url: 'data:text/javascript,', format: 'module', shortCircuit: true }

const found = readFound()

// Types are stripped in place, so a stack is right without a source map.
process.setSourceMapsEnabled?.(false)
module.registerHooks?.({
  resolve (specifier, context, next) {
    if (preloadOfTap.test(specifier)) return nothing
    const known = found[context.conditions.join()]?.[context.parentURL]?.[specifier]
    return known === undefined ? next(specifier, context) : { ...known, shortCircuit: true }
  }
})

/** What record.ts has written; nothing for a process that may not read it. */
function readFound () {
  try {
    return JSON.parse(readFileSync(new URL(import.meta.url).searchParams.get('found'), 'utf8'))
  } catch {
    return {}
  }
}
