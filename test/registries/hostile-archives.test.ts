/** OC-19: hostile archives, each refused over HTTP by its reason; and good ones of other programs, taken. */
import { execFileSync } from 'node:child_process'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { crc32, gzipSync } from 'node:zlib'
import tap from 'tap'
import { skillFile, tar, tarEntries, tarGz, zip, type TarEntry, type ZipEntry } from '../support/archives.ts'
import { foreignProgram } from '../support/foreign-programs.ts'
import { startServer, type Json } from '../support/test-server.ts'

const server = await startServer()
tap.teardown(() => server.close())
const { id: organization } = await server.createOrganization()

let published = 0
async function publish (body: Buffer, type = 'application/octet-stream'): Promise<{ status: number, json: Json }> {
  const { status, json } = await server.send({
    method: 'POST',
    path: `/api/v1/skills?organization=${organization}&version=1.0.${published++}`,
    body,
    headers: { authorization: `Bearer ${server.adminToken}`, 'content-type': type }
  })
  return { status, json }
}

const skill = { name: 'SKILL.md', content: skillFile() }
const withZip = (...more: ZipEntry[]) => zip([skill, ...more])
const withTar = (...more: TarEntry[]) => tar([skill, ...more])
const many = Array.from({ length: 1_000 }, (_, i) => ({ name: `assets/${i}`, content: '' }))
const zeros = (megabytes: number) => Buffer.alloc(megabytes * 1024 * 1024)
const cut = (bytes: Buffer, count: number) => bytes.subarray(0, bytes.length - count)
const pax = (records: string, type = 'x') => ({ name: 'pax', type, content: records })
const record = (text: string) => `${text.length + 4} ${text}\n`

/** Zip archives within each other: each file is small, and unpacks to much. */
const bomb = withZip(...Array.from({ length: 6 }, (_, i) => ({
  name: `assets/${i}.zip`, content: zip([{ name: 'zeros', content: zeros(10) }])
})))
const doll = (depth: number): Buffer =>
  zip([depth === 0 ? { name: 'a' } : { name: 'a.zip', content: doll(depth - 1) }])

const wrongCentral = (() => {
  const bytes = withZip({ name: 'scripts/run.sh', content: 'x' })
  bytes.writeUInt32LE(0x12345678, bytes.lastIndexOf('PK\x01\x02') + 16)
  return bytes
})()

/** The extra field of another name (APPNOTE 4.6.9). */
const anotherName = (text: string) => {
  const field = Buffer.alloc(9 + Buffer.byteLength(text))
  field.writeUInt16LE(0x7075, 0)
  field.writeUInt16LE(field.length - 4, 2)
  field.writeUInt8(1, 4)
  field.writeUInt32LE(crc32('assets/a'), 5)
  field.write(text, 9)
  return field
}
const described = (content: string | Buffer, says: { crc?: number, size?: number } = {}) => {
  const { crc = crc32(content), size = content.length } = says
  const descriptor = Buffer.alloc(16)
  descriptor.writeUInt32LE(0x08074b50, 0)
  descriptor.writeUInt32LE(crc, 4)
  descriptor.writeUInt32LE(size, 8)
  descriptor.writeUInt32LE(size, 12)
  return { name: 'assets/a', content, flags: 0x808, method: 0, descriptor }
}

/** Data that seems to end early, with a descriptor there, and an entry behind that only programs see that stream. */
const endingEarly = (() => {
  const [entry, hidden] = [described('seen'), zip([{ name: 'scripts/hidden.sh', content: 'rm -r /', method: 0 }])]
  return Buffer.concat([Buffer.from('seen'), entry.descriptor, hidden])
})()

