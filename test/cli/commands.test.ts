/**
 * The command line as its users see it: transcripts against a real server. Lines with `! ` go to stderr, `[1]` is an
 * exit code.
 */
import { createHash, generateKeyPairSync, type KeyObject } from 'node:crypto'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import tap from 'tap'
import { commandLine, split } from '../support/command-line.ts'
import { latchkeyCommand, run, startServer } from '../support/running-server.ts'
import { eventually } from '../support/waiting.ts'

const server = await startServer(tap)
const { words, latchkey, follow } = commandLine(server.environment)

/** As `latchkey`, on a terminal on which a line is typed. */
async function onTerminal (command: string, typed: string) {
  const line = [process.execPath, latchkeyCommand, ...split(command)].map(word => `'${word}'`).join(' ')
  return await run('sh', ['-c', `printf '${typed}\\n' | script -qec "${line}" /dev/null`], { env: server.environment })
}

tap.test('organizations: create, list, show, update, suspend, resume', async t => await follow(t, `
$ latchkey org list
ID             NAME       STATUS  CREATED
org_operators  Operators  active  {}
$ latchkey org create "Acme & Sons"
id       {org}
name     Acme & Sons
status   active
created  {}
$ latchkey org list
ID                          NAME         STATUS  CREATED
{org}  Acme & Sons  active  {}
org_operators               Operators    active  {}
$ latchkey org update {org} --name Acme
id       {org}
name     Acme
status   active
created  {}
$ latchkey org suspend {org}
id         {org}
name       Acme
status     suspended
created    {}
suspended  {}
$ latchkey client create --org {org} --name early
! latchkey: The organization {org} is suspended; resume it first. (ORGANIZATION_NOT_ACTIVE)
[1]
$ latchkey org resume {org}
id       {org}
name     Acme
status   active
created  {}
$ latchkey org show {org}
id       {org}
name     Acme
status   active
created  {}
`))

tap.test('resources: a scope may hold colons, the one suffix :key-only means something', async t => await follow(t, `
$ latchkey resource create https://api.acme.test --scope invoices:read --scope invoices:write --scope portal-provision:key-only
id          {api}
identifier  https://api.acme.test
scopes      invoices:read, invoices:write, portal-provision (API keys only)
style       ledgerbee
key prefix  lb
created     {}
$ latchkey resource create https://api.acme.test
! latchkey: The identifier https://api.acme.test is taken. (CONFLICT)
[1]
$ latchkey resource create https://reports.acme.test --scope reports:read --style rfc9457 --key-prefix acme --name Reports --org {org}
id            {reports}
identifier    https://reports.acme.test
name          Reports
organization  {org}
scopes        reports:read
style         rfc9457
key prefix    acme
created       {}
$ latchkey resource update https://reports.acme.test --scope reports:read --scope reports:write
id            {reports}
identifier    https://reports.acme.test
name          Reports
organization  {org}
scopes        reports:read, reports:write
style         rfc9457
key prefix    acme
created       {}
$ latchkey resource revoke {reports}
...
revoked       {}
$ latchkey resource show acme
! latchkey: There is no resource "acme". (NOT_FOUND)
[1]
`))

tap.test('clients: create, change, rotate, revoke; the secret is shown once', async t => await follow(t, `
$ latchkey client create --org {org} --resource https://api.acme.test --scope invoices:read --name billing --allow-ip 127.0.0.1
client id         {client}
name              billing
organization      {org}
may               invoices:read at https://api.acme.test
addresses         127.0.0.1
authenticates by  client_secret_basic
secret            {hint}
created           {}
client secret     {secret}
Keep the secret: it is not shown again.
$ latchkey client show {client}
client id         {client}
name              billing
organization      {org}
may               invoices:read at https://api.acme.test
addresses         127.0.0.1
authenticates by  client_secret_basic
secret            {hint}
created           {}
$ latchkey client update {client} --scope invoices:read --scope invoices:write
...
may               invoices:read invoices:write at https://api.acme.test
addresses         127.0.0.1
...
$ latchkey client update {client} --allow-any-ip
...
may               invoices:read invoices:write at https://api.acme.test
addresses         any
...
$ latchkey client update {client} --scope invoices:read --resource {api}
...
may               invoices:read at https://api.acme.test
...
$ latchkey client update {client} --scope portal-provision
! latchkey: The scope "portal-provision" of https://api.acme.test is API-key only and cannot be granted to an OAuth client. Create an API key instead. (SCOPE_API_KEY_ONLY)
[1]
$ latchkey client rotate-secret {client} --overlap 1h
...
secret            {newhint}
secret            {hint} until {}
created           {}
client secret     {newsecret}
Keep the secret: it is not shown again.
$ latchkey client list --org {org}
CLIENT ID                   NAME     ORGANIZATION                LAST USED  STATUS
{client}  billing  {org}  -          active
$ latchkey client revoke {client} --reason "it leaked"
...
revoked           {}
reason            it leaked
$ latchkey client update {client} --name other
! latchkey: The client {client} was revoked; create a new one. (CREDENTIAL_REVOKED)
[1]
$ latchkey client create --deployment --org {org} --name both
! error: option '--deployment' cannot be used with option '--org <id>'
! Add --help for its arguments and options.
[2]
$ latchkey client create --name of-nothing
! latchkey: Name the organization that it should belong to; null is the deployment. (INVALID_REQUEST)
! Pass --org ORG, or --deployment.
[1]
$ latchkey client create --deployment --name guard --introspect https://api.acme.test
client id         {guard}
name              guard
organization      the deployment
introspects       https://api.acme.test
addresses         any
authenticates by  client_secret_basic
secret            {}
created           {}
client secret     {}
Keep the secret: it is not shown again.
$ latchkey client create --org {org} --name empty
client id         {empty}
...
$ latchkey client update {empty} --scope invoices:read
! latchkey: The client {empty} has no API yet: name the API of the scopes with --resource.
[1]
$ latchkey client create --org {org} --name billing --resource https://nowhere.test --scope x
! latchkey: There is no resource "https://nowhere.test"; create it with \`latchkey resource create\`. (UNKNOWN_RESOURCE)
[1]
`))

