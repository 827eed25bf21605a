/**
 * A room for containers: a process id, a mount and a network namespace of their own, with podman and podman-compose
 * under the names `docker` and `docker compose`. What runs in it ends with it, and takes no port of this machine. With
 * LATCHKEY_TEST_IMAGES, a folder, images are kept there for the next run.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmod, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { delimiter, join, resolve } from 'node:path'
import { run, type Ran } from '../../support/running-server.ts'
import { until } from '../../support/waiting.ts'

const root = resolve(import.meta.dirname, '../../..')

export interface Room {
  /** A folder on this machine and in the room. */
  folder: string
  /** Runs a script of `sh` in the room, by default in `folder`. */
  run (script: string, options?: { cwd?: string, network?: boolean }): Promise<Ran>
}

interface Cleaner { teardown (work: () => unknown): void }

// The limits of this machine may be below podman's defaults.
const containersConf = (networks: string): string => `
[containers]
default_ulimits = ["nofile=4096:4096", "nproc=4096:4096"]
[engine]
runtime = "crun"
cgroup_manager = "cgroupfs"
events_logger = "file"
[network]
network_backend = "netavark"
network_config_dir = "${networks}"
`

// Podman's state of this room alone. crun takes no hybrid hierarchy of cgroups.
const setUp = `set -e
for folder in /run/containers /run/libpod /run/netns /run/crun /dev/shm; do
  mkdir -p $folder
  mount -t tmpfs tmpfs $folder
done
if mountpoint -q /sys/fs/cgroup/unified; then umount /sys/fs/cgroup/unified; fi
ip link set lo up
echo ready
exec catatonit -P`

/** Opens a room; it closes with the test. `podman`: the program; `tools`: a folder with podman-compose. */
export async function openRoom (t: Cleaner, podman: string, tools: string): Promise<Room> {
  // Not in /tmp, which may be a small file system in memory.
  const folder = await mkdtemp('/var/tmp/latchkey-container-')
  const holder = spawn('unshare', [
    '--mount', '--net', '--pid', '--fork', '--kill-child', '--mount-proc', 'sh', '-c', setUp
  ], { stdio: ['ignore', 'pipe', 'inherit'] })
  let said = ''
  holder.stdout.on('data', bytes => { said += String(bytes) })
  t.teardown(async () => {
    holder.kill('SIGKILL')
    if (holder.exitCode === null && holder.signalCode === null) await once(holder, 'close')
    await rm(folder, { recursive: true, force: true })
  })
  await until('the namespaces are there', () => {
    if (holder.exitCode !== null) throw new Error('unshare failed')
    return said === 'ready\n'
  })
  const inside = (await readFile(`/proc/${holder.pid}/task/${holder.pid}/children`, 'utf8')).trim()
  const env = await writeTools(folder, podman, tools)
  const room: Room = {
    folder,
    async run (script, { cwd = folder, network = true } = {}) {
      const namespaces = ['--mount', '--pid', ...(network ? ['--net'] : [])]
      return await run('nice', [
        'nsenter', `--target=${inside}`, ...namespaces, 'sh', '-c', `cd "$0" && ${script}`, cwd
      ], { env, cwd: root })
    },
  }
  // Among kept images there are the containers of a run that did not end, and they have the names of ours.
  const { code, stderr } = await room.run('podman ps --all --external --quiet | xargs -r podman rm --force')
  if (code !== 0) throw new Error(stderr)
  return room
}

/** Writes the commands and their configuration; returns the environment that leads to them. */
async function writeTools (
  folder: string, podman: string, tools: string
): Promise<Record<string, string>> {
  const bin = join(folder, 'bin')
  const networks = join(folder, 'networks')
  for (const each of [bin, networks]) await mkdir(each)
  const command = async (name: string, script: string) => {
    await writeFile(join(bin, name), `#!/bin/sh\n${script}\n`)
    await chmod(join(bin, name), 0o755)
  }
  // A folder that keeps images and layers for the next run: npm ci alone takes a minute, and more on a busy machine.
  const kept = process.env.LATCHKEY_TEST_IMAGES ?? join(folder, 'containers')
  for (const state of ['run', 'tmp', 'root/libpod', 'root/volumes']) {
    await rm(join(kept, state), { recursive: true, force: true })
  }
  const storage = `--root '${kept}/root' --runroot '${kept}/run' --tmpdir '${kept}/tmp'`
  // As Docker does, leave /tmp, /run and /var/tmp of a read-only container read-only.
  await command('podman', [
    'case "$1" in',
    `  run|create) command=$1; shift; exec '${podman}' ${storage} "$command" --read-only-tmpfs=false "$@" ;;`,
    // Not from a registry, and in Docker's format, which has health checks.
    `  build) shift; exec '${podman}' ${storage} build --isolation chroot --format docker --pull=never "$@" ;;`,
    `  *) exec '${podman}' ${storage} "$@" ;;`,
    'esac',
  ].join('\n'))
  await command('docker', [
    'case "$1" in',
    // It waits without an end for a container that could not be created.
    `  compose) shift; exec timeout 900 '${tools}/podman-compose' "$@" ;;`,
    '  *) exec podman "$@" ;;',
    'esac',
  ].join('\n'))
  await writeFile(join(folder, 'containers.conf'), containersConf(networks))
  await writeFile(join(folder, 'registries.conf'), 'unqualified-search-registries = []\n')
  return {
    HOME: process.env.HOME ?? '/root',
    PATH: [bin, ...(process.env.PATH ?? '').split(delimiter), '/usr/local/sbin', '/usr/sbin', '/sbin'].join(delimiter),
    CONTAINERS_CONF: join(folder, 'containers.conf'),
    CONTAINERS_REGISTRIES_CONF: join(folder, 'registries.conf'),
  }
}
