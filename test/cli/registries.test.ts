/** Skills and third-party sources on the command line, as transcripts against a real server. */
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import tap from 'tap'
import { skillFile, zip } from '../support/archives.ts'
import { commandLine } from '../support/command-line.ts'
import { startServer } from '../support/running-server.ts'

const server = await startServer(tap)
const folder = tap.testdir({ 'headers.json': '{"authorization":"Bearer very-secret-7c1d"}' })
const archive = zip([{ name: 'SKILL.md', content: skillFile() }])
writeFileSync(join(folder, 'pdf-forms.zip'), archive)
writeFileSync(join(folder, 'bad.zip'), zip([{ name: '../SKILL.md', content: skillFile() }]))

const { follow } = commandLine(server.environment, folder)

tap.test('OC-19: skills are published, listed, downloaded and yanked', async t => {
  await follow(t, `
$ latchkey org create Acme
id       {org}
...
$ latchkey skill list
! There is no skill yet. Publish one: npx latchkey skill publish FILE --release 1.0.0
$ latchkey skill publish pdf-forms.zip --release 1.0.0 --org {org}
id            {skill}
name          pdf-forms
version       1.0.0
organization  {org}
description   Fills in PDF forms.
archive       zip, ${archive.length} bytes, 1 files
digest        sha256:{}
signature     {}
published     {} by admin
$ latchkey skill publish pdf-forms.zip --release 1.0.0 --org {org}
! latchkey: pdf-forms@1.0.0 was published on {} with this content; a version never changes, so publish another one. (CONFLICT)
[1]
$ latchkey skill publish bad.zip --release 1.0.1 --org {org}
! latchkey: The archive has the entry "../SKILL.md", which does not lead straight to one place. (INVALID_REQUEST)
[1]
$ latchkey skill publish none.zip --release 1.0.1 --org {org}
! latchkey: none.zip cannot be read (ENOENT).
[1]
$ latchkey skill download pdf-forms@1.0.0 --org {org}
${archive.length} bytes written to pdf-forms-1.0.0.zip, with the digest of the record.
$ latchkey skill show pdf-forms@1.0.0
! latchkey: Name the organization of the skill, or the skill by its id: names are those of an organization. (INVALID_REQUEST)
! Pass --org ORG.
[1]
$ latchkey skill download {skill}
! latchkey: pdf-forms-1.0.0.zip exists, and is not overwritten; name another file with --out.
[1]
$ latchkey skill publish . --release 1.0.1 --org {org}
! latchkey: . is a folder; pack it first, with zip or tar, and publish the archive.
[1]
$ latchkey skill yank pdf-forms@1.0.0
! latchkey: Name the organization of the skill, or the skill by its id: names are those of an organization. (INVALID_REQUEST)
! Pass --org ORG.
[1]
$ latchkey skill list --status yanked
! There is no skill yet. Publish one: npx latchkey skill publish FILE --release 1.0.0
$ latchkey skill yank pdf-forms@1.0.0 --org {org} --reason "leaks names"
id            {skill}
...
reason        leaks names
$ latchkey skill download {skill} --out again.zip
${archive.length} bytes written to again.zip, with the digest of the record.
! This version was yanked.
`)
  for (const name of ['pdf-forms-1.0.0.zip', 'again.zip']) t.ok(readFileSync(join(folder, name)).equals(archive), name)
})

tap.test('OC-19: third-party sources are added, listed, changed and removed; their headers stay sealed', async t =>
  await follow(t, `
$ latchkey source list
! There is no third-party source yet. Add one: npx latchkey source add URL --name NAME --kind mcp-registry
$ latchkey source add https://127.0.0.1/v0.1/servers --name Official --kind mcp-registry --headers-file headers.json --org {org}
id            {source}
name          Official
organization  {org}
kind          mcp-registry, of a third party
url           https://127.0.0.1/v0.1/servers
sends         authorization
asked         never
created       {} by admin
$ latchkey source refresh {source}
id            {source}
...
asked         {}: cannot be fetched
created       {} by admin
$ latchkey source content {source}
! latchkey: Nothing of the third-party source {source} is kept; refresh it, and see lastFetch for what went wrong. (NOT_FOUND)
[1]
$ latchkey source update {source} --address https://other.example/
! latchkey: The headers of this source were given for another host; send them anew with the URL, or {} for none. (INVALID_REQUEST)
[1]
$ latchkey source update {source}
! latchkey: Nothing to change: give at least one of --name, --address and --headers-file.
[2]
$ latchkey source remove {source}
Removed.
`))