const refused: Record<string, [reason: string, archive: Buffer]> = {
  'zip: a path out of the folder (Zip Slip)': ['unsafe_name', withZip({ name: '../../etc/cron.d/x' })],
  'zip: a path out of the folder, in the middle': ['unsafe_name', withZip({ name: 'a/../../x' })],
  'zip: an absolute path': ['unsafe_name', withZip({ name: '/etc/passwd' })],
  'zip: an absolute path of Windows': ['unsafe_name', withZip({ name: 'C:/Windows/x' })],
  'zip: a backslash': ['unsafe_name', withZip({ name: '..\\..\\x' })],
  'zip: a stream of NTFS': ['unsafe_name', withZip({ name: 'assets/a:b' })],
  'zip: a device of Windows': ['unsafe_name', withZip({ name: 'assets/NUL.txt' })],
  'zip: a NUL in a name': ['unsafe_name', withZip({ name: 'a\0b' })],
  'zip: a name that is not in UTF-8': ['unsafe_name', withZip({ name: 'é', flags: 0 })],
  'zip: a symbolic link': ['special_file', withZip({ name: 'assets/link', content: '/etc/passwd', mode: 0o120777 })],
  'zip: a device': ['special_file', withZip({ name: 'assets/disk', mode: 0o060644 })],
  'zip: an encrypted entry': ['encrypted', withZip({ name: 'assets/secret', flags: 0x801 })],
  'zip: strong encryption': ['encrypted', withZip({ name: 'assets/secret', flags: 0x841 })],
  'zip: a name twice': ['duplicate_name', withZip({ name: 'assets/a' }, { name: 'assets/a' })],
  'zip: a name twice, where case does not count': ['duplicate_name', withZip({ name: 'skill.MD' })],
  'zip: a name twice, composed and not': [
    'duplicate_name', withZip({ name: 'assets/\u00e9' }, { name: 'assets/e\u0301' })
  ],
  'zip: a file that is a folder, too': ['duplicate_name', withZip({ name: 'assets' }, { name: 'assets/a' })],
  'zip: another name before the data': ['contradictory', withZip({ name: 'assets/a', localName: 'assets/b' })],
  'zip: another name in an extra field before the data': [
    'contradictory', withZip({ name: 'assets/a', localExtra: anotherName('../b') })
  ],
  'zip: two other names in extra fields': [
    'contradictory',
    withZip({ name: 'assets/a', localExtra: Buffer.concat([anotherName('assets/a'), anotherName('assets/b')]) })
  ],
  'zip: another checksum behind the data': ['contradictory', withZip(described('x', { crc: 1 }))],
  'zip: another size behind the data': ['contradictory', withZip(described('xyz', { size: 1 }))],
  'zip: bytes in place of a data descriptor': [
    'contradictory', withZip({ ...described('x'), descriptor: Buffer.from('#!/bin/sh\nrm -r /\n') })
  ],
  'zip: an entry behind the early end of compressed data': [
    'contradictory',
    withZip({ name: 'assets/a', content: 'seen', behind: zip([{ name: 'scripts/hidden.sh', content: 'rm -r /' }]) })
  ],
  'zip: an entry behind a data descriptor within the data': [
    'contradictory', withZip(described(endingEarly))
  ],
  'zip: a path that some programs take for one out of the folder': [
    'unsafe_name', withZip({ name: '\uff0e\uff0e\uff0fx' })
  ],
  'zip: a device of Windows by another digit': ['unsafe_name', withZip({ name: 'assets/COM\u00b9' })],
  'zip: the console of Windows': ['unsafe_name', withZip({ name: 'assets/CONOUT$' })],
  'zip: a device of Windows before a space': ['unsafe_name', withZip({ name: 'assets/NUL .txt' })],
  'zip: a name twice, by a letter with two small forms': [
    'duplicate_name', withZip({ name: 'assets/\u03c2' }, { name: 'assets/\u03c3' })
  ],
  'zip: a name twice, by a letter that folds to two': [
    'duplicate_name', withZip({ name: 'assets/\u00df' }, { name: 'assets/ss' })
  ],
  'zip: a name twice, but for a character that some file systems ignore': [
    'duplicate_name', withZip({ name: 'SKILL\u200c.md' })
  ],
  'zip: more than 1,000 directories, named by their files alone': [
    'too_many_files', withZip(...Array.from({ length: 300 }, (_, i) => ({ name: `${i}/a/b/c/d` })))
  ],
  'zip: two entries of the same bytes': [
    'contradictory', withZip({ name: 'SKILL.MD2', sameAs: 0, content: skillFile() })
  ],
  'zip: bytes between entries and directory': ['contradictory', zip([skill], { gap: Buffer.from('hidden') })],
  'zip: bytes before it': ['contradictory', Buffer.concat([zip([skill]).subarray(0, 4), zip([skill])])],
  'zip: two ends': ['contradictory', zip([skill], { comment: `PK\x05\x06${'\0'.repeat(4)}` })],
  'zip: bytes behind it': ['trailing_bytes', Buffer.concat([zip([skill]), Buffer.from('more')])],
  'zip: cut off': ['damaged', cut(withZip({ name: 'assets/a', content: 'x'.repeat(999) }), 40)],
  'zip: a wrong checksum': ['damaged', withZip({ name: 'assets/a', content: 'x', says: { crc: 1 } })],
  'zip: a checksum in its directory alone': ['contradictory', wrongCentral],
  'zip: a size that is too small': ['damaged', withZip({ name: 'assets/a', content: zeros(1), says: { size: 10 } })],
  'zip: more than 50 MiB': ['too_large', withZip({ name: 'assets/a', content: zeros(51) })],
  'zip: more than 50 MiB together': [
    'too_large', withZip(...[1, 2, 3].map(i => ({ name: `assets/${i}`, content: zeros(18) })))
  ],
  'zip: archives inside that unpack to more (42.zip)': ['too_large', bomb],
  'zip: archives within each other': ['nested_too_deep', withZip({ name: 'assets/a.zip', content: doll(4) })],
  'zip: a gzip file inside that unpacks to more': [
    'too_large', withZip({ name: 'assets/a.gz', content: gzipSync(zeros(60)) })
  ],
  'zip: more than 1,000 files': ['too_many_files', withZip(...many)],
  'tar: a path out of the folder': ['unsafe_name', withTar({ name: '../x' })],
  'tar: an absolute path': ['unsafe_name', withTar({ name: '/etc/passwd' })],
  'tar: a path out of the folder in a pax record': ['unsafe_name', withTar(pax(record('path=../../x')), { name: 'a' })],
  'tar: a path out of the folder in a long name': [
    'unsafe_name', withTar({ name: '././@LongLink', type: 'L', content: '../../x\0' }, { name: 'a' })
  ],
  'tar: a symbolic link': ['special_file', withTar({ name: 'assets/a', type: '2', link: '/etc/passwd' })],
  'tar: a hard link': ['special_file', withTar({ name: 'assets/a', type: '1', link: 'SKILL.md' })],
  'tar: a character device': ['special_file', withTar({ name: 'assets/a', type: '3' })],
  'tar: a block device': ['special_file', withTar({ name: 'assets/a', type: '4' })],
  'tar: a pipe': ['special_file', withTar({ name: 'assets/a', type: '6' })],
  'tar: a name twice, where case does not count': ['duplicate_name', withTar({ name: 'Skill.md' })],
  'tar: a directory with data': ['contradictory', withTar({ name: 'assets/', type: '5', content: 'x' })],
  'tar: a file with the name of a directory': ['contradictory', withTar({ name: 'assets/', content: 'x' })],
  'tar: two names, by a pax record and a long name': [
    'contradictory',
    withTar(pax(record('path=a')), { name: '././@LongLink', type: 'L', content: 'b\0' }, { name: 'c' })
  ],
  'tar: a size in a pax record': [
    'contradictory', withTar(pax(record('size=0')), { name: 'a', content: 'x'.repeat(512) })
  ],
  'tar: a path out of the folder behind a malformed record': [
    'contradictory', withTar(pax('18x path=assets/a\n'), { name: '../../x' })
  ],
  'tar: a path out of the folder behind a record without an end': [
    'contradictory', withTar(pax('17 path=assets/a_'), { name: '../../x' })
  ],
  'tar: a record beyond its header': ['contradictory', withTar(pax('99 path=assets/a\n'), { name: 'assets/b' })],
  'tar: a record with an empty path': ['contradictory', withTar(pax('8 path=\n'), { name: 'assets/a' })],
  'tar: another size in a record of star': [
    'contradictory', withTar(pax('23 SCHILY.realsize=900\n'), { name: 'assets/a', content: 'x' })
  ],
  'tar: the beginning of a name, which the format has not': [
    'contradictory', withTar({ name: 'assets/a', format: 'ustar  ', prefix: '../../etc' })
  ],
  'tar: records for all entries': ['contradictory', tar([pax(record('path=x'), 'g'), skill])],
  'tar: cut off within a file': ['damaged', cut(withTar({ name: 'a', content: 'x' }), 1_400)],
  'tar: cut off between files': ['damaged', tarEntries([skill])],
  'tar: entries behind its end': ['trailing_bytes', Buffer.concat([tar([skill]), tar([{ name: 'hidden' }])])],
  'tar: more than 1,000 files': ['too_many_files', withTar(...many)],
  'tar.gz: more than 50 MiB': ['too_large', tarGz([skill, { name: 'assets/a', content: zeros(51) }])],
  'tar.gz: much more than 50 MiB': ['too_large', gzipSync(zeros(200))],
  'tar.gz: cut off': ['damaged', cut(tarGz([skill]), 20)],
  'tar.gz: bytes behind it': ['damaged', Buffer.concat([tarGz([skill]), Buffer.from('more')])],
  'tar.gz: zeros and bytes behind it': ['trailing_bytes', Buffer.concat([tarGz([skill]), Buffer.from('\0\0more')])],
  'no archive': ['not_an_archive', Buffer.from('hello')],
  'no SKILL.md': ['skill_file', zip([{ name: 'README.md' }])],
  'SKILL.md in another folder than its name': ['skill_file', zip([{ name: 'other/SKILL.md', content: skillFile() }])],
  'SKILL.md in lower case': ['skill_file', zip([{ name: 'skill.md', content: skillFile() }])],
}

