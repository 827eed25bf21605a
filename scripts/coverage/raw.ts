/** Lets V8 record which code the processes of a run of tests execute, and where it writes that. */
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'

/**
 * The environment in which every process, and each that it starts, writes its coverage into `folder`. One that is
 * killed writes nothing.
 */
export function recordingEnvironment (folder: string): Record<string, string> {
  const compileCache = { NODE_COMPILE_CACHE: join(folder, 'compiled') }
  // V8 counts the branches of a function only where it compiled the function itself. A cache filled by a process that
  // ran code holds that code, so a process that loads all files and calls nothing fills this one. The coverage of that
  // process stays apart: a file that no test loads is not covered.
  spawnSync(process.execPath, [join(import.meta.dirname, 'fill-compile-cache.ts')], {
    env: { ...process.env, ...compileCache, NODE_V8_COVERAGE: join(folder, 'loading') }, stdio: 'inherit'
  })
  return { ...compileCache, NODE_V8_COVERAGE: join(folder, 'raw') }
}
