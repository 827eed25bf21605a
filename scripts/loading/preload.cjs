/**
 * Required by every Node.js of a run of tests before anything else: a module is found where Node.js has found it before,
 * at half the cost of loading the program. CommonJS, because `--import` takes as long as Node.js itself to start.
 */
const { readFileSync } = require('node:fs')
const { registerHooks } = require('node:module')
const { foundFile } = require('./found-file.cjs')

/** The preloads of tap: a record of what each process loads, for its own coverage, and mocks. Nothing here has them. */
const preloadOfTap = /\/@tapjs\/(?:processinfo|mock)\/dist\/esm\/import\.mjs$/
const nothing = { url: 'data:text/javascript,', format: 'module', shortCircuit: true }

const found = readFound()

// Tap hands its preload on to the processes that a test starts.
process.env.NODE_OPTIONS = process.env.NODE_OPTIONS.replace(/"--import=[^"]*@tapjs[^"]*"/g, '')
// Types are stripped in place, so a stack is right without a source map.
process.setSourceMapsEnabled?.(false)
if (found !== undefined) {
  registerHooks({
    resolve (specifier, context, next) {
      if (preloadOfTap.test(specifier)) return nothing
      const known = found[context.conditions.join()]?.[context.parentURL]?.[specifier]
      return known === undefined ? next(specifier, context) : { ...known, shortCircuit: true }
    }
  })
}

/** What this version of Node.js has found; undefined for another one, and for a process that may not read it. */
function readFound () {
  try {
    return JSON.parse(readFileSync(foundFile, 'utf8'))[process.version]
  } catch {
    return undefined
  }
}
