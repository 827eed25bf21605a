// npm run build: src/ → dist/, as JavaScript with declarations, the generated clients included.
import { spawnSync } from 'node:child_process'
import { cpSync, rmSync } from 'node:fs'
import { join } from 'node:path'

const root = join(import.meta.dirname, '..')
rmSync(join(root, 'dist'), { recursive: true, force: true })
for (const [command, ...parameters] of [
  [process.execPath, join('scripts', 'generate-clients.ts')],
  [process.execPath, join('node_modules', 'typescript', 'bin', 'tsc'), '-p', 'tsconfig.build.json'],
] as [string, ...string[]][]) {
  const { status } = spawnSync(command, parameters, { cwd: root, stdio: 'inherit' })
  if (status !== 0) process.exit(status ?? 1)
}
// Files that the generated clients read at run time.
for (const provider of ['sqlite', 'postgresql']) {
  const compiler = join('storage', 'generated', provider, 'internal', 'query_compiler.wasm')
  cpSync(join(root, 'src', compiler), join(root, 'dist', compiler))
}
