/** Loads every file of src/, so that the compile cache has them without any function that a test calls. */
import { globSync } from 'node:fs'
import { flushCompileCache } from 'node:module'
import { join } from 'node:path'

const src = join(import.meta.dirname, '..', '..', 'src')

for (const file of globSync('**/*.ts', { cwd: src })) {
  // It runs the command line when it is loaded.
  if (file !== join('cli', 'main.ts')) await import(join(src, file))
}
flushCompileCache()
// Loading may have opened handles; without an end the run of tests would wait for them.
process.exit(0)