tap.test('keys: create, change, revoke; the key is shown once', async t => await follow(t, `
$ latchkey key create --org {org} --resource https://api.acme.test --scope invoices:read --scope portal-provision --env live --name ci --expires 2099-01-31
id            {key}
name          ci
organization  {org}
may           invoices:read portal-provision at https://api.acme.test
environment   live
addresses     any
created       {} by admin
expires       2099-01-31T00:00:00Z
key           {keytext}
Keep the key: it is not shown again.
$ latchkey key update {key} --expires never --allow-ip 10.0.0.0/8 --scope invoices:read
id            {key}
name          ci
organization  {org}
may           invoices:read at https://api.acme.test
environment   live
addresses     10.0.0.0/8
looks like    {keyhint}
created       {} by admin
expires       never
$ latchkey key update {key} --allow-ip 10.0.0.256
! latchkey: "10.0.0.256" is neither an IP address nor a CIDR range; write 203.0.113.7, 203.0.113.0/24 or 2001:db8::/32. (INVALID_ALLOWLIST)
[1]
$ latchkey key list --limit 1
ID                          NAME  LOOKS LIKE     ORGANIZATION                STATUS  EXPIRES  LAST USED
{key}  ci    {keyhint}  {org}  active  never    -
$ latchkey key revoke {key}
...
revoked       {}
$ latchkey key show {key}
...
revoked       {}
`))

tap.test('a key and a client are disabled, found by status, and enabled', async t => await follow(t, `
$ latchkey key create --org {org} --resource https://api.acme.test --scope invoices:read --env live --name paused --metadata team=payments --metadata note=a=b --external-id customer-4711
id            {paused}
...
expires       never
notes         team=payments note=a=b
external id   customer-4711
key           {pausedtext}
Keep the key: it is not shown again.
$ latchkey key disable {paused} --reason "seen in a log"
...
expires       never
notes         team=payments note=a=b
external id   customer-4711
disabled      {}
reason        seen in a log
$ latchkey key list --status disabled --external-id customer-4711
ID                          NAME    LOOKS LIKE     ORGANIZATION                STATUS    EXPIRES  LAST USED
{paused}  paused  {}  {org}  disabled  never    -
$ latchkey key update {paused} --external-id other
! latchkey: The API key {paused} is disabled; enable it before it is changed or rotated, or revoke it. (CREDENTIAL_DISABLED)
[1]
$ latchkey key enable {paused}
...
expires       never
notes         team=payments note=a=b
external id   customer-4711
$ latchkey key update {paused} --clear-metadata --external-id ""
...
expires       never
$ latchkey key update {paused} --metadata team
! error: option '--metadata <name=text>' argument 'team' is invalid. Write a name and a text: team=payments.
! Add --help for its arguments and options.
[2]
$ latchkey client create --org {org} --name paused --resource https://api.acme.test --scope invoices:read --external-id customer-4712
client id         {idle}
...
external id       customer-4712
client secret     {}
Keep the secret: it is not shown again.
$ latchkey client disable {idle} --reason "odd traffic"
...
external id       customer-4712
disabled          {}
reason            odd traffic
$ latchkey client list --status disabled --external-id customer-4712
CLIENT ID                   NAME    ORGANIZATION                LAST USED  STATUS
{idle}  paused  {org}  -          disabled
$ latchkey client enable {idle}
...
external id       customer-4712
$ latchkey client update {idle} --metadata team=ops
...
notes             team=ops
external id       customer-4712
`))

tap.test('organizations have features; members bound the keys they made', async t => await follow(t, `
$ latchkey org update {org} --feature embedding --feature custom-scopes
id        {org}
name      Acme
status    active
features  embedding custom-scopes
created   {}
$ latchkey org update {org} --without-features
id       {org}
name     Acme
status   active
created  {}
$ latchkey org update {org} --calls-per-month 1000 --credits-per-month 50 --calls-per-minute 60
id       {org}
name     Acme
status   active
limits   1000 calls a month, 50 credits a month, 60 calls a minute
created  {}
$ latchkey org update {org} --calls-per-month unlimited --credits-per-month unlimited --calls-per-minute unlimited
id       {org}
name     Acme
status   active
created  {}
$ latchkey member create "Ada L." --org {org} --role member
id            {member}
name          Ada L.
organization  {org}
role          member
may           the scopes of the role
created       {}
$ latchkey member update {member} --role viewer --scope invoices:*
...
role          viewer
may           invoices:*
created       {}
$ latchkey member update {member} --role-scopes
...
may           the scopes of the role
created       {}
$ latchkey member update {member} --email Ada@example.com
id            {member}
name          Ada L.
email         Ada@example.com
organization  {org}
role          viewer
may           the scopes of the role
created       {}
$ latchkey member update {member} --no-email
id            {member}
name          Ada L.
organization  {org}
...
$ latchkey member create Grace --org org_operators --role admin --email grace@example.com --operator
id            {operator}
name          Grace
email         grace@example.com
organization  org_operators
role          admin
operator      may act for the whole deployment
may           the scopes of the role
created       {}
$ latchkey member update {operator} --no-operator
id            {operator}
name          Grace
email         grace@example.com
organization  org_operators
role          admin
may           the scopes of the role
created       {}
$ latchkey member list --org {org}
ID                          NAME    ORGANIZATION                ROLE    REMOVED
{member}  Ada L.  {org}  viewer  -
`))

