/** What each client of this judge does, in TypeScript; client.py and main.go do the same. */
import { createInterface } from 'node:readline'

/** One installation of a client, as its SDK makes it. */
export interface Installation {
  /** The text that a tool answers, with as much asking as the SDK does for it. */
  call (tool: string): Promise<string>
  /** Gets another access token by the refresh token. */
  refresh (): Promise<void>
  tokens (): { access: string, refresh: string }
  clientId (): string
}

const tell = (step: object): void => { console.log(JSON.stringify(step)) }

/** Reads, refreshes, reads, writes, and reads once more for each line of the standard input. */
export async function goThrough (installation: Installation): Promise<void> {
  const { call, refresh, tokens, clientId } = installation
  tell({ step: 'read', text: await call('list_notes') })
  const before = tokens()
  await refresh()
  const after = tokens()
  tell({ step: 'refresh', isNew: after.access !== before.access && after.refresh !== before.refresh })
  tell({ step: 'read', text: await call('list_notes') })
  tell({ step: 'write', text: await call('add_note') })
  tell({ step: 'tokens', ...tokens(), clientId: clientId() })
  for await (const line of createInterface({ input: process.stdin })) {
    if (line !== '') break
    tell({ step: 'read', text: await call('list_notes') })
  }
}

/** Sends the person of the judge to the authorization server; returns the URL that they come back to. */
export async function askPerson (url: URL): Promise<URL> {
  const answer = await fetch(process.env.PERSON!, { method: 'POST', body: url.href })
  if (!answer.ok) throw new Error(await answer.text())
  return new URL(await answer.text())
}