for (const [title, [reason, archive]] of Object.entries(refused)) {
  tap.test(`OC-19: ${title} is refused`, async t => {
    const { status, json } = await publish(archive)
    t.match({ status, json }, { status: 400, json: { code: 'INVALID_REQUEST', details: { field: 'body', reason } } })
    t.match(json.error, /\.$/, 'a sentence')
    const { json: { data } } = await server.admin('GET', `/skills?organization=${organization}`)
    t.strictSame(data, [], 'and nothing is kept')
  })
}

const fields: Record<string, string> = {
  'a name with capitals': 'name: PDF\ndescription: x',
  'a name that is too long': `name: ${'a'.repeat(65)}\ndescription: x`,
  'a name with two hyphens': 'name: a--b\ndescription: x',
  'no name': 'description: x',
  'no description': 'name: a',
  'an empty description': 'name: a\ndescription: ""',
  'a description that is too long': `name: a\ndescription: ${'x'.repeat(1_025)}`,
  'a description with an escape': 'name: a\ndescription: "\\e[2J"',
  'a field that the format does not know': 'name: a\ndescription: x\nmodel: y',
  'metadata that is no text': 'name: a\ndescription: x\nmetadata:\n  version: 1.0',
  'a repeated field': 'name: a\nname: b\ndescription: x',
  'an alias': 'name: a\ndescription: &d x\nlicense: *d',
  'a tag': 'name: a\ndescription: !!js/function "x"',
  'a list': '- name',
}