tap.test('keys: levels of access, objects, organizations, limits, rotation and import', async t => await follow(t, `
$ latchkey org create Other
id       {other}
...
$ latchkey key create --org {org} --resource https://api.acme.test --env test --name full --access full --creator {member} --also-org {other} --calls-per-month 1000 --calls-per-minute 5
id            {full}
name          full
organization  {org}
reaches also  {other}
may           everything at https://api.acme.test
bounded by    {member}
environment   test
addresses     any
limits        1000 calls a month, 5 calls a minute
created       {} by admin
expires       never
key           {fulltext}
Keep the key: it is not shown again.
$ latchkey key update {full} --access custom --scope invoices:* --object projects:prj_1 --object projects:a:b --object tasks:t1 --only-own-org --calls-per-month unlimited --credits-per-month 7
...
may           invoices:* at https://api.acme.test
objects       projects:prj_1,a:b tasks:t1
bounded by    {member}
environment   test
addresses     any
limits        7 credits a month, 5 calls a minute
...
$ latchkey key update {full} --any-object
id            {full}
name          full
organization  {org}
may           invoices:* at https://api.acme.test
bounded by    {member}
...
$ latchkey key rotate {full} --overlap 1h
id            {next}
...
expires       never
replaces      {full}
key           {nexttext}
Keep the key: it is not shown again.
$ latchkey key show {full}
...
expires       {}
replaced by   {next}
$ latchkey key rotate {full}
! latchkey: The API key {full} was replaced by {next}; change that one. To end this one before its overlap does, revoke it. (CREDENTIAL_SUPERSEDED)
[1]
$ latchkey key import --org {org} --resource https://api.acme.test --env live --name legacy --access read-only --digest 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08 --hint …test
id            {legacy}
name          legacy
organization  {org}
may           read everything at https://api.acme.test
environment   live
addresses     any
looks like    …test
created       {} by admin, from a digest
expires       never
$ latchkey key list --org {org} --status rotated --name full
ID                          NAME  LOOKS LIKE     ORGANIZATION                STATUS   EXPIRES               LAST USED
{full}  full  {}  {org}  rotated  {}  -
$ latchkey member remove {member}
id            {member}
...
removed       {}
`))

tap.test('publishable keys: create, list, show, revoke; the signing key is shown once', async t => await follow(t, `
$ latchkey publishable-key list
! There is no publishable key yet. Create one: npx latchkey publishable-key create --org ORG --resource API --scope NAME --env live --name NAME
$ latchkey publishable-key create --org {org} --resource https://api.acme.test --env live --name editor --scope invoices:read
id               {pbk}
name             editor
organization     {org}
sessions may     invoices:read at https://api.acme.test
environment      live
created          {} by admin
publishable key  {pbktext}
-----BEGIN PRIVATE KEY-----
{}
{}
{}
-----END PRIVATE KEY-----
Keep the signing key: it is not shown again.
$ latchkey publishable-key show {pbk}
id               {pbk}
name             editor
organization     {org}
sessions may     invoices:read at https://api.acme.test
environment      live
created          {} by admin
publishable key  {pbktext}
$ latchkey publishable-key list --org {org}
ID                          NAME    PUBLISHABLE KEY                     ORGANIZATION                REVOKED
{pbk}  editor  {pbktext}  {org}  -
$ latchkey publishable-key revoke {pbk} --reason "it leaked"
...
revoked          {}
publishable key  {pbktext}
$ latchkey publishable-key create --org {org} --resource https://api.acme.test --env live --name editor --scope portal-provision
! latchkey: The scope "portal-provision" of https://api.acme.test is API-key only and cannot be granted to an OAuth client. Create an API key instead. (SCOPE_API_KEY_ONLY)
[1]
`))

tap.test('webhook tokens: create, list, show, revoke; the token is shown once', async t => await follow(t, `
$ latchkey webhook-token list
! There is no webhook token yet. Create one: npx latchkey webhook-token create --key KEY --type TYPE --object ID
$ latchkey key create --org {org} --resource https://api.acme.test --env live --name hooks --scope invoices:write
id            {hookkey}
...
$ latchkey webhook-token create --key {hookkey} --type templates --object tpl_1
id              {wht}
organization    {org}
reaches         templates tpl_1 at https://api.acme.test
in the name of  {hookkey}
created         {} by admin
token           {whttext}
Keep the token: it is not shown again.
$ latchkey webhook-token show {wht}
id              {wht}
organization    {org}
reaches         templates tpl_1 at https://api.acme.test
in the name of  {hookkey}
looks like      {}
created         {} by admin
$ latchkey webhook-token list --org {org}
ID                          REACHES          IN THE NAME OF              ORGANIZATION                REVOKED
{wht}  templates tpl_1  {hookkey}  {org}  -
$ latchkey webhook-token revoke {wht} --reason "it leaked"
...
revoked         {}
$ latchkey key revoke {hookkey}
...
$ latchkey webhook-token create --key {hookkey} --type templates --object tpl_1
! latchkey: The API key {hookkey} was revoked; use another one. (CREDENTIAL_REVOKED)
[1]
`))

