#!/usr/bin/env node
// Plain JavaScript that any Node can read, so that an old one is told so instead of failing on syntax.
import { existsSync, mkdirSync } from 'node:fs'
import * as modules from 'node:module'
import { join } from 'node:path'
import { getHeapSpaceStatistics, setFlagsFromString } from 'node:v8'

const sources = new URL('../src/', import.meta.url)
const isClone = existsSync(sources)
const load = file =>
  import(isClone ? new URL(`${file}.ts`, sources).href : new URL(`../dist/${file}.js`, import.meta.url).href)

const problem = isClone ? problemInClone() : await problemInPackage()
if (problem === null) {
  // A start makes more garbage than a server ever has at once; room for it would be kept.
  setFlagsFromString('--semi-space-growth-factor=1')
  // Prisma's query compiler is all the WebAssembly there is, and seldom runs: optimizing it would cost 30 MB.
  setFlagsFromString('--liftoff-only')
  const { isPrivate } = await load('base/file-ownership')
  keepCompiled(process.env.LATCHKEY_DATA || 'data', isPrivate)
  await load('cli/main')
  growUpTo(32)
  modules.flushCompileCache()
} else {
  console.error(problem)
  process.exitCode = 1
}

/** A clone runs its TypeScript as it is, and is developed and tested on one Node.js. */
function problemInClone () {
  const needed = 24
  if (Number(process.versions.node.split('.')[0]) >= needed) return null
  return `latchkey needs Node.js ${needed} or newer in a clone; this is ${process.version}. \`npm ci\` brings the ` +
    'right one along: use `npx latchkey …` and `npm start`.'
}

async function problemInPackage () {
  try {
    await load('base/node/supported-node')
    return null
  } catch (error) {
    return error.message
  }
}

/**
 * Keeps what was compiled for the next start, but only where no other account can have put something in its place: it
 * is run without another look.
 */
function keepCompiled (data, isPrivate) {
  const folder = join(data, 'compile-cache')
  const mask = process.umask(0o077)
  try {
    if (existsSync(data) && !existsSync(folder) && isPrivate(data)) mkdirSync(folder)
    if (isPrivate(folder)) modules.enableCompileCache(folder)
  } catch {
    // It is there to save time, and no reason not to start.
  } finally {
    process.umask(mask)
  }
}

/**
 * Lets the room for new objects grow as usual once all is loaded, up to so many megabytes. Unbounded, it grows for as
 * long as there is load, to 128 and more on a large machine, and a server is none the quicker for it.
 */
function growUpTo (megabytes) {
  setFlagsFromString('--semi-space-growth-factor=2')
  const watching = setInterval(() => {
    const { space_size: size } = getHeapSpaceStatistics().find(({ space_name: name }) => name === 'new_space')
    if (size < megabytes * 2 ** 20) return
    setFlagsFromString('--semi-space-growth-factor=1')
    clearInterval(watching)
  }, 1_000).unref()
}