tap.test('OC-19: front matter is checked, and the answer says what is wrong with it', async t => {
  for (const [title, text] of Object.entries(fields)) {
    const { status, json } = await publish(zip([{ name: 'SKILL.md', content: `---\n${text}\n---\n` }]))
    t.match({ status, json }, { status: 400, json: { error: /SKILL\.md/, details: { reason: 'skill_file' } } }, title)
  }
  for (const content of ['# no front matter', '---\nname: a\n', Buffer.from('---\nname: \xff\n---\n', 'latin1')]) {
    t.match(await publish(zip([{ name: 'SKILL.md', content }])), {
      status: 400, json: { details: { reason: 'skill_file' } }
    })
  }
})

tap.test('OC-19: bodies that are no archive, or too large, are refused before they are read', async t => {
  t.match(await publish(Buffer.from('{}'), 'application/json'), { status: 415, json: { error: /Send an archive/ } })
  t.match(await publish(Buffer.alloc(10 * 1024 * 1024 + 1)), { status: 413, json: { code: 'PAYLOAD_TOO_LARGE' } })
  t.match(await publish(Buffer.alloc(0)), { status: 400, json: { error: /archive/ } })
  const version = async (text: string) => (await server.send({
    method: 'POST',
    path: `/api/v1/skills?organization=${organization}&version=${text}`,
    body: zip([skill]),
    headers: { authorization: `Bearer ${server.adminToken}`, 'content-type': 'application/zip' }
  })).status
  for (const text of ['', 'latest', '1.0', '01.0.0', '1.0.0/..', `1.0.0-${'a'.repeat(64)}`]) {
    t.equal(await version(text), 400, text)
  }
  t.equal(await version('9.0.0-rc.1%2Bbuild.5'), 201, 'SemVer with a build')
  t.match(
    await server.send({
      method: 'POST',
      path: `/api/v1/skills?organization=${organization}&version=9.0.1&name=other`,
      body: zip([skill]),
      headers: { authorization: `Bearer ${server.adminToken}`, 'content-type': 'application/zip' }
    }), { status: 400, json: { details: { field: 'name' } } }
  )
})