tap.test('registration tokens: create, change, revoke; the token is shown once', async t => await follow(t, `
$ latchkey registration-token create --org {org} --resource https://api.acme.test --scope invoices:read --uses 1 --expires 2099-01-31 --name agents
id            {rgt}
name          agents
organization  {org}
gives         invoices:read at {}
addresses     any
uses left     1
created       {} by admin
expires       2099-01-31T00:00:00Z
token         {rgttext}
Keep the token: it is not shown again.
$ latchkey registration-token update {rgt} --uses unlimited --expires never
...
uses left     unlimited
looks like    {}
created       {} by admin
expires       never
$ latchkey registration-token list
ID                          NAME    ORGANIZATION                USES LEFT  EXPIRES  REVOKED
{rgt}  agents  {org}  unlimited  never    -
$ latchkey registration-token revoke {rgt}
...
revoked       {}
`))

tap.test('OC-08: access tokens: made for automation, used with --token, revoked', async t => await follow(t, `
$ latchkey access-token list
! There is no access token yet. Create one: npx latchkey access-token create --org ORG --scope NAME --name NAME
$ latchkey access-token create --org {org} --name terraform --scope "clients:*" --scope organizations:read --expires 2099-01-31
id         {mat}
name       terraform
reaches    {org}
may        clients:* organizations:read
addresses  any
created    {} by admin
expires    2099-01-31T00:00:00Z
token      {mattext}
Keep the token: it is not shown again.
$ latchkey access-token list
ID                          NAME       REACHES                     STATUS  EXPIRES               LAST USED
{mat}  terraform  {org}  active  2099-01-31T00:00:00Z  -
$ latchkey --token {mattext} org list
ID                          NAME  STATUS  CREATED
{org}  Acme  active  {}
$ latchkey --token {mattext} member list
! latchkey: The credential lacks a scope that this route needs: members:read. (INSUFFICIENT_PERMISSIONS)
[1]
$ latchkey access-token update {mat} --allow-ip 192.0.2.1
...
addresses   192.0.2.1
...
$ latchkey --token {mattext} org list
! latchkey: The credential may not be used from this address. (UNAUTHORIZED)
! {} refuses the token in use. Set LATCHKEY_TOKEN, or pass --token.
[1]
$ latchkey access-token revoke {mat} --reason left
...
reason      left
$ latchkey access-token create --deployment --name operator --scope "*:read"
id         {}
name       operator
reaches    the whole deployment
...
`))

tap.test('clients that act for members: a rule for unverified ones, approvals, and what members allowed', async t => await follow(t, `
$ latchkey org admit-clients {org} --unverified approve
...
unverified clients  approve
...
$ latchkey client-approval list
! No client is approved yet: npx latchkey client-approval create CLIENT --org ORG
$ latchkey client-approval create https://agent.example/client.json --org {org}
id            {cap}
client        https://agent.example/client.json
name          https://agent.example/client.json
organization  {org}
approved      {} by admin
$ latchkey client-approval create https://agent.example/client.json --org {org}
! latchkey: {org} has approved https://agent.example/client.json already. (CONFLICT)
[1]
$ latchkey client-approval list
ID                          CLIENT                             NAME                               ORGANIZATION                APPROVED
{cap}  https://agent.example/client.json  https://agent.example/client.json  {org}  {}
$ latchkey client-approval show {cap}
id            {cap}
...
$ latchkey client-approval remove {cap}
id            {cap}
...
$ latchkey org admit-clients {org} --unverified allow
...
$ latchkey authorization list --org {org}
! No member has allowed a client anything yet.
$ latchkey authorization consents --org {org}
! No member has allowed a client anything yet.
$ latchkey authorization end aut_none
! latchkey: There is no authorization "aut_none". (NOT_FOUND)
[1]
$ latchkey authorization end-consent cns_none
! latchkey: There is no consent "cns_none". (NOT_FOUND)
[1]
`))

tap.test('OC-06: MCP servers: what to answer to who comes without a token', async t => await follow(t, `
$ latchkey mcp-server create https://mcp.acme.test/mcp --org {org} --scope tools:call --scope tools:list --default-scope tools:list
id            {mcp}
url           https://mcp.acme.test/mcp
organization  {org}
listed as     test.acme.mcp/mcp 1.0.0
scopes        tools:call tools:list
by default    tools:list
metadata      {metadata}
created       {}
401 with      WWW-Authenticate: Bearer resource_metadata="{metadata}", scope="tools:list"
$ latchkey mcp-server list
ID                          URL                        ORGANIZATION                STATUS  BY DEFAULT
{mcp}  https://mcp.acme.test/mcp  {org}  active  tools:list
$ latchkey mcp-server update https://mcp.acme.test/mcp --without-defaults
...
by default    nothing
...
$ latchkey mcp-server revoke {mcp}
...
revoked       {}
...
`))

