/** Tools that several test files install at once are whole for each of them. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import tap from 'tap'
import { foreignProgram } from './foreign-programs.ts'

const python = foreignProgram('python3', 'apt-get install python3 python3-venv')

/** A process that asks for the tools of a folder, and uses them. */
const script = `
  import { execFileSync } from 'node:child_process'
  import { join } from 'node:path'
  import { pythonTools } from '${join(import.meta.dirname, 'foreign-tools.ts')}'
  const { path, skip } = await pythonTools(process.argv[1])
  if (skip !== false) throw new Error(skip)
  console.log(execFileSync(join(path, 'python'), ['-c', 'import pip, sys; print(sys.prefix)'], { encoding: 'utf8' }))
`

tap.test('processes that install the same Python tools at once have one whole environment', python, async t => {
  const folder = t.testdir({ tools: { 'requirements.txt': '# nothing beside pip\n' }, cache: {} })
  const run = async (): Promise<string> => {
    const child = spawn(process.execPath, ['--input-type=module', '--eval', script, join(folder, 'tools')], {
      stdio: ['ignore', 'pipe', 'pipe'], env: { ...process.env, XDG_CACHE_HOME: join(folder, 'cache') }
    })
    let said = ''
    for (const stream of [child.stdout, child.stderr]) stream.on('data', bytes => { said += String(bytes) })
    const [code] = await once(child, 'close')
    t.equal(code, 0, said)
    return said.trim()
  }
  const prefixes = await Promise.all([run(), run(), run()])
  t.equal(new Set(prefixes).size, 1, 'each has the same one')
  const made = readdirSync(join(folder, 'cache/latchkey-judges')).filter(name => name !== 'installed')
  t.equal(made.length, 1, 'the others are removed')
})
