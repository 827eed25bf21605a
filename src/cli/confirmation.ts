/**
 * What destroys asks first, on a terminal: `--yes` answers beforehand. A program is not asked: it has said what it
 * wants.
 */
import { createInterface } from 'node:readline/promises'
import type { Command } from 'commander'
import { UsageError } from './failure.ts'

/** Commands after which something is over for good. */
const destroying = new Set(['revoke', 'remove', 'delete'])

/** Gives every command of `root` that destroys the flag `--yes`, and the question that it answers. */
export function confirming (root: Command): Command {
  for (const command of root.commands) {
    confirming(command)
    if (!destroying.has(command.name())) continue
    if (!command.options.some(({ long }) => long === '--yes')) {
      command.option('--yes', 'do not ask: there is no way back')
    }
    command.hook('preAction', async (_, action) => {
      await confirm(action)
    })
  }
  return root
}

/** @throws UsageError when the answer is no. */
async function confirm (command: Command): Promise<void> {
  const { yes, dryRun } = command.opts<{ yes?: boolean, dryRun?: boolean }>()
  if (yes === true || dryRun === true || !process.stdin.isTTY || !process.stderr.isTTY) return
  const what = [command.parent?.name(), command.name(), ...command.args].join(' ')
  const terminal = createInterface({ input: process.stdin, output: process.stderr })
  try {
    const answer = await terminal.question(`${what}: there is no way back. Do it? [y/N] `)
    if (!/^y(es)?$/i.test(answer.trim())) throw new UsageError('Nothing was changed.')
    command.setOptionValue('yes', true)
  } finally {
    terminal.close()
  }
}