tap.test('signing keys: rotated in time, or at once; revoked', async t => await follow(t, `
$ latchkey signing-key list
KID                                          ALGORITHM  STATE   SIGNS FROM            SIGNS UNTIL  PUBLISHED UNTIL
{first}  ES256      active  {}  -            -
$ latchkey signing-key rotate
kid         {second}
algorithm   ES256
state       pending
created     {}
signs from  {}
$ latchkey signing-key rotate
! latchkey: A signing key of ES256 is pending and will sign from {}; wait for it, or let it sign now. (CONFLICT)
[1]
$ latchkey signing-key rotate --now
kid         {second}
algorithm   ES256
state       active
created     {}
signs from  {}
$ latchkey signing-key show {first}
kid              {first}
algorithm        ES256
state            retired
created          {}
signs from       {}
signs until      {}
published until  {}
$ latchkey signing-key revoke {second} --reason "a backup was stolen"
kid                {second}
algorithm          ES256
state              revoked
created            {}
signs from         {}
signs until        {}
last tokens until  {}
revoked            {}
reason             a backup was stolen
$ latchkey signing-key list --state active
KID                                          ALGORITHM  STATE   SIGNS FROM            SIGNS UNTIL  PUBLISHED UNTIL
{third}  ES256      active  {}  -            -
$ latchkey resource create https://rsa.acme.test --scope read --algorithm RS256
...
tokens signed by  RS256
...
$ latchkey resource update HTTPS://RSA.acme.test:443 --algorithm ES256
...
identifier  https://rsa.acme.test
...
$ latchkey signing-key list --algorithm RS256
KID                                          ALGORITHM  STATE   SIGNS FROM            SIGNS UNTIL  PUBLISHED UNTIL
{rsa}  RS256      active  {}  -            -
$ latchkey signing-key rotate --algorithm RS256 --now
...
algorithm   RS256
state       active
...
`))

tap.test('wrong usage is exit code 2 and says what is wrong', async t => {
  for (
    const [command, message] of [
      ['', /Usage: latchkey/],
      ['org', /Usage: latchkey org/],
      ['orgs', /unknown command 'orgs'/],
      ['org erase x', /unknown command 'erase'/],
      ['org delete x', /add --yes; to refuse them for a while: npx latchkey org suspend x/],
      ['access-token create --name x', /--org ORG, or --deployment/],
      ['access-token create --name x --org y --deployment', /cannot be used with/],
      ['access-token update x', /give at least one of --name, --scope, --allow-ip, --allow-any-ip, --expires/],
      ['access-token list --status gone', /Allowed choices are active, expired, revoked/],
      ['mcp-server create https://x.test', /required option '--org <id>' not specified/],
      ['mcp-server update x', /give at least one of --name, --scope, --default-scope, --without-defaults/],
      ['resource create https://x.test --algorithm HS256', /Allowed choices are ES256, RS256, EdDSA/],
      ['signing-key list --state new', /Allowed choices are pending, active, retired, revoked, gone/],
      ['org create', /missing required argument 'name'/],
      ['org create a b', /too many arguments/],
      ['org create Acme --colour red', /unknown option '--colour'/],
      ['org show ""', /"" is not an id/],
      ['org show ..', /"\.\." is not an id/],
      ['org update x', /Nothing to change: give at least one of --name/],
      ['client create --org x', /required option '--name <text>' not specified/],
      ['client create --org x --name y --scope z', /name it with --resource/],
      ['client create --org x --name y --auth-method private_key_jwt', /--jwks FILE/],
      ['client create --org x --name y --public --auth-method none', /cannot be used with/],
      ['client create --org x --name y --grant-type password', /Allowed choices are client_credentials/],
      ['client create --org x --name y --auth-method never', /Allowed choices are client_secret_basic/],
      ['client update x --allow-ip ::1 --allow-any-ip', /cannot be used with/],
      ['client update x --resource y', /give --scope too/],
      ['client rotate-secret x --overlap tomorrow', /24h, 90d/],
      ['key create --org x --resource y --env prod --name z', /Allowed choices are live, test/],
      ['key create --org x --resource y --env live --name z --expires 2027-02-31', /2027-01-31/],
      ['key list --limit 0', /whole number, 1 or greater/],
      ['key list --status gone', /Allowed choices are active, disabled, expired, rotated, revoked/],
      ['key update x', /Nothing to change: give at least one of the flags in --help/],
      ['key update x --object projects', /projects:prj_1/],
      ['key update x --object constructor:', /projects:prj_1/],
      ['key update x --object a:b --any-object', /cannot be used with/],
      ['key update x --calls-per-month 0', /or unlimited/],
      ['key update x --access all', /Allowed choices are full, read-only, custom/],
      ['key rotate x --overlap tomorrow', /24h, 90d/],
      [
        'key import --org x --resource y --env live --name z --hint h',
        /required option '--digest <sha256>' not specified/
      ],
      ['member create Ada --org x', /required option '--role <name>' not specified/],
      ['member update x', /give at least one of --name, --email, --no-email, --role, /],
      ['org update x --feature a --without-features', /cannot be used with/],
      ['publishable-key create --org x --resource y --env prod --name z', /Allowed choices are live, test/],
      ['webhook-token create --type t --object x', /required option '--key <id>' not specified/],
      ['registration-token create --org x --uses 0', /or unlimited/],
      ['registration-token create --org x --scope y', /name it with --resource/]
    ] as const
  ) {
    const { code, stdout, stderr } = await latchkey(command)
    t.equal(code, 2, command)
    t.match(stderr, message)
    t.equal(stdout, '')
  }
})

tap.test('help and version are successes', async t => {
  t.match(await latchkey('--help'), { code: 0, stdout: /registration-token/, stderr: '' })
  t.match(await latchkey('client --help'), { code: 0, stdout: /rotate-secret/, stderr: '' })
  t.match(await latchkey('--version'), { code: 0, stdout: /^\d+\.\d+\.\d+\n$/, stderr: '' })
})