tap.test('OC-19: a zip archive with data descriptors that say the same is taken', async t => {
  const withSignature = described('x')
  t.equal((await publish(withZip(withSignature))).status, 201)
  const descriptor = withSignature.descriptor.subarray(4)
  t.equal((await publish(withZip({ ...withSignature, descriptor }))).status, 201, 'without a signature')
})

const gnuTar = foreignProgram('tar', 'https://www.gnu.org/software/tar/')
const python = foreignProgram('python3', 'https://www.python.org')

tap.test('OC-19: archives that GNU tar makes are taken', gnuTar, async t => {
  const folder = t.testdir({ 'pdf-forms': { 'SKILL.md': skillFile(), scripts: { 'fill.py': 'print(1)\n' } } })
  mkdirSync(join(folder, 'pdf-forms', 'assets', 'a'.repeat(120)), { recursive: true })
  writeFileSync(join(folder, 'pdf-forms', 'assets', 'a'.repeat(120), 'b.txt'), 'x')
  for (const [i, how] of [
    ['--format=ustar', '-C', join(folder), 'pdf-forms/SKILL.md', 'pdf-forms/scripts'],
    ['--format=gnu', '-C', folder, 'pdf-forms'], ['--format=pax', '-C', folder, 'pdf-forms'],
    ['-z', '-C', join(folder, 'pdf-forms'), '.']
  ].entries()) {
    const file = join(folder, `${i}.tar`)
    execFileSync(gnuTar.path, ['-cf', file, ...how])
    t.match(await publish(readFileSync(file)), { status: 201, json: { name: 'pdf-forms' } }, how.join(' '))
  }
})

tap.test('OC-19: archives that Python makes are taken, streamed ones included', python, async t => {
  const folder = t.testdir()
  const made = execFileSync(python.path, ['-c', `
import sys, zipfile
class Stream:
    def __init__(self, file): self.file = file
    def write(self, data): return self.file.write(data)
    def flush(self): self.file.flush()
for name, wrap in (("plain.zip", lambda f: f), ("streamed.zip", Stream)):
    with open(name, "wb") as file, zipfile.ZipFile(wrap(file), "w", zipfile.ZIP_DEFLATED) as z:
        z.writestr("pdf-forms/SKILL.md", sys.argv[1])
        z.writestr("pdf-forms/assets/\u00fc.txt", "x" * 5000)
`, skillFile()], { cwd: folder })
  t.equal(made.length, 0)
  for (const name of ['plain.zip', 'streamed.zip']) {
    t.match(await publish(readFileSync(join(folder, name))), { status: 201, json: { files: 2 } }, name)
  }
})

tap.test('OC-19: an archive inside of a bundle is taken, and so is one that only looks like it', async t => {
  const inside = zip([{ name: 'word/document.xml', content: 'x' }, { name: 'word/document.xml', content: 'y' }])
  t.match(await publish(withZip({ name: 'assets/form.docx', content: inside })), { status: 201 })
  const odd = Buffer.from('\x1f\x8bno gzip at all, truly', 'latin1')
  t.match(await publish(withZip({ name: 'assets/odd.gz', content: odd })), { status: 201 })
})
