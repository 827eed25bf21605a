/**
 * A proxy to PostgreSQL that fails on demand: refuses, swallows, delays or resets connections. It parses the protocol
 * far enough to tell one question from the next: everything up to Sync or a simple Query, and the answer up to
 * ReadyForQuery.
 */
import { once } from 'node:events'
import { connect, createServer, type AddressInfo, type Socket } from 'node:net'

/**
 * The fate of the question that a fault was set on.
 * `lost answer`: it is executed, and half of the answer arrives.
 * `disk full`: PostgreSQL itself answers that it has no space left.
 */
export const faults = ['lost question', 'lost answer', 'disk full'] as const
export type Fault = typeof faults[number]

export interface FaultyProxy {
  /** The database through this proxy. */
  url: string
  /** Sets a fault on the n-th question from now; 1 is the next. */
  failAt (n: number, fault: Fault): void
  /** Whether the last fault that was set has happened; removes it if not. */
  disarm (): boolean
  /** Questions that passed or failed since `failAt`. */
  questions (): number
  /** Resets all connections, and refuses new ones. */
  cut (): void
  /** Delays every answer by so many milliseconds. */
  delay (milliseconds: number): void
  /** Drops all data in both directions from now on, without closing a connection. */
  swallow (): void
  /** Resets all connections after so many more bytes of answers. */
  cutAfter (bytes: number): void
  /** Clears all faults; clients of reset or swallowed connections have to reconnect. */
  mend (): void
  close (): Promise<void>
}

interface State {
  refusing: boolean
  swallowing: boolean
  delay: number
  bytesLeft: number
  questions: number
  armed: { at: number, fault: Fault } | null
}

const asNew = { refusing: false, swallowing: false, delay: 0, bytesLeft: Infinity }

export async function startFaultyProxy (databaseUrl: string): Promise<FaultyProxy> {
  const target = new URL(databaseUrl)
  const sockets = new Set<Socket>()
  const state: State = { ...asNew, questions: 0, armed: null }
  const hangUp = () => { for (const socket of sockets) socket.resetAndDestroy() }
  const server = createServer(near => {
    if (state.refusing) {
      near.resetAndDestroy()
      return
    }
    const far = connect(Number(target.port), target.hostname)
    for (const socket of [near, far]) {
      sockets.add(socket)
      socket.setNoDelay(true)
      // The `close` event handles a reset.
      socket.on('error', () => {})
      socket.on('close', () => {
        sockets.delete(socket)
        near.destroy()
        far.destroy()
      })
    }
    carry(near, far, state, hangUp)
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    url: Object.assign(new URL(databaseUrl), { port: String((server.address() as AddressInfo).port) }).href,
    failAt (at, fault) { Object.assign(state, { questions: 0, armed: { at, fault } }) },
    disarm () {
      const happened = state.armed === null
      state.armed = null
      return happened
    },
    questions: () => state.questions,
    cut () {
      state.refusing = true
      hangUp()
    },
    delay (milliseconds) { state.delay = milliseconds },
    swallow () { state.swallowing = true },
    cutAfter (bytes) { state.bytesLeft = bytes },
    mend () {
      if (state.swallowing) hangUp()
      Object.assign(state, asNew)
    },
    async close () {
      hangUp()
      server.close()
      await once(server, 'close')
    },
  }
}

function carry (near: Socket, far: Socket, state: State, hangUp: () => void): void {
  let loseAnswer = false
  const reader = questionReader(question => {
    if (state.swallowing) return
    if (question.isWhole) {
      state.questions++
      if (state.armed?.at === state.questions) {
        const { fault } = state.armed
        state.armed = null
        if (fault === 'lost question') {
          near.resetAndDestroy()
          far.resetAndDestroy()
          return
        }
        if (fault === 'disk full') {
          far.write(withoutRoom(question.bytes))
          return
        }
        loseAnswer = true
      }
    }
    far.write(question.bytes)
  })
  near.on('data', reader)
  let answer = Buffer.alloc(0)
  far.on('data', (bytes: Buffer) => {
    if (state.swallowing) return
    if (loseAnswer) {
      answer = Buffer.concat([answer, bytes])
      if (!isReady(answer)) return
      // Only now is it certain that the question was executed.
      near.end(answer.subarray(0, Math.floor(answer.length / 2)), () => { near.resetAndDestroy() })
      return
    }
    state.bytesLeft -= bytes.length
    if (state.bytesLeft <= 0) {
      hangUp()
      return
    }
    if (state.delay === 0) near.write(bytes)
    else setTimeout(() => { near.write(bytes) }, state.delay)
  })
}

/**
 * A question that fails like `question` on a full disk: a failed COMMIT ends its transaction, any other failed
 * statement aborts it.
 */
function withoutRoom (question: Buffer): Buffer {
  const over = question.includes('COMMIT') ? 'ROLLBACK; ' : ''
  const text = Buffer.from(
    `${over}DO $$ BEGIN RAISE EXCEPTION 'could not extend file: No space left on device' USING ERRCODE = '53100'; ` +
      'END $$\0'
  )
  const head = Buffer.from('Q\0\0\0\0')
  head.writeInt32BE(4 + text.length, 1)
  return Buffer.concat([head, text])
}

/** The last message is ReadyForQuery. */
function isReady (answer: Buffer): boolean {
  return answer.length >= 6 && answer.subarray(-6, -1).equals(Buffer.from([0x5a, 0, 0, 0, 5]))
}

interface Question { bytes: Buffer, /** And not one of those with which a connection begins. */ isWhole: boolean }

/** Forwards the data of one side in pieces of one question each. The first message has no type before its length. */
function questionReader (handOn: (question: Question) => void): (bytes: Buffer) => void {
  let unread = Buffer.alloc(0)
  let hasBegun = false
  let question: Buffer[] = []
  return bytes => {
    unread = Buffer.concat([unread, bytes])
    for (;;) {
      const head = hasBegun ? 1 : 0
      if (unread.length < head + 4) return
      const length = head + unread.readInt32BE(head)
      if (unread.length < length) return
      const type = hasBegun ? String.fromCharCode(unread[0]!) : 'startup'
      hasBegun = true
      question.push(unread.subarray(0, length))
      unread = unread.subarray(length)
      if (!['startup', 'p', 'S', 'Q', 'X'].includes(type)) continue
      handOn({ bytes: Buffer.concat(question), isWhole: type === 'S' || type === 'Q' })
      question = []
    }
  }
}