tap.test('--json prints exactly what the API answered, a refusal to stderr', async t => {
  const token = await adminToken()
  const answer = await fetch(`${server.url}/api/v1/organizations`, { headers: { authorization: `Bearer ${token}` } })
  t.same(await latchkey('--json org list'), { code: 0, stdout: await answer.text(), stderr: '' })
  const refused = await latchkey('org show nope --json')
  t.match(refused, { code: 1, stdout: '' })
  t.same(JSON.parse(refused.stderr), { error: 'There is no organization "nope".', code: 'NOT_FOUND' })
})

tap.test('a list says when there is more, and where it goes on', async t => {
  await latchkey('org create Second')
  const first = await latchkey('org list --limit 1')
  const cursor = /--cursor (\S+)/.exec(first.stderr)?.[1]
  t.match(first.stdout, /Second/)
  t.match(await latchkey(`org list --limit 3 --cursor ${cursor}`), {
    code: 0, stdout: /Other[^]*Acme[^]*Operators/, stderr: ''
  })
})

tap.test('where the server is: options before environment before the local data folder', async t => {
  const elsewhere = { LATCHKEY_DATA: '/nonexistent/latchkey' }
  const token = await adminToken()
  t.match(await latchkey('org list', elsewhere), {
    code: 1, stderr: /No server found.*npx latchkey serve.*--url or LATCHKEY_URL/
  })
  t.match(await latchkey('org list', { ...elsewhere, LATCHKEY_URL: server.url, LATCHKEY_TOKEN: token }), { code: 0 })
  t.match(
    await latchkey(`org list --url ${server.url}/ --token ${token}`, {
      ...elsewhere, LATCHKEY_URL: 'http://127.0.0.1:1', LATCHKEY_TOKEN: 'other'
    }),
    { code: 0 }
  )
  t.match(await latchkey('org list --url nonsense'), { code: 1, stderr: /write it like https/ })
  t.match(await latchkey('org list --url http://latchkey.invalid --token x'), {
    code: 1, stderr: /The host of http:\/\/latchkey\.invalid cannot be resolved\. Check --url or LATCHKEY_URL\./
  })
  t.match(await latchkey('org list', { LATCHKEY_URL: 'http://127.0.0.1:2', LATCHKEY_TOKEN: 'x' }), {
    code: 1, stderr: /No server listens at http:\/\/127\.0\.0\.1:2\..*npx latchkey serve.*--url/
  })
})

tap.test('the local admin token goes to the local server and to nobody else', async t => {
  t.match(await latchkey('org list --url http://127.0.0.1:2'), {
    code: 1, stderr: /No token for http:\/\/127\.0\.0\.1:2: set LATCHKEY_TOKEN, or pass --token/
  })
})

tap.test('a token is never printed, whatever is wrong with it', async t => {
  for (
    const secret of [
      'wrong-token-4711', 'wrong token 4711', 'wröng-4711', 'wrong\n4711', 'wrong\u20ac4711', 'lk_live_4711'
    ]
  ) {
    const { code, stdout, stderr } = await run(process.execPath, [latchkeyCommand, 'org', 'list', '--token', secret], {
      env: server.environment
    })
    t.equal(code, 1)
    t.notMatch(stdout + stderr, /4711/)
    t.match(stderr, /token/)
  }
})

tap.test('an API key of the management API works as a token, within its organization', async t => {
  const { identifier } = (JSON.parse((await latchkey('--json resource show res_management')).stdout)) as {
    identifier: string
  }
  const created = await latchkey(
    `--json key create --org ${
      words.get('org')
    } --resource ${identifier} --scope clients:read --env live --name operator`
  )
  const { key } = JSON.parse(created.stdout) as { key: string }
  t.match(await latchkey('whoami', { LATCHKEY_TOKEN: key }), {
    code: 0, stdout: new RegExp(`^kind +api_key\nname +operator\norganization +${words.get('org')}$`, 'm')
  })
  t.match(await latchkey('client list', { LATCHKEY_TOKEN: key }), { code: 0 })
  const { id } = JSON.parse(created.stdout) as { id: string }
  const { stdout } = await eventually(() => latchkey(`key usage ${id}`), ({ stdout }) => stdout.includes('DAY'))
  t.match(stdout, /^calls +[1-9]\d*\n[^]*\nDAY +CALLS +CREDITS\n\d{4}-\d\d-\d\d +[1-9]\d* +0\n$/m)
  t.match(await latchkey('org create Third', { LATCHKEY_TOKEN: key }), { code: 1, stderr: /INSUFFICIENT_PERMISSIONS/ })
})

