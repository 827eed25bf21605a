/** Groups, policies and effective access on the command line, as transcripts against a real server. */
import tap from 'tap'
import { commandLine } from '../support/command-line.ts'
import { startServer } from '../support/running-server.ts'

const server = await startServer(tap)
const { latchkey, follow } = commandLine(server.environment)

tap.test('groups: create, list, add, members, update, remove, delete', async t => await follow(t, `
$ latchkey org create Acme
id       {org}
...
$ latchkey resource create https://api.acme.test --scope invoices:read --scope invoices:write
...
$ latchkey member create Ada --org {org} --role viewer
id            {member}
...
$ latchkey group list
! There is no group yet. Create one: npx latchkey group create NAME --org ORG --scope NAME
$ latchkey group create Billing --org {org} --scope invoices:* --description "who bills"
id            {group}
name          Billing
for           who bills
organization  {org}
members may   invoices:*
created       {}
$ latchkey group members {group}
! The group has no member yet. Add one: npx latchkey group add GROUP --member MEMBER
$ latchkey group add {group} --member {member}
id            {group}
...
$ latchkey group members {group}
ID                          NAME  ROLE
{member}  Ada   viewer
$ latchkey group list --member {member}
ID                          NAME     ORGANIZATION                MEMBERS MAY
{group}  Billing  {org}  invoices:*
$ latchkey group update {group} --scope invoices:write
...
members may   invoices:write
created       {}
`))

tap.test('policies: rehearsed, created, listed, changed, deleted; access says why', async t => await follow(t, `
$ latchkey key create --org {org} --resource https://api.acme.test --env live --name full --access full --creator {member}
id            {key}
...
$ latchkey policy list
! There is no policy yet, so none restricts a credential. Create one: npx latchkey policy create NAME --effect deny --scope NAME
$ latchkey policy create "No writing" --org {org} --effect deny --kind api_key --scope *:write --dry-run
Nothing was changed. Of 1 credentials that it would change, 0 would gain and 1 would lose.
CREDENTIAL                  NAME  API                    GAINS  LOSES           ONLY SOMETIMES
{key}  full  https://api.acme.test  -      invoices:write  -
$ latchkey policy create "No writing" --org {org} --effect deny --kind api_key --scope *:write --day sat --day sun --hours 00:00-24:00 --zone Europe/Berlin
id           {policy}
name         No writing
binds        {org}
effect       deny
credentials  api_key
scopes       *:write
days         sat sun
hours        00:00 to 24:00 Europe/Berlin
created      {} by admin
updated      {}
$ latchkey policy update {policy} --group {group} --scope *:write --resource https://api.acme.test
...
groups   {group}
APIs     https://api.acme.test
scopes   *:write
...
$ latchkey policy list --org {org}
ID                          NAME        BINDS                       EFFECT  IN FORCE
{policy}  No writing  {org}  deny    yes
$ latchkey access show {org}
CREDENTIAL                  NAME  API                    SCOPE           USABLE  BECAUSE
{key}  full  https://api.acme.test  invoices:read   yes     access_level=full role=viewer
{key}  full  https://api.acme.test  invoices:write  no      policy={policy}
$ latchkey group delete {group}
! latchkey: The group {group} is named by {policy}; change that first. (CONFLICT)
[1]
$ latchkey policy disable {policy}
...
effect   deny, disabled
...
$ latchkey policy delete {policy}
id       {policy}
...
$ latchkey group remove {group} --member {member}
...
$ latchkey group delete {group}
...
$ latchkey access drift
server       {} has {} records in memory
differences  0
$ latchkey access repair
server       {} has {} records in memory
differences  0
repaired     no, this was a dry run: add --apply
$ latchkey access repair --apply
...
repaired     yes
`))

tap.test('what is mistyped is said on stderr', async t => {
  for (const [command, message] of [
    ['policy create x', /required option '--effect <name>' not specified/],
    ['policy create x --effect maybe', /Allowed choices are allow, deny/],
    ['policy create x --effect deny --hours nine', /09:00-17:30/],
    ['policy update x', /Nothing to change/],
    ['group update x', /give at least one of --name, --description, --scope/],
    ['group add x', /required option '--member <id>' not specified/],
  ] as const) {
    const { code, stdout, stderr } = await latchkey(command)
    t.strictSame([code, stdout], [2, ''], command)
    t.match(stderr, message)
  }
})
