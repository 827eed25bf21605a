/** Confirmation of destructive commands on a terminal; `--yes` skips it. Without a terminal there is no question. */
import { createInterface } from 'node:readline/promises'
import type { Command } from 'commander'
import { UsageError } from './failure.ts'

/** Names of commands that cannot be undone. */
const destroying = new Set(['revoke', 'remove', 'delete', 'delete-rule', 'yank'])

/** Adds `--yes` and the confirmation to every destructive command of `root`. */
export function confirming (root: Command): Command {
  for (const command of root.commands) {
    confirming(command)
    if (!destroying.has(command.name())) continue
    if (!command.options.some(({ long }) => long === '--yes')) {
      command.option('--yes', 'do not ask for confirmation; this cannot be undone')
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
  const line = [command.parent?.name(), command.name(), ...command.args].join(' ')
  const terminal = createInterface({ input: process.stdin, output: process.stderr })
  try {
    const answer = await terminal.question(`${line}: this cannot be undone. Continue? [y/N] `)
    if (!/^y(es)?$/i.test(answer.trim())) throw new UsageError('Nothing was changed.')
    command.setOptionValue('yes', true)
  } finally {
    terminal.close()
  }
}