tap.test('clients that act for people: redirect URIs, grants, with and without a secret', async t => await follow(t, `
$ latchkey client create --org {org} --name agent --public --redirect-uri http://127.0.0.1/cb --redirect-uri cursor://anysphere.cursor-mcp/oauth/callback
client id         {agent}
name              agent
organization      {org}
addresses         any
redirects to      http://127.0.0.1/cb
redirects to      cursor://anysphere.cursor-mcp/oauth/callback
grants            authorization_code refresh_token
application       native
ID tokens by      ES256
authenticates by  none
created           {}
$ latchkey client create --org {org} --name web --redirect-uri https://app.example/cb --grant-type authorization_code --resource https://api.acme.test
client id         {web}
name              web
organization      {org}
may               nothing at https://api.acme.test
addresses         any
redirects to      https://app.example/cb
grants            authorization_code
application       web
ID tokens by      ES256
authenticates by  client_secret_basic
secret            {}
created           {}
client secret     {}
Keep the secret: it is not shown again.
$ latchkey client update {web} --redirect-uri https://app.example/other --grant-type authorization_code --grant-type refresh_token
...
redirects to      https://app.example/other
grants            authorization_code refresh_token
...
$ latchkey client update {web} --id-token-alg RS256 --pkce-optional
...
ID tokens by      RS256
PKCE              optional
...
$ latchkey client update {web} --pkce-required
...
ID tokens by      RS256
authenticates by  client_secret_basic
...
$ latchkey client create --org {org} --name web --redirect-uri https://app.example/cb --scope openid --scope email
! latchkey: openid, profile and email need no --scope and no --resource: every client with a --redirect-uri may ask for them.
[2]
$ latchkey client update {web} --redirect-uri https://app.example/cb#x
! latchkey: --redirect-uri https://app.example/cb#x has a fragment (RFC 6749 §3.1.2). (INVALID_REQUEST)
[1]
$ latchkey client create --org {org} --name app --public --redirect-uri data:text/html,x
! latchkey: --redirect-uri data:text/html,x uses the scheme data, which is never safe. (INVALID_REQUEST)
[1]
$ latchkey client create --org {org} --name app --redirect-uri https://app.example/cb --redirect-uri htps://app.example/cb
! latchkey: --redirect-uri htps://app.example/cb uses the private scheme htps, which is no reversed domain name such as com.example.app (RFC 8252 §7.1): write https if that is meant, or an operator allows it by LATCHKEY_REDIRECT_SCHEMES. (INVALID_REQUEST)
[1]
$ latchkey client create --org {org} --name app --public
! latchkey: A client without a secret acts for people: name its --redirect-uri.
[2]
`))

tap.test('a client with keys of its own: public ones are sent, private ones never leave', async t => {
  const folder = await mkdtemp(join(tmpdir(), 'latchkey-jwks-'))
  t.teardown(async () => await rm(folder, { recursive: true, force: true }))
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const write = async (name: string, content: string) => {
    await writeFile(join(folder, name), content)
    return join(folder, name)
  }
  const create = async (file: string) =>
    await latchkey(`client create --org ${words.get('org')} --name own-keys --jwks ${file}`)
  const set = (key: KeyObject) =>
    JSON.stringify({ keys: [{ ...key.export({ format: 'jwk' }), kid: 'one', alg: 'ES256' }] })

  t.match(await create(await write('public.json', set(publicKey))), {
    code: 0, stdout: /authenticates by {2}private_key_jwt\n(?!.*secret)/s
  })
  t.match(await create(await write('private.json', set(privateKey))), {
    code: 1, stderr: /contains a private key.*Nothing was sent/
  })
  t.match(await create(await write('one.json', JSON.stringify(publicKey.export({ format: 'jwk' })))), {
    code: 1, stderr: /is not a JWK set/
  })
  t.match(await create(await write('broken.json', '{')), { code: 1, stderr: /is not JSON/ })
  t.match(await create(join(folder, 'missing.json')), { code: 1, stderr: /cannot be read \(ENOENT\)/ })
})

tap.test('CL-08: usage of a key, credits of an organization: show and grant', async t => await follow(t, `
$ latchkey key usage {key} --from 2026-01-01 --to 2026-01-31
key          {key}
environment  live
days         2026-01-01 to 2026-01-31, UTC
calls        0
credits      0
calls today  0
last used    never
$ latchkey key usage {key} --from tomorrow
! latchkey: --from must match format "date". A day, UTC: 2027-01-31. (INVALID_REQUEST)
[1]
$ latchkey org credits {org}
organization  {org}
live          0
test          0
$ latchkey org credits {org} --grant 500 --env live --reason welcome
granted  500 live credits
balance  500
reason   welcome
entry    {entry}
$ latchkey org credits {org}
organization  {org}
live          500
test          0
$ latchkey org credits {org} --grant 5
! latchkey: Name the account: --env live or --env test.
[2]
$ latchkey org credits {org} --env live
! latchkey: --env and --reason go with --grant.
[2]
`))

tap.test('a number of credits is a whole one', async t => {
  for (const amount of ['0', '-1', '1.5', 'many', '9007199254740993']) {
    t.match(await latchkey(`org credits ${words.get('org')} --env live --grant ${amount}`), {
      code: 2, stderr: /Write a whole number, 1 or greater/
    }, amount)
  }
})

async function adminToken (): Promise<string> {
  return (await readFile(`${server.dataFolder}/admin-token`, 'utf8')).trim()
}

tap.test('what is made with a token that is confined to an organization belongs there, without --org', async t => {
  const { stdout } = await latchkey(
    words.fill('key create --org {org} --resource res_management --access full --env live --name agent --json')
  )
  const LATCHKEY_TOKEN = JSON.parse(stdout).key
  for (
    const command of [
      'client create --name agent', 'member create Ada --role viewer', 'registration-token create --name agents',
      'key create --resource https://api.acme.test --scope invoices:read --env live --name own'
    ]
  ) {
    const { code, stdout, stderr } = await latchkey(`${command} --json`, { LATCHKEY_TOKEN })
    t.equal(code, 0, stderr)
    t.equal(JSON.parse(stdout).organization, words.fill('{org}'), command)
    const refused = await latchkey(command)
    t.match(
      refused, { code: 1, stderr: /Name the organization that it should belong to.* \(INVALID_REQUEST\)\nPass --org ORG/ },
      'the admin token is confined to none'
    )
  }
})

