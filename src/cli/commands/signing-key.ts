/** `latchkey signing-key …`: the keys that sign access tokens. */
import { Command, Option } from 'commander'
import { segment } from '../api.ts'
import { algorithmOption, calling, pageQuery, showPage, withPageFlags, type ListFlags, type Page } from '../command.ts'
import { fieldLines, instant } from '../print.ts'

interface SigningKey {
  id: string
  algorithm: string
  state: string
  createdAt: string
  activatedAt: string
  retiredAt: string | null
  publishedUntil: string | null
  revokedAt: string | null
  revokedReason: string | null
}

export function signingKeyCommands (): Command {
  const key = new Command('signing-key').description('signing keys: the keys that sign access tokens')
  withPageFlags(key.command('list').description('list the signing keys, newest first'), { org: false })
    .addOption(
      new Option('--state <name>', 'only in this state').choices([
        'pending', 'active', 'retired', 'revoked', 'gone'
      ])
    )
    .addOption(algorithmOption('only of this algorithm'))
    .action(
      calling<Page<SigningKey>, ListFlags & { state?: string, algorithm?: string }>(
        showKeys,
        (api, { state, algorithm, ...flags }) => api.get('/signing-keys', { ...pageQuery(flags), state, algorithm })
      )
    )
  key.command('show').description('show a signing key').argument('<kid>')
    .action(calling(showKey, (api, _flags, id) => api.get(`/signing-keys/${segment(id)}`)))
  key.command('rotate').description(
    'sign with a new key once it has been published for five minutes; earlier tokens stay valid'
  )
    .option(
      '--now', 'at once, for emergencies: verifiers with a cached key set refuse new tokens for up to five minutes'
    )
    .addOption(algorithmOption('the algorithm; default: ES256'))
    .action(
      calling<SigningKey, { now?: boolean, algorithm?: string }>(showKey, (api, { now, algorithm }) =>
        api.post('/signing-keys/rotate', { now, algorithm }))
    )
  key.command('revoke').description(
    'revoke a signing key and every token that it signed, at once; another key replaces an active one'
  ).argument('<kid>')
    .option('--reason <text>', 'the reason, kept with the record')
    .action(
      calling<SigningKey, { reason?: string }>(showKey, (api, { reason }, id) =>
        api.post(`/signing-keys/${segment(id)}/revoke`, { reason }))
    )
  return key
}

function showKey (key: SigningKey): string {
  return fieldLines([
    ['kid', key.id],
    ['algorithm', key.algorithm],
    ['state', key.state],
    ['created', instant(key.createdAt)],
    ['signs from', instant(key.activatedAt)],
    ['signs until', instant(key.retiredAt)],
    [key.revokedAt === null ? 'published until' : 'last tokens until', instant(key.publishedUntil)],
    ['revoked', instant(key.revokedAt)],
    ['reason', key.revokedReason],
  ])
}

const showKeys = showPage<SigningKey>(
  ['KID', 'ALGORITHM', 'STATE', 'SIGNS FROM', 'SIGNS UNTIL', 'PUBLISHED UNTIL'],
  key => [
    key.id, key.algorithm, key.state, instant(key.activatedAt), instant(key.retiredAt),
    instant(key.publishedUntil)
  ],
  'There is no signing key.'
)
