import { globSync, readFileSync } from 'node:fs'
import { isBuiltin } from 'node:module'
import { join } from 'node:path'
import t from 'tap'
import ts from 'typescript'

const root = join(import.meta.dirname, '..')
const read = (...path: string[]): string => readFileSync(join(root, ...path), 'utf8')

const manifest = JSON.parse(read('package.json')) as Record<'dependencies' | 'devDependencies', Record<string, string>>
const packages = [manifest.dependencies, manifest.devDependencies].flatMap(Object.keys)

t.test('every dependency has its line in docs/dependencies.md, and every line its dependency', async t => {
  const explained = [...read('docs', 'dependencies.md').matchAll(/^- `([^`]+)`: \S/gm)].map(match => match[1])
  t.same(explained.toSorted(), packages.toSorted())
})

t.test('what src/ loads at run time is a dependency, or copied by the build', async t => {
  const copied = ['@prisma/client', 'swagger-ui-dist']
  const sources = globSync('src/**/*.ts', { cwd: root }).filter(name =>
    !name.includes('generated') && /(?:from |import\(|import |resolve\()'(?!\.|node:)/.test(read(name))
  )
  t.ok(sources.length > 50)
  for (const name of sources) {
    // Without types, as Node.js runs it.
    const { outputText } = ts.transpileModule(read(name), {
      compilerOptions: { target: ts.ScriptTarget.ESNext, module: ts.ModuleKind.ESNext, verbatimModuleSyntax: true }
    })
    for (const { fileName } of ts.preProcessFile(outputText, true, true).importedFiles) {
      const [scope, second] = fileName.split('/')
      const from = scope!.startsWith('@') ? `${scope}/${second}` : scope!
      if (fileName.startsWith('.') || isBuiltin(fileName) || from in manifest.dependencies) continue
      t.ok(copied.includes(from), `${name} imports ${fileName}`)
    }
  }
})

t.test('the parts of Prisma have one version', async t => {
  const { dependencies, devDependencies } = manifest
  const versions = Object.entries({ ...dependencies, ...devDependencies })
    .filter(([name]) => name === 'prisma' || /^@prisma\/(client|adapter-|driver-adapter-utils)/.test(name))
  t.equal(versions.length, 5)
  for (const [name, version] of versions) t.equal(version, devDependencies['@prisma/client'], name)
  t.equal(dependencies['@prisma/schema-engine-wasm']?.split('-')[0], devDependencies['@prisma/client'])
})

t.test('the lock file names no registry but the public one', async t => {
  const hosts = [...read('package-lock.json').matchAll(/"resolved": "https?:\/\/([^/"]+)/g)].map(match => match[1])
  t.same(hosts.filter(host => host !== 'registry.npmjs.org'), [])
})
