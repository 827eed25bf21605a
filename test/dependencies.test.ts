import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'

const root = join(import.meta.dirname, '..')
const read = (...path: string[]): string => readFileSync(join(root, ...path), 'utf8')

const manifest = JSON.parse(read('package.json')) as Record<'dependencies' | 'devDependencies', Record<string, string>>
const packages = [manifest.dependencies, manifest.devDependencies].flatMap(Object.keys)

t.test('every dependency has its line in docs/dependencies.md, and every line its dependency', async t => {
  const explained = [...read('docs', 'dependencies.md').matchAll(/^- `([^`]+)`: \S/gm)].map(match => match[1])
  t.same(explained.toSorted(), packages.toSorted())
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
