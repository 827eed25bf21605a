// npm run build:guard: packages/guard/dist, one bundle for each entry with its declarations. The code is that of
// src/guard and of the judge, so the guard in another process decides as the one in the server does.
import { cpSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { generateDtsBundle } from 'dts-bundle-generator'
import { build } from 'esbuild'

const root = join(import.meta.dirname, '..')
const folder = join(root, 'packages', 'guard')
const dist = join(folder, 'dist')
const entries = ['index', 'http', 'express', 'fetch', 'fastify']

rmSync(dist, { recursive: true, force: true })
await build({
  entryPoints: entries.map(name => join(folder, 'src', `${name}.ts`)),
  outdir: dist,
  bundle: true,
  splitting: true,
  platform: 'node',
  format: 'esm',
  target: 'node22',
  external: ['fastify'],
  logLevel: 'warning',
})
const declarations = generateDtsBundle(entries.map(name => ({
  filePath: join(folder, 'src', `${name}.ts`),
  output: {
    noBanner: true,
    exportReferencedTypes: false,
    // What the adapters add to the types of their frameworks, such as `request.principal`.
    inlineDeclareGlobals: name === 'express',
    inlineDeclareExternals: name === 'fastify'
  },
  // Types of others stay imports of their packages.
  libraries: { importedLibraries: ['fastify'] },
})), { preferredConfigPath: join(folder, 'tsconfig.json') })
for (const [i, text] of declarations.entries()) writeFileSync(join(dist, `${entries[i]}.d.ts`), withNode(text))

// The bundles hold code of others, whose licences ask to be passed on.
cpSync(join(root, 'LICENSE'), join(dist, 'LICENSE'))
const licences = [['ipaddr.js', 'LICENSE'], ['lru-cache', 'LICENSE.md']] as const
writeFileSync(join(dist, 'LICENSES-OF-OTHERS.md'), licences.map(([name, file]) =>
  `# ${name}\n\n${readFileSync(join(root, 'node_modules', name, file), 'utf8')}`).join('\n'))

/** The generator leaves the types of Node without an import. */
function withNode (text: string): string {
  const used = ['IncomingMessage', 'ServerResponse'].filter(name => new RegExp(`\\b${name}\\b`).test(text))
  return used.length === 0 ? text : `import type { ${used.join(', ')} } from 'node:http';\n${text}`
}