tap.test('OC-04: an organization is ended with --yes and not without', async t => await follow(t, `
$ latchkey org create "Short lived"
id       {short}
name     Short lived
status   active
created  {}
$ latchkey org suspend {short} --reason unpaid
id         {short}
name       Short lived
status     suspended
created    {}
suspended  {}
$ latchkey org delete {short} --yes
id         {short}
name       Short lived
status     deleted
created    {}
suspended  {}
deleted    {}
$ latchkey org resume {short}
! latchkey: The organization {short} was deleted and cannot be changed. (ORGANIZATION_NOT_ACTIVE)
[1]
`))

tap.test('on a terminal, what destroys asks first, and --yes answers beforehand', async t => {
  const { stdout } = await latchkey('org create Doomed --json')
  const { id } = JSON.parse(stdout) as { id: string }
  const statusOf = async () =>
    (JSON.parse((await latchkey(`org show ${id} --json`)).stdout) as { status: string }).status
  const refused = await onTerminal(`org delete ${id}`, 'n')
  t.match(refused, { code: 2, stdout: /this cannot be undone\. Continue\? \[y\/N\].*Nothing was changed\./s })
  t.equal(await statusOf(), 'active')
  t.equal((await onTerminal(`org delete ${id}`, 'y')).code, 0)
  t.equal(await statusOf(), 'deleted')
  const key = JSON.parse(
    (await latchkey(
      words.fill(
        'key create --org {org} --resource https://api.acme.test --scope invoices:read --env live --name asked --json'
      )
    )).stdout
  ) as { id: string }
  t.match((await onTerminal(`key revoke ${key.id} --yes`, 'n')).stdout, /^revoked {7}/m, 'without a question')
})

tap.test('many keys are taken over from a file, which can be given again, and a line that is wrong is named', async t => {
  const folder = await mkdtemp(join(tmpdir(), 'latchkey-import-'))
  t.teardown(() => rm(folder, { recursive: true }))
  const file = join(folder, 'keys.ndjson')
  const digestOf = (text: string) => createHash('sha256').update(text).digest('hex')
  const line = (i: number, more = {}) =>
    JSON.stringify({
      digest: digestOf(`made elsewhere, number ${i}`),
      hint: `…${1000 + i}`,
      name: `legacy ${i}`,
      resource: 'https://api.acme.test',
      environment: 'live',
      scopes: ['invoices:read'],
      ...more
    })
  await writeFile(file, Array.from({ length: 30 }, (_, i) => `${line(i)}\n`).join('') + '\n')
  const { id } = JSON.parse((await latchkey('org create Importing --json')).stdout) as { id: string }
  t.match(await latchkey(`key import-file ${file} --org ${id}`), {
    code: 0, stdout: '30 keys imported; 0 were already present.\n'
  })
  t.match(await latchkey(`key import-file ${file} --org ${id} --json`), {
    code: 0, stdout: '{"imported":0,"present":30}\n'
  })
  t.match(await onTerminal(`key import-file ${file} --org ${id}`, ''), {
    code: 0, stdout: /\r1 keys imported[^]*\r30 keys imported\r\n0 keys imported; 30 were already present\./
  }, 'with a running count on a terminal')
  const other = JSON.parse((await latchkey('org create Other --json')).stdout) as { id: string }
  t.match(await latchkey(`key import-file ${file} --org ${other.id}`), {
    code: 1,
    stderr: new RegExp(`keys\\.ndjson:1: .* exists already for https://api\\.acme\\.test: key_\\w+ of ${id}\\.`)
  }, 'what another organization has is not there')
  await writeFile(file, `${line(30)}\n${line(31, { scopes: ['nothing:there'] })}\n${line(32)}\n`)
  const refused = await latchkey(`key import-file ${file} --org ${id}`)
  t.match(refused, { code: 1, stderr: /keys\.ndjson:2: .*nothing:there.*run it again/s })
  const { data } = JSON.parse((await latchkey(`key list --org ${id} --json --limit 100`)).stdout) as { data: unknown[] }
  t.equal(data.length, 31, 'what stood above it is there, what stood below it is not')
  await writeFile(file, '["digest"]\n')
  t.match(await latchkey(`key import-file ${file} --org ${id}`), {
    code: 1, stderr: /keys\.ndjson:1: It is not a JSON object\./
  })
  t.match(await latchkey(`key import-file ${folder}/absent --org ${id}`), {
    code: 1, stderr: /cannot be read \(ENOENT\)/
  })
})

tap.test('scopes have descriptions, and keep them where a change names the scope alone', async t => {
  for (const kind of ['mcp-server', 'resource']) {
    const url = `https://described.acme.test/${kind}`
    const scopesAfter = async (command: string) =>
      (JSON.parse((await latchkey(`--json ${kind} ${command}`)).stdout) as { scopes: unknown }).scopes
    const call = { name: 'tools:call', keyOnly: false, description: 'Call the tools: all of them' }
    const list = { name: 'tools:list', keyOnly: false, description: 'See the tools' }
    t.strictSame(
      await scopesAfter(`create ${url} --org ${words.get('org')} --scope "tools:call: ${call.description}"`), [call]
    )
    t.strictSame(
      await scopesAfter(`update ${url} --scope tools:call --scope "tools:list: See the tools"`), [call, list]
    )
    t.match(await latchkey(`${kind} update ${url} --scope "tools:call tools:list"`), {
      code: 1, stderr: /body\.scopes\.0\.name must match pattern/
    })
  }
})
