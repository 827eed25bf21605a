/**
 * The images that Dockerfile and compose.yaml name, where none can be pulled: made of Debian's packages and the Node.js
 * of the project. What stands in for an image is in NAME.Containerfile.
 */
import { cp, readFile, realpath } from 'node:fs/promises'
import { basename, join, resolve } from 'node:path'
import { programPath } from '../../support/program-path.ts'
import type { Room } from './room.ts'

const root = resolve(import.meta.dirname, '../../..')

/** The images that Dockerfile and deploy/compose.yaml name, without those that are built from them. */
export async function namedImages (): Promise<string[]> {
  const dockerfile = await readFile(join(root, 'Dockerfile'), 'utf8')
  const compose = await readFile(join(root, 'deploy/compose.yaml'), 'utf8')
  const defaults = new Map(Array.from(dockerfile.matchAll(/^ARG (\w+)=(\S+)$/gm), ([, name, text]) => [name!, text!]))
  const from = Array.from(dockerfile.matchAll(/^FROM (\S+)/gm), ([, image]) =>
    image!.replace(/\$\{(\w+)\}/g, (_, name: string) => defaults.get(name) ?? ''))
  const started = Array.from(compose.matchAll(/^ +image: (\S+)$/gm), ([, image]) => image!)
  return [...new Set([...from, ...started])].filter(image => !image.startsWith('localhost/'))
}

/** Makes each named image in the room, also as localhost/NAME. @throws for one that nothing stands in for. */
export async function makeImages (room: Room): Promise<void> {
  const context = join(room.folder, 'images')
  await cp(import.meta.dirname, context, { recursive: true })
  await cp(process.execPath, join(context, 'node'), { dereference: true })
  // npm/bin/npm-cli.js
  const npm = await realpath(programPath('npm') ?? '')
  await cp(join(npm, '../..'), join(context, 'npm'), { recursive: true, dereference: true })
  // A registry may be reached by way of an authority that this machine trusts.
  await cp('/etc/ssl/certs/ca-certificates.crt', join(context, 'certificates.pem'), { dereference: true })
  await must(room, 'podman image exists localhost/debian || ' + [
    '{ debootstrap --variant=minbase --include=ca-certificates bookworm debian > debootstrap.log',
    'tar --create --directory=debian . | podman import --quiet - localhost/debian',
    'rm -r debian; }',
  ].join(' && '))
  for (const image of await namedImages()) {
    const name = basename(image).split(':')[0]!
    await makeImage(room, image, name)
    await must(room, `docker tag ${image} localhost/${name}`)
  }
}

/** Builds NAME.Containerfile as `image`, with the network of this machine. Kept layers are not built again. */
export async function makeImage (room: Room, image: string, name: string, context = 'images'): Promise<void> {
  await must(room, `docker build --quiet --tag ${image} --file images/${name}.Containerfile ${context}`)
}

async function must (room: Room, script: string): Promise<void> {
  const { code, stdout, stderr } = await room.run(script, { network: false })
  if (code !== 0) throw new Error(`${script}\n${stdout}${stderr}`)
}
