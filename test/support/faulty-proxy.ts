/**
 * A wire to PostgreSQL that fails as it is told: refuses, swallows, delays, hangs up. It knows so much of the protocol
 * that it can tell one question from the next: everything up to Sync or a simple Query, and the answer up to
 * ReadyForQuery.
 */
import { once } from 'node:events'
import { connect, createServer, type AddressInfo, type Socket } from 'node:net'

/**
 * What happens to the question that a fault was set on. `lost answer`: it is carried out, and half of the answer
 * arrives.
 * `disk full`: PostgreSQL itself answers as when it has no room for it.
 */
export const faults = ['lost question', 'lost answer', 'disk full'] as const
export type Fault = typeof faults[number]

export interface FaultyProxy {
  /** The database, by this wire. */
  url: string
  /** Sets a fault on the n-th question from now, 1 being the next. */
  failAt (n: number, fault: Fault): void
  /** Whether the fault that was set last has happened; takes it away if not. */
  disarm (): boolean
  /** Questions that passed or failed since `failAt`. */
  questions (): number
  /** Hangs up on everybody, and takes nobody. */
  cut (): void
  /** Every answer comes so many milliseconds later. */
  delay (milliseconds: number): void
  /** From now on nothing arrives any more in either direction, and nobody is told. */
  swallow (): void
  /** After so many bytes more of answers, everybody is hung up on. */
  cutAfter (bytes: number): void
  /** As good as new; whoever was hung up on or swallowed has to connect again. */
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
      // Whoever is hung up on hears of it by the end.
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
      // Only now is it certain that it was carried out.
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
 * A question that fails like `question` on a full disk: a transaction that cannot be committed is over, any other
 * statement spoils its own.
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

/**
 * Hands on what one side says in pieces of which each is one question. The first message has no type before its length.
 */
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
