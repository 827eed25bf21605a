/**
 * The command line of OpenCrane: `npx node examples/opencrane/cli.ts tenants list`. Each command is a request;
 * `--token`, or OPENCRANE_TOKEN, is its credential.
 */
import { Command } from 'commander'

interface Connection { url: string, token?: string }

const program = new Command('opencrane')
  .description('Manages the tenants of an OpenCrane control plane.')
  .option('--url <url>', 'the control plane', process.env.OPENCRANE_URL ?? 'http://localhost:3000')
  // The variable is read with the options: a default of commander stands in its help.
  .option('--token <token>', 'an access token; default: OPENCRANE_TOKEN')

/** Prints the answer to a request; exit code 1 if it is refused. */
async function request (method: string, path: string, body?: object): Promise<void> {
  const { url, token = process.env.OPENCRANE_TOKEN } = program.opts<Connection>()
  if (token === undefined) {
    program.error('error: no token; give --token, or set OPENCRANE_TOKEN')
  }
  const answer = await fetch(`${url}/api/v1${path}`, {
    method,
    headers: {
      authorization: `Bearer ${token}`, ...(body === undefined ? {} : { 'content-type': 'application/json' })
    },
    ...(body === undefined ? {} : { body: JSON.stringify(body) })
  }).catch(({ cause }: { cause?: NodeJS.ErrnoException }) => program.error(
    `error: no answer from ${url} (${cause?.code ?? cause?.message}); ` +
      'start the control plane, or name it with --url or OPENCRANE_URL'
  ))
  const text = await answer.text()
  const read = text === '' ? null : JSON.parse(text) as { error?: string, code?: string }
  if (!answer.ok) program.error(`error: ${read?.error ?? answer.statusText} (${read?.code ?? answer.status})`)
  console.log(JSON.stringify(read, null, 2))
}

const named = (name: string) => encodeURIComponent(name)

const tenants = program.command('tenants').description('the tenants, and how they differ from what was declared')
tenants.command('list').description('list the tenants').action(async () => { await request('GET', '/tenants') })
tenants.command('get <name>').description('show a tenant')
  .action(async (name: string) => { await request('GET', `/tenants/${named(name)}`) })
tenants.command('create <name>').description('create a tenant; its virtual key is shown once')
  .requiredOption('--display-name <name>', 'its name for people')
  .requiredOption('--email <address>', 'the address of its contact')
  .option('--team <team>', 'the team by which policies select it')
  .action(async (name: string, options: object) => { await request('POST', '/tenants', { name, ...options }) })
for (const [verb, what] of [['suspend', 'refuse all its credentials'], ['resume', 'end its suspension']] as const) {
  tenants.command(`${verb} <name>`).description(what)
    .action(async (name: string) => { await request('POST', `/tenants/${named(name)}/${verb}`) })
}
tenants.command('delete <name>').description('delete a tenant, with its credentials')
  .action(async (name: string) => { await request('DELETE', `/tenants/${named(name)}`) })
tenants.command('drift').description('list the tenants that differ from what was declared')
  .action(async () => { await request('GET', '/tenants/drift') })
tenants.command('repair').description('say what would be repaired')
  .option('--apply', 'repair it')
  .action(async ({ apply }: { apply?: boolean }) => {
    await request('POST', `/tenants/repair?dryRun=${apply !== true}`)
  })
program.command('policies').description('the policies of MCP servers')
  .command('list').description('list the policies').action(async () => { await request('GET', '/policies') })
program.command('audit').description('list what was done, the newest first').option('--tenant <name>', 'to this tenant')
  .action(async ({ tenant }: { tenant?: string }) => {
    await request('GET', tenant === undefined ? '/audit' : `/audit?tenant=${named(tenant)}`)
  })

await program.parseAsync()
