/** Local announcement: writes `server.json`, by which commands on this machine find the running server. */
import type { FastifyInstance } from 'fastify'
import { localUrl, removeServerFile, writeServerFile } from '../config/server-file.ts'

export interface AnnouncementOptions {
  dataFolder: string
  /** Proves to commands that the server which answers is the one that wrote the file (config/server-file.ts). */
  key: string
}

/**
 * Writes the file when `app` listens, and removes it when `app` has closed. A data folder that cannot be written is a
 * warning: a server whose secrets and database are elsewhere needs none.
 */
export function announceLocally (app: FastifyInstance, { dataFolder, key }: AnnouncementOptions): void {
  app.addHook('onListen', done => {
    const address = app.server.address()
    try {
      // A Unix socket has no URL.
      if (address !== null && typeof address !== 'string') {
        const server = { url: localUrl(address.address, address.port), key }
        writeServerFile(dataFolder, server)
        app.server.once('close', () => { removeServerFile(dataFolder, server) })
      }
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException
      app.log.warn(
        `LATCHKEY_DATA: ${dataFolder} cannot be written (${code}), so commands on this machine do not find this ` +
        'server by themselves: name it with LATCHKEY_URL'
      )
    }
    done()
  })
}
