// Generates the two Prisma clients into src/storage/generated/{sqlite,postgresql}.
//
// It is the `dependencies` script, which npm runs after `npm ci` in a clone, and never for users of the package. It
// does nothing without the Prisma command line (`--omit=dev`).
import { spawn } from 'node:child_process'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'

const root = join(import.meta.dirname, '..')
const prismaCli = join(root, 'node_modules', 'prisma', 'build', 'index.js')

function generate (provider: string): Promise<void> {
  const env = {
    ...process.env,
    LATCHKEY_PRISMA_PROVIDER: provider,
    // The clients need no native engine; naming one prevents its download.
    PRISMA_SCHEMA_ENGINE_BINARY: '/bin/true',
    PRISMA_HIDE_UPDATE_MESSAGE: '1',
    CHECKPOINT_DISABLE: '1'
  }
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [prismaCli, 'generate'], {
      cwd: root, env, stdio: ['ignore', 'pipe', 'pipe']
    })
    let output = ''
    child.stdout.on('data', (chunk) => { output += chunk })
    child.stderr.on('data', (chunk) => { output += chunk })
    child.on('error', reject)
    child.on('close', (code) => {
      if (code === 0) resolve()
      else reject(new Error(`prisma generate failed for ${provider}:\n${output}`))
    })
  })
}

/**
 * Moves the query compiler out of the generated client: as a base64 string in a module it would stay in memory as
 * source, as string and as WebAssembly, some eight megabytes. As a file beside the client it does not stay.
 */
function keepCompilerAsFile (provider: string): void {
  const folder = join(root, 'src', 'storage', 'generated', provider, 'internal')
  const file = join(folder, 'class.ts')
  const source = readFileSync(file, 'utf8')
  const loading = /const \{ wasm \} = await import\("(.+)\.mjs"\)\s+return await decodeBase64AsWasm\(wasm\)/
  const [, name] = loading.exec(source) ?? []
  if (name === undefined) {
    throw new Error(`the client for ${provider} loads its query compiler in another way than this script knows`)
  }
  const { wasm } = createRequire(import.meta.url)(`${name}.js`) as { wasm: string }
  writeFileSync(join(folder, 'query_compiler.wasm'), Buffer.from(wasm, 'base64'))
  writeFileSync(file, source.replace(loading, `const { readFile } = await import('node:fs/promises')
    return new WebAssembly.Module(await readFile(new URL('./query_compiler.wasm', import.meta.url)))`))
}

if (existsSync(prismaCli)) {
  await Promise.all(['sqlite', 'postgresql'].map(async provider => {
    await generate(provider)
    keepCompilerAsFile(provider)
  }))
}
