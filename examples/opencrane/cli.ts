/**
 * The command line of OpenCrane: `node examples/opencrane/cli.ts tenants list`. Each command is a request; `--token`,
 * or OPENCRANE_TOKEN, is its credential.
 */
import { Command } from 'commander'

interface Connection { url: string, token?: string }

const program = new Command('opencrane')
  .description('Manages the tenants of an OpenCrane control plane.')
  .option('--url <url>', 'the control plane', process.env.OPENCRANE_URL ?? 'http://localhost:3000')
  .option('--token <token>', 'an access token; default: OPENCRANE_TOKEN', process.env.OPENCRANE_TOKEN)

/** Prints the answer to a request; exit code 1 if it is refused. */
async function request (method: string, path: string, body?: object): Promise<void> {
  const { url, token } = program.opts<Connection>()
  if (token === undefined) {
    program.error('error: no token; give --token, or set OPENCRANE_TOKEN')
  }
  const answer = await fetch(`${url}/api/v1${path}`, {
    method,
    headers: {
      authorization: `Bearer ${token}`, ...(body === undefined ? {} : { 'content-type': 'application/json' })
    },
    ...(body === undefined ? {} : { body: JSON.stringify(body) })
  })
  const text = await answer.text()
  const read = text === '' ? null : JSON.parse(text) as { error?: string, code?: string }
  if (!answer.ok) program.error(`error: ${read?.error ?? answer.statusText} (${read?.code ?? answer.status})`)
  console.log(JSON.stringify(read, null, 2))
}

const named = (name: string) => encodeURIComponent(name)

const tenants = program.command('tenants').description('the tenants')
tenants.command('list').action(async () => { await request('GET', '/tenants') })
tenants.command('get <name>').action(async (name: string) => { await request('GET', `/tenants/${named(name)}`) })
tenants.command('create <name>')
  .requiredOption('--display-name <name>')
  .requiredOption('--email <address>')
  .option('--team <team>')
  .action(async (name: string, options: object) => { await request('POST', '/tenants', { name, ...options }) })
for (const verb of ['suspend', 'resume'] as const) {
  tenants.command(`${verb} <name>`)
    .action(async (name: string) => { await request('POST', `/tenants/${named(name)}/${verb}`) })
}
tenants.command('delete <name>').action(async (name: string) => { await request('DELETE', `/tenants/${named(name)}`) })
tenants.command('drift').action(async () => { await request('GET', '/tenants/drift') })
tenants.command('repair').option('--apply', 'repair it; without, report what would be repaired')
  .action(async ({ apply }: { apply?: boolean }) => {
    await request('POST', `/tenants/repair?dryRun=${apply !== true}`)
  })
program.command('policies').command('list').action(async () => { await request('GET', '/policies') })
program.command('audit').option('--tenant <name>')
  .action(async ({ tenant }: { tenant?: string }) => {
    await request('GET', tenant === undefined ? '/audit' : `/audit?tenant=${named(tenant)}`)
  })

await program.parseAsync()
