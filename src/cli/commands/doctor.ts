/** `latchkey doctor`: checks the installation. Exit code 1 if a check failed; a warning is not a failure. */
import { Command } from 'commander'
import type { Finding } from '../../server/doctor/finding.ts'
import type { GlobalOptions } from '../connection.ts'
import { jsonLines, printable, tableLines } from '../print.ts'

export function doctorCommand (): Command {
  return new Command('doctor').description(
    'check the configuration, the database, the keys and the issuer, and name remedies'
  )
    .action(async function (this: Command) {
      const findings = await (await import('../../server/doctor/doctor.ts')).examine()
      const healthy = findings.every(finding => finding.status !== 'failed')
      process.stdout.write(
        this.optsWithGlobals<GlobalOptions>().json
          ? `${jsonLines(JSON.stringify({ healthy, findings }))}\n`
          : findingsText(findings)
      )
      if (!healthy) process.exitCode = 1
    })
}

function findingsText (findings: readonly Finding[]): string {
  const remedies = findings.filter(finding => finding.remedy !== null)
  return [
    tableLines(['CHECK', 'STATUS', 'FOUND'], findings.map(({ check, status, found }) => [check, status, found])),
    // Escaped: a remedy may quote another program's answer.
    ...remedies.map(({ check, remedy }) => `\n${check}: ${printable(remedy!)}`),
    remedies.length === 0 ? '' : '\n',
  ].join('')
}
