/** What a flag can be is one list: the API's. The command line has no other, and the README shows the same. */
import { readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import type { Command } from 'commander'
import tap from 'tap'
import { commands } from '../../src/cli/commands.ts'
import { errorStyleNames, styles } from '../../src/domain/resources/style.ts'
import { startServer, type Json } from '../support/test-server.ts'

const server = await startServer()
tap.teardown(server.close)
const document = (await server.send({ path: '/api/v1/openapi.json' })).json

/** Each flag with choices: the operation and the member or parameter that it becomes; `of.member`: within an object. */
const members: Record<string, [method: string, path: string, member: string]> = {
  'resource create --style': ['post', '/api/v1/resources', 'style'],
  'resource update --style': ['patch', '/api/v1/resources/{id}', 'style'],
  'resource create --algorithm': ['post', '/api/v1/resources', 'signingAlgorithm'],
  'resource update --algorithm': ['patch', '/api/v1/resources/{id}', 'signingAlgorithm'],
  'org credits --env': ['post', '/api/v1/organizations/{id}/credits', 'environment'],
  'member create --role': ['post', '/api/v1/members', 'role'],
  'member update --role': ['patch', '/api/v1/members/{id}', 'role'],
  'invitation create --role': ['post', '/api/v1/invitations', 'role'],
  'invitation list --status': ['get', '/api/v1/invitations', 'status'],
  'org admit-clients --unverified': ['post', '/api/v1/organizations/{id}/admit-clients', 'unverified'],
  'identity-provider trust --join-as': ['post', '/api/v1/trusted-providers', 'joinsAs'],
  'identity-provider update --join-as': ['patch', '/api/v1/trusted-providers/{id}', 'joinsAs'],
  'trusted-issuer create --preset': ['post', '/api/v1/trusted-issuers', 'preset'],
  'trusted-issuer create --profile': ['post', '/api/v1/trusted-issuers', 'profile'],
  'policy create --effect': ['post', '/api/v1/policies', 'effect'],
  'policy update --effect': ['patch', '/api/v1/policies/{id}', 'effect'],
  'member list --sort': ['get', '/api/v1/members', 'sort'],
  'group list --sort': ['get', '/api/v1/groups', 'sort'],
  'policy list --sort': ['get', '/api/v1/policies', 'sort'],
  'invitation list --sort': ['get', '/api/v1/invitations', 'sort'],
  'publishable-key list --sort': ['get', '/api/v1/publishable-keys', 'sort'],
  'registration-token list --sort': ['get', '/api/v1/registration-tokens', 'sort'],
  'org list --sort': ['get', '/api/v1/organizations', 'sort'],
  'mcp-server list --sort': ['get', '/api/v1/mcp-servers', 'sort'],
  'skill list --status': ['get', '/api/v1/skills', 'status'],
  'resource list --sort': ['get', '/api/v1/resources', 'sort'],
  'client list --sort': ['get', '/api/v1/clients', 'sort'],
  'key list --sort': ['get', '/api/v1/api-keys', 'sort'],
  'key list --env': ['get', '/api/v1/api-keys', 'environment'],
  'client list --status': ['get', '/api/v1/clients', 'status'],
  'key list --status': ['get', '/api/v1/api-keys', 'status'],
  'key create --env': ['post', '/api/v1/api-keys', 'environment'],
  'key create --access': ['post', '/api/v1/api-keys', 'access'],
  'key update --access': ['patch', '/api/v1/api-keys/{id}', 'access'],
  'key create --portal-ceiling': ['post', '/api/v1/api-keys', 'portal.ceiling'],
  'key update --portal-ceiling': ['patch', '/api/v1/api-keys/{id}', 'portal.ceiling'],
  'key import --portal-ceiling': ['post', '/api/v1/api-keys/import', 'portal.ceiling'],
  'key import --env': ['post', '/api/v1/api-keys/import', 'environment'],
  'key import --access': ['post', '/api/v1/api-keys/import', 'access'],
  'publishable-key create --env': ['post', '/api/v1/publishable-keys', 'environment'],
  'budget spend --by': ['get', '/api/v1/spend/sums', 'by'],
  'budget reservations --status': ['get', '/api/v1/spend/reservations', 'status'],
  'budget key create --env': ['post', '/api/v1/organizations/{id}/virtual-key', 'environment'],
  'source add --kind': ['post', '/api/v1/third-party-sources', 'kind'],
  'access-token list --status': ['get', '/api/v1/access-tokens', 'status'],
  'signing-key list --state': ['get', '/api/v1/signing-keys', 'state'],
  'signing-key list --algorithm': ['get', '/api/v1/signing-keys', 'algorithm'],
  'signing-key rotate --algorithm': ['post', '/api/v1/signing-keys/rotate', 'algorithm'],
  'replicas lost --state': ['get', '/api/v1/lost-changes', 'state'],
  'client create --auth-method': ['post', '/api/v1/clients', 'tokenEndpointAuthMethod'],
  'client create --assertion-profile': ['post', '/api/v1/clients', 'assertionProfile'],
  'client update --assertion-profile': ['patch', '/api/v1/clients/{id}', 'assertionProfile'],
  'client create --grant-type': ['post', '/api/v1/clients', 'grantTypes'],
  'client update --grant-type': ['patch', '/api/v1/clients/{id}', 'grantTypes'],
  'client create --application-type': ['post', '/api/v1/clients', 'applicationType'],
  'client create --id-token-alg': ['post', '/api/v1/clients', 'idTokenSignedResponseAlg'],
  'client update --id-token-alg': ['patch', '/api/v1/clients/{id}', 'idTokenSignedResponseAlg'],
  'client update --application-type': ['patch', '/api/v1/clients/{id}', 'applicationType'],
}

function flagsOf (command: Command, path: string): [flag: string, choices: readonly string[]][] {
  const own = command.options.filter(({ argChoices }) => argChoices !== undefined)
  return [
    ...own.map(({ long, argChoices }): [string, string[]] => [`${path} ${long}`, argChoices!]),
    ...command.commands.flatMap(each => flagsOf(each, `${path} ${each.name()}`)),
  ]
}

function resolved (schema: Json | undefined): Json {
  const name = schema?.$ref?.split('/').at(-1)
  return name === undefined ? schema ?? {} : document.components.schemas[name]
}

function valuesOf ([method, path, member]: [string, string, string]): string[] | undefined {
  const { requestBody, parameters = [] } = document.paths[path]?.[method] ?? {}
  const parameter = parameters.find(({ name }: Json) => name === member)
  const body = resolved(requestBody?.content['application/json'].schema)
  const schema = member.split('.').reduce((within, part) => resolved(within.properties?.[part]), body)
  const { enum: values, items, anyOf = [] } = resolved(parameter?.schema ?? schema)
  return values ?? resolved(items).enum ?? anyOf.flatMap((each: Json) => resolved(each).enum ?? [])
}

tap.test('every flag with choices takes what the API takes, and no less', async t => {
  const flags = commands().flatMap(command => flagsOf(command, command.name()))
  t.strictSame(
    flags.map(([flag]) => flag).filter(flag => members[flag] === undefined),
    [],
    'flags that are compared with nothing'
  )
  for (const [flag, choices] of flags) {
    t.strictSame(
      [...choices].sort(),
      [...valuesOf(members[flag]!) ?? []].sort(),
      flag
    )
  }
})

tap.test('the README names every style that there is', async t => {
  const readme = readFileSync(join(resolve(import.meta.dirname, '../..'), 'README.md'), 'utf8')
  const [, sentence] = /The styles are ([^.]+)\./.exec(readme.replaceAll('\n', ' '))!
  t.strictSame([...sentence!.matchAll(/`([^`]+)`/g)].map(match => match[1]), [...errorStyleNames])
  t.strictSame(Object.keys(styles), [...errorStyleNames])
})
