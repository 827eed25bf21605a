import { Command, Option } from 'commander'
import { segment } from './api.ts'
import { answering, pageQuery, showPage, withPageFlags, type ListFlags, type Page } from './command.ts'
import { fieldLines, instant } from './print.ts'

interface SigningKey {
  id: string
  algorithm: string
  state: string
  createdAt: string
  activatedAt: string
  retiredAt: string | null
  publishedUntil: string | null
}

/** `latchkey signing-key …` */
export function signingKeyCommands (): Command {
  const key = new Command('signing-key').description('signing keys: what access tokens are signed with')
  withPageFlags(key.command('list').description('list the signing keys, newest first'), { org: false })
    .addOption(new Option('--state <name>', 'only those in this state').choices(['pending', 'active', 'retired', 'gone']))
    .action(answering<Page<SigningKey>, ListFlags & { state?: string }>(showList, (api, { state, ...flags }) => api.get('/signing-keys', { ...pageQuery(flags), state })))
  key.command('show').description('show a signing key').argument('<kid>')
    .action(answering(show, (api, _flags, id) => api.get(`/signing-keys/${segment(id)}`)))
  key.command('rotate').description('make another key the one that signs, once it has been published for five minutes; tokens signed before stay good')
    .option('--now', 'at once, for emergencies: whoever keeps the keys in a cache refuses new tokens for up to five minutes')
    .action(answering<SigningKey, { now?: boolean }>(show, (api, { now }) => api.post('/signing-keys/rotate', { now })))
  return key
}

function show (key: SigningKey): string {
  return fieldLines([
    ['kid', key.id],
    ['algorithm', key.algorithm],
    ['state', key.state],
    ['created', instant(key.createdAt)],
    ['signs from', instant(key.activatedAt)],
    ['signs until', instant(key.retiredAt)],
    ['published until', instant(key.publishedUntil)],
  ])
}

const showList = showPage<SigningKey>(
  ['KID', 'STATE', 'SIGNS FROM', 'SIGNS UNTIL', 'PUBLISHED UNTIL'],
  each => [each.id, each.state, instant(each.activatedAt), instant(each.retiredAt), instant(each.publishedUntil)],
  'There is no signing key.'
)
