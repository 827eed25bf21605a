// npm run build, and before npm pack: src/ → dist/, as the package ships it: JavaScript, the declarations that its
// entries reach, the generated clients, and the few files of large packages that run.
import { spawnSync } from 'node:child_process'
import { cpSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join, relative, resolve } from 'node:path'
import ts from 'typescript'

const root = join(import.meta.dirname, '..')
const dist = join(root, 'dist')
const packages = join(root, 'node_modules')

rmSync(dist, { recursive: true, force: true })
run(join('scripts', 'generate-clients.ts'))
run(join('node_modules', 'typescript', 'bin', 'tsc'), '-p', 'tsconfig.build.json')
copyQueryCompilers()
copySwaggerUi()
copyAssets()
copyFonts()
copyGuardReadme()
copyPrismaRuntime()
// `exports` of package.json, and what bin/latchkey.js loads.
const loaded = ['cli/main.js', 'base/file-ownership.js', 'base/node/supported-node.js']
keepReached('.js', ['index.js', 'guard/index.js', ...loaded])
keepReached('.d.ts', ['index.d.ts', 'guard/index.d.ts'])

function run (...parameters: string[]): void {
  const { status } = spawnSync(process.execPath, parameters, { cwd: root, stdio: 'inherit' })
  if (status !== 0) process.exit(status ?? 1)
}

/** The generated clients read them at run time. */
function copyQueryCompilers (): void {
  for (const provider of ['sqlite', 'postgresql']) {
    const compiler = join('storage', 'generated', provider, 'internal', 'query_compiler.wasm')
    cpSync(join(root, 'src', compiler), join(dist, compiler))
  }
}

function copySwaggerUi (): void {
  const folder = join(dist, 'management', 'documentation', 'swagger-ui')
  const script = 'swagger-ui-bundle.js'
  for (const name of [script, `${script}.LICENSE.txt`, 'swagger-ui.css', 'LICENSE', 'NOTICE']) {
    cpSync(join(packages, 'swagger-ui-dist', name), join(folder, name))
  }
}

/** The styles, scripts and images of pages. */
function copyAssets (): void {
  const folder = join('pages', 'assets')
  cpSync(join(root, 'src', folder), join(dist, folder), { recursive: true })
}

/** The page that src/dashboard/apis/snippets.ts takes lines from and that is in another package. */
function copyGuardReadme (): void {
  cpSync(join(root, 'packages', 'guard', 'README.md'), join(dist, 'dashboard', 'apis', 'guard-readme.md'))
}

/** What src/pages/assets.ts serves of the packages of fonts, with the licence of each. */
function copyFonts (): void {
  for (const id of ['inter', 'jetbrains-mono']) {
    const [from, folder] = [join(packages, '@fontsource-variable', id), join(dist, 'pages', 'fonts', id)]
    const name = `${id}-latin-wght-normal.woff2`
    cpSync(join(from, 'files', name), join(folder, name))
    cpSync(join(from, 'LICENSE'), join(folder, 'LICENSE'))
  }
}

/** `@prisma/client` is 75 MB, query compilers of five databases; the generated clients run 0.2 MB of it. */
function copyPrismaRuntime (): void {
  const prisma = join(packages, '@prisma', 'client')
  const folder = join(dist, 'storage', 'prisma-runtime')
  mkdirSync(folder)
  cpSync(join(prisma, 'LICENSE'), join(folder, 'LICENSE'))
  for (const path of files('.js')) {
    const source = readFileSync(path, 'utf8')
    const imported = /(["'])@prisma\/client\/runtime\/([\w.]+?)(?:\.mjs)?\1/g
    const rewritten = source.replace(imported, (_, _quote, name: string) => {
      const copy = join(folder, `${name}.js`)
      const runtime = readFileSync(join(prisma, 'runtime', `${name}.mjs`), 'utf8')
      writeFileSync(copy, runtime.replace(/^\/\/# sourceMappingURL=.*$/m, ''))
      const own = relative(dirname(path), copy)
      return `'${own.startsWith('.') ? own : `./${own}`}'`
    })
    if (rewritten !== source) writeFileSync(path, rewritten)
  }
}

/** Removes the files with this ending that are not imported by way of `entries`. */
function keepReached (ending: '.js' | '.d.ts', entries: string[]): void {
  const reached = new Set<string>()
  const visit = (path: string): void => {
    if (reached.has(path)) return
    reached.add(path)
    for (const { fileName } of ts.preProcessFile(readFileSync(path, 'utf8'), true, true).importedFiles) {
      if (fileName.startsWith('.')) visit(resolve(dirname(path), fileName.replace(/\.ts$/, ending)))
    }
  }
  for (const entry of entries) visit(join(dist, entry))
  for (const path of files(ending)) if (!reached.has(path)) rmSync(path)
}

function files (ending: string): string[] {
  return readdirSync(dist, { recursive: true, encoding: 'utf8' })
    .filter(name => name.endsWith(ending) && !/(swagger-ui|assets)\//.test(name)).map(name => join(dist, name))
}
